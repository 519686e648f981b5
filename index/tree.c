/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* LMDB's trees.  It takes no offset, size or number from a page without a
 * check: a page may be damaged, or be overwritten at this moment. */
#include "index/tree.h"

#include <string.h>

#include "validators/bytes.h"

/* --- pages --------------------------------------------------------------- */

/* Once: what was checked must be what is used. */
static inline unsigned load16(const unsigned char *at)
{
    return __atomic_load_n((const uint16_t *)(const void *)at,
                           __ATOMIC_RELAXED);
}

static inline const unsigned char *find_page(const vld_view *view,
                                             uint64_t number)
{
    return number >= 2 && number <= view->last
               ? view->octets + number * view->page_size
               : NULL;
}

/* How many nodes a branch or leaf has; 0: none can have so many. */
static inline unsigned count_nodes(const vld_view *view,
                                   const unsigned char *page)
{
    unsigned lower = load16(page + VLD_PAGE_LOWER);

    return lower > VLD_PAGE_HEAD && lower <= view->page_size
               ? (lower - VLD_PAGE_HEAD) / 2
               : 0;
}

typedef struct node {
    const unsigned char *octets;
    size_t key_size;
} node;

/* False: it ends behind its page. */
static inline bool find_node(const vld_view *view, const unsigned char *page,
                             unsigned i, node *out)
{
    unsigned at = load16(page + VLD_PAGE_HEAD + 2 * i);

    if ((at & 1) || at + VLD_NODE_HEAD > view->page_size) {
        return false;
    }
    out->octets = page + at;
    out->key_size = load16(out->octets + VLD_NODE_KEY_SIZE);
    return at + VLD_NODE_HEAD + out->key_size <= view->page_size;
}

static inline uint64_t read_below(const node *n)
{
    return load16(n->octets) | (uint64_t)load16(n->octets + 2) << 16
           | (uint64_t)load16(n->octets + VLD_NODE_FLAGS) << 32;
}

/* --- searching a page ---------------------------------------------------- */

static inline int compare(const void *key, size_t size, const node *n)
{
    size_t least = size < n->key_size ? size : n->key_size;
    int order = memcmp(key, n->octets + VLD_NODE_HEAD, least);

    return order ? order : (size > n->key_size) - (size < n->key_size);
}

/* The first of the nodes from low on whose key is not less; count: none.
 * *equal: it is the key.  False: no such page. */
static inline bool search_page(const vld_view *view, const unsigned char *page,
                               unsigned low, unsigned count, const void *key,
                               size_t size, unsigned *found, bool *equal)
{
    unsigned high = count;
    node n;

    *equal = false;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        int order;

        if (!find_node(view, page, middle, &n)) {
            return false;
        }
        order = compare(key, size, &n);
        if (order == 0) {
            *equal = true;
            low = middle;
            break;
        }
        if (order > 0) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    *found = low;
    return true;
}

/* --- going down ---------------------------------------------------------- */

static inline bool push_page(vld_cursor *c, uint64_t number)
{
    const unsigned char *page = find_page(c->view, number);

    if (!page || c->depth == VLD_MOST_DEPTH) {
        return false;
    }
    c->at[c->depth].page = page;
    c->at[c->depth].count = count_nodes(c->view, page);
    c->at[c->depth].i = 0;
    return c->at[c->depth++].count > 0;
}

/* From the page that was pushed last to the one below its node. */
static inline bool push_below(vld_cursor *c)
{
    node n;

    return find_node(c->view, c->at[c->depth - 1].page, c->at[c->depth - 1].i,
                     &n)
           && push_page(c, read_below(&n));
}

static inline unsigned kind_of_last(const vld_cursor *c)
{
    return load16(c->at[c->depth - 1].page + VLD_PAGE_KIND);
}

/* A branch's first key has no meaning: all that is less than the second one is
 * below it. */
static inline apr_status_t go_down(vld_cursor *c, const unsigned char *db,
                                   const void *key, size_t size, bool *equal)
{
    uint64_t root = vld_get64_native(db + VLD_DB_ROOT);
    unsigned found;

    c->depth = 0;
    *equal = false;
    if (root == UINT64_MAX) {
        return APR_NOTFOUND;
    }
    if (!push_page(c, root)) {
        return VLD_E_DAMAGED;
    }
    while (kind_of_last(c) == VLD_IS_BRANCH) {
        if (!search_page(c->view, c->at[c->depth - 1].page, 1,
                         c->at[c->depth - 1].count, key, size, &found, equal)) {
            return VLD_E_DAMAGED;
        }
        c->at[c->depth - 1].i = *equal ? found : found - 1;
        if (!push_below(c)) {
            return VLD_E_DAMAGED;
        }
    }
    if (kind_of_last(c) != VLD_IS_LEAF
        || !search_page(c->view, c->at[c->depth - 1].page, 0,
                        c->at[c->depth - 1].count, key, size, &found, equal)) {
        return VLD_E_DAMAGED;
    }
    c->at[c->depth - 1].i = found;
    return APR_SUCCESS;
}

/* --- values -------------------------------------------------------------- */

/* On pages of its own, behind the head of the first one. */
static apr_status_t read_big(const vld_view *view, const unsigned char *data,
                             vld_octets *value)
{
    uint64_t number = vld_get64_native(data);
    uint64_t pages = (VLD_PAGE_HEAD - 1 + (uint64_t)value->size)
                         / view->page_size
                     + 1;
    const unsigned char *page = find_page(view, number);

    if (!page || pages > view->last - number + 1
        || load16(page + VLD_PAGE_KIND) != VLD_IS_OVERFLOW) {
        return VLD_E_DAMAGED;
    }
    value->data = page + VLD_PAGE_HEAD;
    return APR_SUCCESS;
}

static inline apr_status_t read_value(const vld_view *view,
                                      const unsigned char *page, const node *n,
                                      unsigned *flags, vld_octets *value)
{
    const unsigned char *data = n->octets + VLD_NODE_HEAD + n->key_size;
    size_t room = view->page_size - (size_t)(data - page);

    *flags = load16(n->octets + VLD_NODE_FLAGS);
    value->size = load16(n->octets) | (size_t)load16(n->octets + 2) << 16;
    value->data = data;
    if (*flags == VLD_NODE_BIG && room >= sizeof(uint64_t)) {
        return read_big(view, data, value);
    }
    return (*flags == 0 || *flags == VLD_NODE_DATABASE) && value->size <= room
               ? APR_SUCCESS
               : VLD_E_DAMAGED;
}

static inline apr_status_t get_node(const vld_view *view,
                                    const unsigned char *db, const void *key,
                                    size_t size, unsigned *flags,
                                    vld_octets *value)
{
    vld_cursor c;
    node n;
    bool equal;
    apr_status_t rv;

    c.view = view;
    rv = go_down(&c, db, key, size, &equal);
    if (rv != APR_SUCCESS || !equal) {
        return rv == APR_SUCCESS ? APR_NOTFOUND : rv;
    }
    return find_node(view, c.at[c.depth - 1].page, c.at[c.depth - 1].i, &n)
               ? read_value(view, c.at[c.depth - 1].page, &n, flags, value)
               : VLD_E_DAMAGED;
}

apr_status_t vld_tree_get(const vld_view *view, const unsigned char *db,
                          const void *key, size_t size, vld_octets *value)
{
    unsigned flags;
    apr_status_t rv = get_node(view, db, key, size, &flags, value);

    return rv == APR_SUCCESS && flags == VLD_NODE_DATABASE ? VLD_E_DAMAGED : rv;
}

apr_status_t vld_tree_database(const vld_view *view, const char *name,
                               const unsigned char **db)
{
    vld_octets value;
    unsigned flags;
    apr_status_t rv = get_node(view, view->head + VLD_HEAD_MAIN, name,
                               strlen(name), &flags, &value);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (flags != VLD_NODE_DATABASE || value.size != VLD_DB_SIZE
        || vld_get16_native(value.data + VLD_DB_FLAGS) & VLD_ORDER_FLAGS) {
        return VLD_E_NOT_INDEX;
    }
    *db = value.data;
    return APR_SUCCESS;
}

/* --- cursors ------------------------------------------------------------- */

/* Where the last page is used up: to the first node of the next one. */
static apr_status_t go_on(vld_cursor *c)
{
    while (c->depth && c->at[c->depth - 1].i >= c->at[c->depth - 1].count) {
        if (--c->depth) {
            c->at[c->depth - 1].i++;
        }
    }
    if (!c->depth) {
        return APR_NOTFOUND;
    }
    while (kind_of_last(c) == VLD_IS_BRANCH) {
        if (!push_below(c)) {
            return VLD_E_DAMAGED;
        }
    }
    return kind_of_last(c) == VLD_IS_LEAF ? APR_SUCCESS : VLD_E_DAMAGED;
}

apr_status_t vld_cursor_seek(vld_cursor *cursor, const vld_view *view,
                             const unsigned char *db, const void *key,
                             size_t size)
{
    bool equal;
    apr_status_t rv;

    cursor->view = view;
    rv = go_down(cursor, db, key, size, &equal);
    return rv == APR_SUCCESS ? go_on(cursor) : rv;
}

apr_status_t vld_cursor_next(vld_cursor *cursor)
{
    cursor->at[cursor->depth - 1].i++;
    return go_on(cursor);
}

apr_status_t vld_cursor_read(const vld_cursor *cursor, vld_octets *key,
                             vld_octets *value)
{
    const unsigned char *page = cursor->at[cursor->depth - 1].page;
    unsigned flags;
    node n;

    if (!find_node(cursor->view, page, cursor->at[cursor->depth - 1].i, &n)) {
        return VLD_E_DAMAGED;
    }
    key->data = n.octets + VLD_NODE_HEAD;
    key->size = n.key_size;
    return read_value(cursor->view, page, &n, &flags, value);
}
