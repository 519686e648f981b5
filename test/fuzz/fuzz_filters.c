/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Fuzz entry for mod_filter's words: AddOutputFilterByType and FilterProvider
 * with any arguments, and a response with any media type and chain of filters.
 * Nothing crashes, and no filter is missed that a plain reading finds.
 * The input is four lines: arguments of the one and the other, the media type,
 * and the names in the chain. */
#include "httpd_stubs.h"

#include "server/access/filters.h"

#define LINES 4
#define LINKS 8

typedef struct chain {
    ap_filter_rec_t records[LINKS];
    ap_filter_t links[LINKS];
} chain;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* mod_filter's harnesses have one; what it is does not matter. */
static char provider;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    apr_initialize();
    return 0;
}

static size_t number_of(const char *name)
{
    size_t i = 0;

    while (strcmp(names[i], name)) {
        i++;
    }
    return i;
}

/* A chain of these names; a harness where the name begins as one. */
static void make_chain(apr_pool_t *p, chain *c, char *text, request_rec *r)
{
    char *state = NULL, *name = apr_strtok(text, " ", &state);
    int i;

    memset(c, 0, sizeof(*c));
    for (i = 0; i < LINKS; i++) {
        c->links[i].frec = &c->records[i];
        c->links[i].r = r;
        c->records[i].ftype = AP_FTYPE_RESOURCE;
        c->records[i].name = apr_pstrdup(p, name && i ? name : "deflate");
        if (i && name) {
            if (*name == '+' || !strncasecmp(name, VLD_HARNESS_BY_TYPE, 7)) {
                c->records[i].providers = (void *)&provider;
            }
            c->links[i - 1].next = &c->links[i];
            name = apr_strtok(NULL, " ", &state);
        }
    }
}

/* The harness of a single filter by one media type, read the plain way. */
static bool is_rewritten_by_type(apr_pool_t *p, const char *args,
                                 const char *type, const chain *c)
{
    const char *filter = ap_getword_conf(p, &args);
    const char *only = ap_getword_conf(p, &args);
    const ap_filter_t *f;

    if (!*filter || strchr(filter, ';') || !*only || *args
        || strpbrk(type, "; \t") || strcmp(only, type)
        || vld_filters_is_harmless(filter)) {
        return false;
    }
    for (f = c->links[0].next; f; f = f->next) {
        if (f->frec->providers
            && !strcasecmp(f->frec->name,
                           apr_pstrcat(p, VLD_HARNESS_BY_TYPE, filter, NULL))) {
            return true;
        }
    }
    return false;
}

static void check(apr_pool_t *p, char *lines[LINES])
{
    vld_dir_config *conf = vld_config_create_dir(p, NULL);
    void *configs[] = { conf };
    request_rec *r = apr_pcalloc(p, sizeof(*r));
    vld_rewriting found;
    chain c;

    r->pool = p;
    r->per_dir_config = (ap_conf_vector_t *)configs;
    r->content_type = *lines[2] ? lines[2] : NULL;
    read_directive(p, p, number_of("AddOutputFilterByType"), conf, lines[0]);
    read_directive(p, p, number_of("FilterProvider"), conf, lines[1]);
    make_chain(p, &c, lines[3], r);
    LAW(vld_filters_rewriting(&c.links[0], &found) == (found.name != NULL));
    LAW(found.name || !is_rewritten_by_type(p, lines[0], lines[2], &c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size, *stop;
    char *lines[LINES];
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, NULL);
    vld_config_reset(p);
    vld_filters_resolve(p);
    for (i = 0; i < LINES; i++) {
        stop = memchr(data, '\n', (size_t)(end - data));
        stop = stop ? stop : end;
        lines[i] = text_of(p, data, (size_t)(stop - data));
        data = stop < end ? stop + 1 : end;
    }
    check(p, lines);
    apr_pool_destroy(p);
    return 0;
}
