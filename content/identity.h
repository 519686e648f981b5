/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* An identity in octets, of which digests are made.  Private to content/. */
#ifndef VALIDATORS_CONTENT_IDENTITY_H
#define VALIDATORS_CONTENT_IDENTITY_H

#include "validators/types.h"

/* Its fields, little-endian. */
#define VLD_IDENTITY_OCTETS 32
void vld_identity_put(unsigned char out[VLD_IDENTITY_OCTETS],
                      const vld_identity *id);

#endif /* VALIDATORS_CONTENT_IDENTITY_H */
