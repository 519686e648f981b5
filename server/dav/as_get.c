/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What GET shows of a file, without a GET.  Reads the file where it must; sends
 * nothing and changes nothing. */
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
#include "server/index/indexer.h"
#include "server/index/lookup.h"
#include "server/request/answer_key.h"
#include "server/request/choose.h"
#include "server/request/learn.h"
#include "server/request/request.h"
#include "server/request/tag.h"
#include "server/shared.h"

APLOG_USE_MODULE(validators);

/* --- a file -------------------------------------------------------------- */

/* Hash the octets; false where the file is not the same after as before. */
static bool hash_between_looks(int fd, const vld_identity *before,
                               vld_digest *out)
{
    vld_identity after;
    struct stat st;
    apr_uint64_t size;

    if (vld_digest_fd(fd, out, &size) != APR_SUCCESS || fstat(fd, &st) != 0) {
        return false;
    }
    vld_identity_of(&st, &after);
    return size == after.size
           && vld_identity_equal(&after, before, VLD_COMPARE_STRICT);
}

/* Without a strong tag GET says no date, and the file's last change is later
 * than any that it has said. */
static void take_choice(const vld_dir_config *conf, const vld_choice *choice,
                        apr_int64_t now_s, vld_representation *out)
{
    vld_tag_of_choice(conf, choice, &out->identity, out->etag);
    out->date = choice->date.seconds;
    out->date_sent = choice->date_sent;
    if (out->etag[0] != '"') {
        out->date = vld_dates_of_change(&out->identity, now_s);
        out->date_sent = false;
    }
}

/* A listing asks for each file of a folder, and would have all of them hashed
 * again the next time. */
static void want_file(const vld_dir_config *conf, const char *path,
                      apr_uint64_t size)
{
    if (vld_shared_wanted() && vld_indexer_runs()
        && (apr_int64_t)size <= vld_config_auto_max(conf)) {
        vld_wanted_post(vld_shared_wanted(), path, strlen(path), 0, NULL,
                        apr_time_now());
    }
}

static void look_at_file(request_rec *r, const vld_dir_config *conf,
                         const char *path, const struct stat *st, int fd,
                         vld_facts *facts, vld_representation *out)
{
    vld_ahead ahead = { fd, st->st_dev, &out->identity, path };
    vld_learned learned;
    vld_digest digest;
    vld_choice choice;

    if (!facts->is_fresh) {
        facts->is_settled =
            !facts->proves_nothing
            && !vld_identity_racy(&out->identity, vld_now_ns(),
                                  vld_identity_margin_ns(fd, st->st_dev));
    }
    if (vld_choose_reads(facts, false)
        && hash_between_looks(fd, &out->identity, &digest)) {
        facts->content = &digest;
    }
    if (out->identity.size > VLD_SMALL_FILE) {
        vld_learn(r, conf, &ahead, false, facts, &learned);
    }
    vld_choose(facts, &choice);
    if (facts->content && !facts->is_fresh) {
        want_file(conf, path, out->identity.size);
    }
    take_choice(conf, &choice, apr_time_sec(r->request_time), out);
}

static void look_at_open(request_rec *r, const char *path, int fd,
                         const vld_dir_config *conf, const vld_answer_key *key,
                         vld_representation *out)
{
    vld_memory memory = { 0 };
    vld_lookup found;
    struct stat st;
    vld_facts facts = { 0 };

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return;
    }
    vld_identity_of(&st, &out->identity);
    facts.now_us = apr_time_now();
    if (vld_index_find(facts.now_us, path, &found)) {
        facts.record = &found.record;
        facts.link_s = found.link_mtime_s;
    }
    if (found.is_unknown) {
        return;
    }
    if (key) {
        vld_answer_memory(r, key, &memory);
        facts.may_be_remembered = key->len && vld_access_anonymous(r);
    }
    facts.auto_max = -1;
    facts.past = &memory.past;
    facts.proves_nothing = vld_config_compare(conf) == VLD_COMPARE_STRICT
                           && !vld_identity_proves(&out->identity, fd,
                                                   st.st_dev);
    vld_facts_see(&facts, &out->identity, vld_config_compare(conf));
    look_at_file(r, conf, path, &st, fd, &facts, out);
}

void vld_representation_now(request_rec *r, const char *path,
                            const vld_dir_config *conf,
                            const vld_answer_key *key, vld_representation *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    memset(out, 0, sizeof(*out));
    out->exists = fd >= 0 || (errno != ENOENT && errno != ENOTDIR);
    if (fd >= 0) {
        look_at_open(r, path, fd, conf, key, out);
        close(fd);
    }
}

/* --- a URL --------------------------------------------------------------- */

/* A digest tells something of the content: a client that may not get the
 * content may not see the digest.  httpd checks access for the sub-request,
 * which is a GET, unless it has the configuration of r; and that may let r
 * in by its method, in <Limit>. */
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

    if (vld_config_of(sub)->engine != VLD_ON || !vld_request_is_plain_file(sub)
        || vld_request_has_path_info(sub) || strcmp(sub->filename, path)) {
        return false;
    }
    ap_run_insert_filter(sub);
    before.r = sub;
    before.next = sub->output_filters;
    return !vld_filters_rewriting(&before, &rewriting);
}

static void look_up_url(request_rec *r, const char *uri, vld_as_get *g)
{
    const char *escaped = ap_escape_uri(g->pool, uri);
    request_rec *sub = ap_sub_req_lookup_uri(escaped, r, NULL);
    vld_answer_key key = { 0 };

    g->is_shown = may_get(sub, r) && get_sends(sub, g->path);
    if (g->is_shown) {
        if (vld_shared_answers()) {
            vld_answer_key_of(strcmp(uri, r->uri) ? sub : r, &key);
        }
        vld_representation_now(sub, g->path, vld_config_of(sub), &key,
                               &g->shown);
    }
    ap_log_rerror(APLOG_MARK, APLOG_TRACE2, 0, r, "%s: GET shows %s", escaped,
                  !g->is_shown       ? "this client something else"
                  : g->shown.etag[0] ? g->shown.etag
                                     : "no tag");
    ap_destroy_sub_req(sub);
}

/* The last one is kept: its properties are asked for one by one. */
const vld_as_get *vld_as_get_of(request_rec *r, const char *uri,
                                const char *path)
{
    static const char key[] = "validators_as_get";
    void *kept = NULL;
    vld_as_get *g;

    apr_pool_userdata_get(&kept, key, r->pool);
    g = kept;
    if (!g) {
        g = apr_pcalloc(r->pool, sizeof(*g));
        apr_pool_create(&g->pool, r->pool);
        apr_pool_tag(g->pool, key);
        apr_pool_userdata_setn(g, key, NULL, r->pool);
    }
    if (!g->path || strcmp(g->path, path)) {
        apr_pool_clear(g->pool);
        g->path = apr_pstrdup(g->pool, path);
        look_up_url(r, uri, g);
    }
    return g->is_shown ? g : NULL;
}
