/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* A bucket of a file's octets that looks at the file again after each read, so
 * that a tag's content is sent under it and no other.  Never maps the file. */
#include <sys/stat.h>
#include <unistd.h>

#include <apr_buckets.h>
#include <apr_portable.h>

#include <httpd.h>
#include <http_log.h>

#include "server/request/checked_bucket.h"
#include "validators/content.h"

APLOG_USE_MODULE(validators);

/* Octets read between two looks at the file. */
#define CHUNK 65536

/* Up to this size, a file whose times have changed is hashed again to see
 * whether its content has; above it, or where its digest is not known, size and
 * mtime decide. */
#define REHASH_MOST (16 * 1024 * 1024)

typedef struct checked {
    apr_bucket_refcount refcount;
    apr_file_t *fd;
    conn_rec *c;
    vld_identity identity; /* as it was last seen to have the content */
    apr_uint64_t size;     /* of the content */
    bool has_digest;
    vld_digest digest;
} checked;

static const apr_bucket_type_t checked_type;

static apr_bucket *make_bucket(apr_bucket *b, checked *g, apr_off_t offset,
                               apr_size_t len)
{
    b = apr_bucket_shared_make(b, g, offset, len);
    b->type = &checked_type;
    return b;
}

static apr_bucket *allocate_bucket(apr_bucket_alloc_t *list)
{
    apr_bucket *b = apr_bucket_alloc(sizeof(*b), list);

    APR_BUCKET_INIT(b);
    b->free = apr_bucket_free;
    b->list = list;
    return b;
}

apr_bucket *vld_checked_bucket_create(request_rec *r, apr_file_t *fd,
                                      apr_off_t offset, apr_size_t len,
                                      const vld_identity *identity,
                                      const vld_digest *digest,
                                      apr_bucket_alloc_t *list)
{
    checked *g = apr_bucket_alloc(sizeof(*g), list);

    g->fd = fd;
    g->c = r->connection;
    g->identity = *identity;
    g->size = identity->size;
    g->has_digest = digest != NULL;
    if (digest) {
        g->digest = *digest;
    }
    return make_bucket(allocate_bucket(list), g, offset, len);
}

/* --- has it changed? ----------------------------------------------------- */

/* A file that has grown, as logs do, has had the content; it begins with it. */
static bool has_same_content(checked *g, int fd, const vld_identity *now)
{
    vld_digest digest;

    if (g->size > REHASH_MOST || !g->has_digest) {
        return now->size == g->size && now->mtime_ns == g->identity.mtime_ns;
    }
    return now->size >= g->size
           && vld_digest_start(fd, g->size, &digest) == APR_SUCCESS
           && !memcmp(&digest, &g->digest, sizeof(digest));
}

/* A touch, a chmod or a new hard link changes times and not the content: no
 * reason to abort a download. */
static bool is_unchanged(checked *g, int fd)
{
    struct stat st;
    vld_identity now;

    if (fstat(fd, &st) != 0) {
        return false;
    }
    vld_identity_of(&st, &now);
    if (vld_identity_equal(&now, &g->identity, VLD_COMPARE_STRICT)) {
        return true;
    }
    if (!has_same_content(g, fd, &now)) {
        return false;
    }
    g->identity = now;
    return true;
}

static apr_status_t abort_connection(checked *g)
{
    ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, g->c,
                  "a file changed while it was sent under an entity tag: the "
                  "connection is closed, so that the client does not keep a "
                  "mixture of two contents");
    g->c->aborted = 1;
    g->c->keepalive = AP_CONN_CLOSE;
    return APR_ECONNABORTED;
}

/* --- the bucket type ----------------------------------------------------- */

static apr_status_t read_exactly(int fd, char *buf, apr_size_t len,
                                 apr_off_t at)
{
    while (len) {
        ssize_t n = pread(fd, buf, len, at);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? errno : APR_EOF;
        }
        buf += n;
        at += n;
        len -= (apr_size_t)n;
    }
    return APR_SUCCESS;
}

/* As for a file bucket: this bucket turns into one of the octets read, and a
 * new one after it has the rest of the file. */
static apr_status_t read_checked(apr_bucket *b, const char **str,
                                 apr_size_t *len, apr_read_type_e block)
{
    checked *g = b->data;
    apr_size_t rest = b->length;
    apr_size_t n = rest < CHUNK ? rest : CHUNK;
    apr_off_t at = b->start;
    char *buf;
    int fd;

    (void)block;
    *str = NULL;
    *len = 0;
    if (apr_os_file_get(&fd, g->fd) != APR_SUCCESS) {
        return abort_connection(g);
    }
    buf = apr_bucket_alloc(n ? n : 1, b->list);
    if (read_exactly(fd, buf, n, at) != APR_SUCCESS || !is_unchanged(g, fd)) {
        apr_bucket_free(buf);
        return abort_connection(g);
    }
    if (n < rest) {
        apr_bucket *next = allocate_bucket(b->list);

        g->refcount.refcount++;
        *next = *b;
        next->start = at + (apr_off_t)n;
        next->length = rest - n;
        APR_BUCKET_INSERT_AFTER(b, next);
    }
    if (apr_bucket_shared_destroy(g)) {
        apr_bucket_free(g);
    }
    b = apr_bucket_heap_make(b, buf, n, apr_bucket_free);
    *str = buf;
    *len = n;
    return APR_SUCCESS;
}

static void destroy_checked(void *data)
{
    if (apr_bucket_shared_destroy(data)) {
        apr_bucket_free(data);
    }
}

/* The bucket outlives the request: give it a descriptor in the pool that
 * lasts. */
static apr_status_t set_aside_checked(apr_bucket *b, apr_pool_t *pool)
{
    checked *g = b->data, *own;
    apr_file_t *fd;
    apr_status_t rv;

    if (apr_pool_is_ancestor(apr_file_pool_get(g->fd), pool)) {
        return APR_SUCCESS;
    }
    rv = apr_file_dup(&fd, g->fd, pool);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    own = apr_bucket_alloc(sizeof(*own), b->list);
    *own = *g;
    own->fd = fd;
    own->refcount.refcount = 1;
    destroy_checked(g);
    b->data = own;
    return APR_SUCCESS;
}

static const apr_bucket_type_t checked_type = { "CHECKED",
                                                5,
                                                APR_BUCKET_DATA,
                                                destroy_checked,
                                                read_checked,
                                                set_aside_checked,
                                                apr_bucket_shared_split,
                                                apr_bucket_shared_copy };
