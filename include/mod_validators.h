/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* mod_validators: version of the project and the names that it publishes to
 * other modules. */
#ifndef MOD_VALIDATORS_H
#define MOD_VALIDATORS_H

#define MOD_VALIDATORS_VERSION "0.1.0"

/* The request note in which the decision stands, one word: %{validators}n. */
#define MOD_VALIDATORS_NOTE "validators"

#endif /* MOD_VALIDATORS_H */
