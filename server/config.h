/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The configuration of the server and of one request.  All of server/ may read
 * it; only the handlers of directives write it. */
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

/* ValidatorsAutoIndex does not index files with more bytes. */
#define DEFAULT_AUTO_MAX_MIB 256
#define VLD_DEFAULT_AUTO_MAX ((apr_int64_t)DEFAULT_AUTO_MAX_MIB << 20)

/* A first answer waits no longer for the file to be read. */
#define VLD_DEFAULT_AUTO_WAIT apr_time_from_msec(500)

/* No directive can set UNSET. */
enum { VLD_UNSET = -1, VLD_OFF = 0, VLD_ON = 1 };

typedef struct vld_dir_config {
    int engine; /* VLD_ON, VLD_OFF, VLD_UNSET */
    int quick;
    int verify;           /* vld_compare or VLD_UNSET */
    int auto_index;       /* VLD_OFF: files are not posted to the indexer */
    apr_int64_t auto_max; /* bytes; larger files are not; set with auto_index */
    apr_interval_time_t auto_wait; /* a first answer waits so long; the same */
    /* VLD_ON: a directive of another module is in force ...; inherited, and
     * never reset */
    int depends_on_client;  /* that may decide otherwise for another client */
    int depends_for_folder; /* ... where a folder is asked for */
    int fields_depend;      /* that may say otherwise to another client */
    int if_asks;            /* an <If> that may hold for another client only */
    int rewrites;           /* that may rewrite otherwise for another client */
    int needs_no_field;     /* that asks for a field without which alone answers
                             * are prepared */
    int edits_coding;       /* that edits Accept-Encoding */
    unsigned rewrite_asks;  /* vld_asks of conditions whose rule is not read */
    apr_array_header_t *set;  /* in .htaccess: of vld_variable; or NULL */
    apr_array_header_t *read; /* of vld_variable_read; NULL: none */
    int socache;              /* VLD_ON: mod_cache_socache keeps responses */
    apr_array_header_t *rewriters; /* of vld_filter_provider; NULL: none */
    const char *tag_salt;          /* NULL: none */
} vld_dir_config;

/* The settings of the whole server. */
typedef struct vld_global_config {
    const char *index_path; /* absolute */
    apr_uint32_t slots;     /* of prepared answers; 0: none */
    apr_int64_t ttl_us;
    int any_engine_on;        /* some section has ValidatorsEngine On */
    int any_quick_on;         /* some section has ValidatorsQuickHandler On */
    int any_auto_on;          /* some section has ValidatorsAutoIndex On */
    int auto_off_in_main;     /* the main server has it Off */
    int if_none_match_edited; /* mod_headers edits If-None-Match somewhere */
    int security_injects;     /* ModSecurity may add to a content somewhere */
    int security_streams;     /* ... and may edit it */
    int sendfile_named;       /* a field for mod_xsendfile is set somewhere */
    int coding_asked;         /* a rule asks for Accept-Encoding somewhere */
    int origin_asked;         /* or for Origin */
    apr_array_header_t *set;  /* of vld_variable: set by these files */
    int uses_socache;         /* some section has mod_cache_socache keep
                               * responses */
    apr_array_header_t *vouched; /* of const char *: source files of modules,
                                  * filters */
    const vld_tag_key *tag_key;  /* NULL: none */
} vld_global_config;

void *vld_config_create_dir(apr_pool_t *p, char *dir);
void *vld_config_merge_dir(apr_pool_t *p, void *base, void *add);
/* Set the defaults, before the configuration is read; clear all with pconf. */
void vld_config_reset(apr_pool_t *pconf);
/* Valid from the reading of the configuration to the end of the process. */
const vld_global_config *vld_config_global(void);
/* The same, for the handlers of directives, while the configuration is read:
 * they alone write to it. */
vld_global_config *vld_config_edit(void);
/* Whether some request may want its file indexed: the engine is on somewhere,
 * and ValidatorsAutoIndex is not off everywhere. */
bool vld_config_auto(void);
/* The size of the largest file that this configuration lets be indexed; -1:
 * none is. */
apr_int64_t vld_config_auto_max(const vld_dir_config *conf);
/* How long the first answer of a file may wait until it has been read. */
apr_interval_time_t vld_config_auto_wait(const vld_dir_config *conf);
/* How an identity is compared for this configuration. */
vld_compare vld_config_compare(const vld_dir_config *conf);
/* The folder that an absolute path is in. */
const char *vld_config_folder_of(apr_pool_t *p, const char *path);
/* The configuration of a request; never NULL. */
const vld_dir_config *vld_config_of(const request_rec *r);

#endif /* SERVER_CONFIG_H */
