/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The configuration: what the directives say for the server and for one
 * request.  Every room of server/ may ask it. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <httpd.h>
#include <http_config.h>

#include "validators/content.h"

extern module AP_MODULE_DECLARE_DATA validators_module;

/* Names under which the filters are registered. */
#define VLD_ATTACH_FILTER "VALIDATORS_ATTACH"
#define VLD_EVALUATE_FILTER "VALIDATORS_EVALUATE"
#define VLD_EVALUATE_LATE_FILTER "VALIDATORS_EVALUATE_LATE"

/* Octets above which ValidatorsAutoIndex leaves a file alone. */
#define DEFAULT_AUTO_MAX_MIB 256
#define VLD_DEFAULT_AUTO_MAX ((apr_int64_t)DEFAULT_AUTO_MAX_MIB << 20)

/* UNSET is what no administrator can write. */
enum { VLD_UNSET = -1, VLD_OFF = 0, VLD_ON = 1 };

typedef struct vld_dir_config {
    int engine; /* VLD_ON, VLD_OFF, VLD_UNSET */
    int quick;
    int verify;           /* vld_compare or VLD_UNSET */
    int auto_index;       /* VLD_OFF: files are not posted to the indexer */
    apr_int64_t auto_max; /* octets; larger files are not; with auto_index */
    /* VLD_ON: a directive of another module is in force that may decide
     * otherwise for another client; never unset again */
    int depends_on_client;
    int socache; /* VLD_ON: mod_cache_socache keeps responses */
    apr_array_header_t *rewriters; /* of vld_filter_provider; NULL: none */
} vld_dir_config;

/* What is said once for the whole server. */
typedef struct vld_global_config {
    const char *index_path; /* absolute */
    apr_uint32_t slots;     /* of prepared answers; 0: none */
    apr_int64_t ttl_us;
    int any_engine_on;        /* some section says ValidatorsEngine On */
    int any_quick_on;         /* some section says ValidatorsQuickHandler On */
    int any_auto_on;          /* some section says ValidatorsAutoIndex On */
    int auto_off_in_main;     /* the main server says Off */
    int if_none_match_edited; /* mod_headers edits If-None-Match somewhere */
    int uses_socache;         /* some section has mod_cache_socache keep
                               * responses */
    apr_array_header_t *vouched; /* of const char *: source files of modules,
                                  * filters */
    const vld_tag_key *tag_key;  /* NULL: none */
} vld_global_config;

void *vld_config_create_dir(apr_pool_t *p, char *dir);
void *vld_config_merge_dir(apr_pool_t *p, void *base, void *add);
/* Back to the defaults, before the configuration is read. */
void vld_config_reset(apr_pool_t *pconf);
/* Valid from the reading of the configuration to the end of the process. */
const vld_global_config *vld_config_global(void);
/* The same, for directives: only while the configuration is read. */
vld_global_config *vld_config_edit(void);
/* Whether files may be wanted somewhere: the engine is on, and
 * ValidatorsAutoIndex not off everywhere. */
bool vld_config_auto(void);
/* The largest file that is posted for this configuration; -1: none is. */
apr_int64_t vld_config_auto_max(const vld_dir_config *conf);
/* The request's; never NULL. */
const vld_dir_config *vld_config_of(const request_rec *r);

#endif /* SERVER_CONFIG_H */
