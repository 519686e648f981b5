/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Fuzz entry for the decoder of prepared answers: any octets, as the content
 * of a slot.  What is accepted must be what the encoder makes of it again. */
#include <stdlib.h>
#include <string.h>

#include "answers/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char again[VLD_ANSWER_SLOT];
    unsigned char *image;
    vld_span key;
    vld_answer answer;
    uint16_t used;

    if (size < AT_LENGTHS || size > VLD_ANSWER_SLOT) {
        return 0;
    }
    size -= size % STEP;
    image = malloc(size ? size : 1);
    memcpy(image, data, size);
    used = (uint16_t)size;
    memcpy(image + AT_USED, &used, sizeof(used));
    if (size && vld_codec_decode(image, size, &key, &answer)) {
        if (vld_codec_encode(key, &answer, again) != size
            || memcmp(again + AT_USED, image + AT_USED, size - AT_USED)) {
            abort();
        }
    }
    free(image);
    return 0;
}
