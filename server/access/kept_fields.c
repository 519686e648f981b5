/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The names of fields that are kept for 304s.  Looks at names alone. */
#include <string.h>
#include <strings.h>

#include "server/access/kept_fields.h"

/* The fields of a 304 that are kept: those of RFC 9110 15.4.5, those by which
 * caches and browsers judge the stored response, and policies, which a stored
 * response takes over from a 304.  Other fields may differ from client to
 * client; a 304 without a field leaves the stored one as it is (RFC 9111
 * 3.2). */
static const char *const kept[] = { "Cache-Control",
                                    "Content-Location",
                                    "Expires",
                                    "Vary",
                                    "CDN-Cache-Control",
                                    "Surrogate-Control",
                                    "TCN",
                                    "Content-Security-Policy",
                                    "Content-Security-Policy-Report-Only",
                                    "Cross-Origin-Embedder-Policy",
                                    "Cross-Origin-Opener-Policy",
                                    "Cross-Origin-Resource-Policy",
                                    "Permissions-Policy",
                                    "Referrer-Policy",
                                    "Strict-Transport-Security",
                                    "Timing-Allow-Origin",
                                    "X-Content-Type-Options",
                                    "X-Frame-Options",
                                    NULL };

/* The number of fields at the head of that list without which a 304 is not
 * complete. */
#define NEEDED 4
#define CORS "Access-Control-"

/* Other fields that decide whether a response is kept, which of the stored ones
 * it is, or which filters change it. */
static const char *const decisive[] = {
    "Set-Cookie",    "Set-Cookie2",      "ETag",
    "Last-Modified", "Content-Encoding", "Content-Type",
    "Content-Range", "Content-Length",   NULL
};

static bool is_cors(const char *name)
{
    return !strncasecmp(name, CORS, sizeof(CORS) - 1);
}

static bool is_among(const char *const *names, const char *name)
{
    for (; *names; names++) {
        if (!strcasecmp(name, *names)) {
            return true;
        }
    }
    return false;
}

bool vld_kept_is_kept(const char *name)
{
    return is_among(kept, name) || is_cors(name);
}

bool vld_kept_is_needed(const char *name)
{
    int i;

    for (i = 0; i < NEEDED; i++) {
        if (!strcasecmp(name, kept[i])) {
            return true;
        }
    }
    return is_cors(name);
}

bool vld_kept_matters(const char *name)
{
    return vld_kept_is_kept(name) || is_among(decisive, name);
}

static bool does_any_begin_with(const char *const *names, const char *begin,
                                size_t len)
{
    for (; *names; names++) {
        if (!strncasecmp(*names, begin, len)) {
            return true;
        }
    }
    return false;
}

bool vld_kept_may_begin_with(const char *begin, size_t len)
{
    size_t shorter = len < sizeof(CORS) - 1 ? len : sizeof(CORS) - 1;

    return !strncasecmp(begin, CORS, shorter)
           || does_any_begin_with(kept, begin, len)
           || does_any_begin_with(decisive, begin, len);
}

bool vld_kept_has_nonce(const char *name, const char *value)
{
    return !vld_kept_is_needed(name)
           && (strcasestr(value, "'nonce-")
               || (!strcasecmp(name, "Link") && strcasestr(value, "nonce=")));
}
