/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Deletes or changes the records that a rule chooses, in batches.  It never
 * decides which, and never looks at a file. */
#include <stdlib.h>
#include <string.h>

#include "validators/index.h"

/* The limits of one batch: other writers get their turn in between, and memory
 * stays small. */
#define RECORDS_MOST 4096
#define OCTETS_MOST ((size_t)4 << 20)

#define FIRST_OCTETS ((size_t)4096)

struct vld_sweep {
    vld_store *store;
    vld_sweep_rule rule;
    uint64_t *deleted;
    char *chosen; /* of each record: the path's length, the path, a NUL */
    size_t used;
    size_t size;
    size_t count;
};

/* --- the list ------------------------------------------------------------ */

static void forget_chosen(vld_sweep *s)
{
    free(s->chosen);
    s->chosen = NULL;
    s->used = 0;
    s->size = 0;
    s->count = 0;
}

static bool grow_list(vld_sweep *s, size_t more)
{
    size_t size = s->size ? s->size : FIRST_OCTETS;
    char *chosen;

    while (size < s->used + more) {
        size *= 2;
    }
    if (size == s->size) {
        return true;
    }
    chosen = realloc(s->chosen, size);
    if (!chosen) {
        return false;
    }
    s->chosen = chosen;
    s->size = size;
    return true;
}

static bool is_full(const vld_sweep *s)
{
    return s->count >= s->rule.batch_records || s->used >= OCTETS_MOST;
}

static apr_status_t append_path(vld_sweep *s, const char *path, size_t len)
{
    if (!grow_list(s, sizeof(len) + len + 1)) {
        return APR_ENOMEM;
    }
    memcpy(s->chosen + s->used, &len, sizeof(len));
    s->used += sizeof(len);
    memcpy(s->chosen + s->used, path, len);
    s->chosen[s->used + len] = '\0';
    s->used += len + 1;
    s->count++;
    return is_full(s) ? vld_sweep_flush(s) : APR_SUCCESS;
}

/* --- changing ------------------------------------------------------------ */

typedef struct changes {
    const vld_sweep *sweep;
    uint64_t count;
} changes;

static apr_status_t change_one(changes *d, vld_batch *batch, const char *path,
                               size_t len)
{
    const vld_sweep_rule *rule = &d->sweep->rule;
    bool changed = true;
    apr_status_t rv;

    if (rule->confirm && !rule->confirm(rule->baton, path, len)) {
        return APR_SUCCESS;
    }
    if (rule->change) {
        rv = rule->change(rule->baton, batch, path, len, &changed);
    }
    else {
        rv = vld_batch_delete(batch, path, len);
    }
    d->count += rv == APR_SUCCESS && changed;
    return APR_STATUS_IS_NOTFOUND(rv) ? APR_SUCCESS : rv;
}

static apr_status_t change_chosen(void *baton, vld_batch *batch)
{
    changes *d = baton;
    const vld_sweep *s = d->sweep;
    apr_status_t rv = APR_SUCCESS;
    size_t len;

    for (size_t at = 0; at < s->used && rv == APR_SUCCESS; at += len + 1) {
        memcpy(&len, s->chosen + at, sizeof(len));
        at += sizeof(len);
        rv = change_one(d, batch, s->chosen + at, len);
    }
    return rv;
}

apr_status_t vld_sweep_flush(vld_sweep *sweep)
{
    changes d = { sweep, 0 };
    apr_status_t rv = APR_SUCCESS;

    if (sweep->count) {
        rv = vld_store_write(sweep->store, change_chosen, &d);
    }
    if (rv == APR_SUCCESS) {
        *sweep->deleted += d.count;
    }
    forget_chosen(sweep);
    return rv;
}

/* --- choosing ------------------------------------------------------------ */

static apr_status_t ask_rule(void *baton, const char *path, size_t len,
                             const vld_record *record)
{
    vld_sweep *s = baton;
    bool drop = false;
    apr_status_t rv = s->rule.choose(s->rule.baton, path, len, record, &drop);

    return rv == APR_SUCCESS && drop ? append_path(s, path, len) : rv;
}

apr_status_t vld_sweep_below(vld_sweep *sweep, const char *prefix)
{
    return vld_store_each(sweep->store, prefix, ask_rule, sweep);
}

apr_status_t vld_sweep_add(vld_sweep *sweep, const char *path, size_t len)
{
    vld_record record;
    apr_status_t rv = vld_store_get(sweep->store, path, len, &record);

    if (APR_STATUS_IS_NOTFOUND(rv) || APR_STATUS_IS_EINVAL(rv)) {
        return APR_SUCCESS;
    }
    return rv == APR_SUCCESS || rv == VLD_E_DAMAGED || rv == VLD_E_UNKNOWN
               ? append_path(sweep, path, len)
               : rv;
}

/* --- the whole ----------------------------------------------------------- */

apr_status_t vld_sweep_open(vld_sweep **out, vld_store *store,
                            const vld_sweep_rule *rule, uint64_t *deleted)
{
    vld_sweep *s = calloc(1, sizeof(*s));

    if (!s) {
        return APR_ENOMEM;
    }
    s->store = store;
    s->rule = *rule;
    if (!s->rule.batch_records) {
        s->rule.batch_records = RECORDS_MOST;
    }
    s->deleted = deleted;
    *out = s;
    return APR_SUCCESS;
}

void vld_sweep_close(vld_sweep *sweep)
{
    if (sweep) {
        forget_chosen(sweep);
        free(sweep);
    }
}

apr_status_t vld_sweep_finish(vld_sweep *sweep, const char *prefix)
{
    apr_status_t rv = vld_sweep_below(sweep, prefix);

    if (rv == APR_SUCCESS) {
        rv = vld_sweep_flush(sweep);
    }
    vld_sweep_close(sweep);
    return rv;
}

apr_status_t vld_store_delete_each(vld_store *store, const char *prefix,
                                   const vld_sweep_rule *rule,
                                   uint64_t *deleted)
{
    vld_sweep *sweep;
    apr_status_t rv = vld_sweep_open(&sweep, store, rule, deleted);

    return rv == APR_SUCCESS ? vld_sweep_finish(sweep, prefix) : rv;
}
