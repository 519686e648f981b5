/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What GET shows of a file, told without a GET.  Reads the file where it must;
 * sends nothing and changes nothing. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <http_request.h>
#include <util_filter.h>

#include "server/access/filters.h"
#include "server/access/providers.h"
#include "server/config.h"
#include "server/dav/as_get.h"
#include "server/index/lookup.h"
#include "server/request/request.h"
#include "server/shared.h"

APLOG_USE_MODULE(validators);

/* --- a file -------------------------------------------------------------- */

/* The octets are hashed between two looks that see the same. */
static bool hash(int fd, vld_shown *out)
{
    vld_digest digest;
    vld_identity after;
    struct stat st;
    apr_uint64_t size;

    if (vld_digest_fd(fd, &digest, &size) != APR_SUCCESS
        || fstat(fd, &st) != 0) {
        return false;
    }
    vld_identity_of(&st, &after);
    if (size != after.size
        || !vld_identity_equal(&after, &out->identity, VLD_COMPARE_STRICT)) {
        return false;
    }
    out->digest = digest;
    return vld_tag_of_content(&digest, out->etag);
}

static void take_record(const vld_lookup *found, vld_shown *out)
{
    out->indexed = true;
    out->digest = found->record.digest;
    out->date = found->record.last_modified > found->link_mtime_s
                    ? found->record.last_modified
                    : found->link_mtime_s;
    vld_tag_of_content(&out->digest, out->etag);
}

static void look(request_rec *r, const char *path, int fd, vld_compare verify,
                 vld_shown *out)
{
    apr_int64_t now_ns = vld_now_ns();
    struct stat st;
    vld_lookup found;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return;
    }
    vld_identity_of(&st, &out->identity);
    if (vld_index_find(r->request_time, path, &found)
        && vld_identity_equal(&found.record.identity, &out->identity, verify)) {
        take_record(&found, out);
    }
    else if (st.st_size <= VLD_SMALL_FILE) {
        hash(fd, out);
    }
    else if (!vld_identity_racy(&out->identity, now_ns,
                                vld_identity_margin_ns(fd, st.st_dev))) {
        vld_tag_of_identity(&out->identity, out->etag);
    }
}

void vld_shown_now(request_rec *r, const char *path, int verify, vld_shown *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    memset(out, 0, sizeof(*out));
    out->exists = fd >= 0 || (errno != ENOENT && errno != ENOTDIR);
    if (fd >= 0) {
        look(r, path, fd,
             verify == VLD_COMPARE_MTIME ? VLD_COMPARE_MTIME
                                         : VLD_COMPARE_STRICT,
             out);
        close(fd);
    }
}

/* --- its date ------------------------------------------------------------ */

/* If no answer with this content is remembered, no client can hold a date for
 * it: the date is then a bound, and is not shown. */
static void find_date(request_rec *r, const vld_answer_key *key, vld_view *v)
{
    const vld_shown *shown = &v->shown;
    vld_record record = { .last_modified = shown->date };
    vld_memory memory;
    vld_chosen_date chosen;
    vld_dates_facts facts = { &shown->identity,
                              &shown->digest,
                              shown->indexed ? &record : NULL,
                              shown->indexed,
                              0,
                              &memory.past,
                              key->len && vld_access_anonymous(r)
                                  ? VLD_RECALL_READ
                                  : VLD_RECALL_NONE,
                              r->request_time };

    v->date_shown = false;
    if (shown->etag[0] != '"') {
        v->date = vld_dates_of_change(&shown->identity,
                                      apr_time_sec(r->request_time));
        return;
    }
    vld_answer_memory(r, key, &memory);
    vld_dates_choose(&facts, &chosen);
    v->date = chosen.seconds;
    v->date_shown = !chosen.is_assumed && chosen.may_be_sent;
}

/* --- a URL --------------------------------------------------------------- */

/* A digest tells of content: who may not get the one is not shown the other.
 * httpd checks access for the sub-request, which is a GET, but where it has
 * the configuration of r; and that may let r in by its method, in <Limit>. */
static bool may_get(request_rec *sub, const request_rec *r)
{
    int rv;

    if (sub->status != HTTP_OK) {
        return false;
    }
    if (sub->per_dir_config != r->per_dir_config) {
        return true;
    }
    rv = ap_run_access_checker(sub);
    if (rv != OK && rv != DECLINED) {
        return false;
    }
    rv = ap_run_access_checker_ex(sub);
    return rv == OK || (rv == DECLINED && ap_run_auth_checker(sub) == OK);
}

/* Whether a GET sends the octets of the file at path. */
static bool get_sends(request_rec *sub, const char *path)
{
    vld_rewriting rewriting;
    ap_filter_t before = { 0 };

    if (vld_config_of(sub)->engine != VLD_ON || sub->finfo.filetype != APR_REG
        || strcmp(sub->filename, path) || (sub->path_info && *sub->path_info)
        || (sub->handler && strcmp(sub->handler, "default-handler"))) {
        return false;
    }
    ap_run_insert_filter(sub);
    before.r = sub;
    before.next = sub->output_filters;
    return !vld_filters_rewriting(&before, &rewriting);
}

static void look_up(request_rec *r, const char *uri, vld_view *v)
{
    const char *escaped = ap_escape_uri(v->pool, uri);
    request_rec *sub = ap_sub_req_lookup_uri(escaped, r, NULL);
    vld_answer_key key = { 0 };

    v->ours = may_get(sub, r) && get_sends(sub, v->path);
    if (v->ours) {
        vld_shown_now(sub, v->path, vld_config_of(sub)->verify, &v->shown);
        if (vld_shared_answers()) {
            vld_answer_key_of(strcmp(uri, r->uri) ? sub : r, &key);
        }
        find_date(sub, &key, v);
    }
    ap_log_rerror(APLOG_MARK, APLOG_TRACE2, 0, r, "%s: GET shows %s", escaped,
                  !v->ours           ? "this client something else"
                  : v->shown.etag[0] ? v->shown.etag
                                     : "no tag");
    ap_destroy_sub_req(sub);
}

/* The last one is kept: its properties are asked for one by one. */
const vld_view *vld_shown_by_get(request_rec *r, const char *uri,
                                 const char *path)
{
    static const char key[] = "validators_view";
    void *kept = NULL;
    vld_view *v;

    apr_pool_userdata_get(&kept, key, r->pool);
    v = kept;
    if (!v) {
        v = apr_pcalloc(r->pool, sizeof(*v));
        apr_pool_create(&v->pool, r->pool);
        apr_pool_tag(v->pool, key);
        apr_pool_userdata_setn(v, key, NULL, r->pool);
    }
    if (!v->path || strcmp(v->path, path)) {
        apr_pool_clear(v->pool);
        v->path = apr_pstrdup(v->pool, path);
        look_up(r, uri, v);
    }
    return v->ours ? v : NULL;
}
