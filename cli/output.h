/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Results on standard output: JSON, records, sizes and times. */
#ifndef VALIDATORS_CLI_OUTPUT_H
#define VALIDATORS_CLI_OUTPUT_H

#include <jansson.h>

#include "validators/index.h"

/* One object on a line of its own on standard output; takes over `object`. */
void cli_put_json(json_t *object);

void cli_json_number(json_t *object, const char *key, uint64_t value);

/* Set `path` and, where it is not UTF-8, `path_base64`. */
void cli_json_path(json_t *object, const char *path, size_t len);

/* The fields of a record, as `show` and `list` write them. */
json_t *cli_json_record(const char *path, size_t len, const vld_record *record);

/* "1.2 MiB" */
#define CLI_SIZE 16
const char *cli_size(uint64_t octets, char out[CLI_SIZE]);

/* "2026-01-02T03:04:05.123456789Z" */
#define CLI_TIME 48
const char *cli_time(int64_t ns, char out[CLI_TIME]);

#endif /* VALIDATORS_CLI_OUTPUT_H */
