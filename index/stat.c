/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The figures of an index as a whole.  It never looks at a record. */
#include <string.h>
#include <sys/stat.h>

#include "validators/bytes.h"
#include "index/databases.h"
#include "index/error.h"
#include "index/tree.h"

static uint64_t count_pages(const unsigned char *db)
{
    uint64_t pages = 0;

    for (unsigned kind = 0; kind < 3; kind++) {
        pages += vld_get64_native(db + VLD_DB_PAGES + 8 * kind);
    }
    return pages;
}

static apr_status_t read_meta_figures(const vld_view *view, vld_store_info *out)
{
    vld_octets value;
    size_t len;
    apr_status_t rv = vld_databases_get_meta(view, "format", &value);

    if (rv == APR_SUCCESS && value.size == 4) {
        out->format = vld_get32(value.data);
    }
    if (rv == APR_SUCCESS || rv == APR_NOTFOUND) {
        rv = vld_databases_get_meta(view, "created", &value);
    }
    if (rv == APR_SUCCESS && value.size == 8) {
        out->created_ns = (int64_t)vld_get64(value.data);
    }
    if (rv == APR_SUCCESS || rv == APR_NOTFOUND) {
        rv = vld_databases_get_meta(view, "tool", &value);
    }
    if (rv == APR_SUCCESS) {
        len = value.size < sizeof(out->tool) ? value.size
                                             : sizeof(out->tool) - 1;
        memcpy(out->tool, value.data, len);
    }
    return rv == APR_NOTFOUND ? APR_SUCCESS : rv;
}

static apr_status_t read_figures(const vld_view *view, void *data)
{
    enum { HEADS = 2 };
    vld_store_info *out = data;
    const unsigned char *files, *meta;
    uint64_t pages = HEADS;

    memset(out, 0, sizeof(*out));
    if (vld_tree_database(view, "files", &files)
        || vld_tree_database(view, "meta", &meta)) {
        return VLD_E_DAMAGED;
    }
    pages += count_pages(files);
    pages += count_pages(meta);
    pages += count_pages(view->head + VLD_HEAD_FREE);
    pages += count_pages(view->head + VLD_HEAD_MAIN);
    out->files = vld_get64_native(files + VLD_DB_ENTRIES);
    out->used_bytes = pages * view->page_size;
    out->map_bytes = vld_get64_native(view->head + VLD_HEAD_MAP_SIZE);
    out->txn = view->txn;
    return read_meta_figures(view, out);
}

apr_status_t vld_store_stat(vld_store *store, vld_store_info *out)
{
    struct stat st;
    apr_status_t rv;

    if (stat(store->path, &st)) {
        return vld_error_os();
    }
    rv = vld_view_read(store, read_figures, out);
    if (rv != APR_SUCCESS) {
        memset(out, 0, sizeof(*out));
    }
    out->file_bytes = (uint64_t)st.st_size;
    return rv;
}
