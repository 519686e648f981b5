/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* One prepared answer to and from the octets of a slot (answers/layout.h);
 * private to answers/.  Pure functions over memory of the caller's own: they
 * never see the shared table. */
#ifndef ANSWERS_CODEC_H
#define ANSWERS_CODEC_H

#include "answers/layout.h"

/* Write key and answer from AT_USED on into a slot's image of VLD_ANSWER_SLOT
 * octets; check and sequence are left alone.  Returns the octets used, a
 * multiple of STEP, or 0 when it does not fit (image is undefined then). */
size_t vld_codec_encode(vld_span key, const vld_answer *answer,
                        unsigned char *image);

/* Read an image of which `used` octets are there (at most VLD_ANSWER_SLOT).
 * The spans point into image.  False, whatever the octets are, unless they
 * are exactly what the encoder writes; never looks at image[used] or
 * beyond. */
bool vld_codec_decode(const unsigned char *image, size_t used, vld_span *key,
                      vld_answer *out);

#endif /* ANSWERS_CODEC_H */
