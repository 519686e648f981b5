/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Sums, JSON and text of the figures that a command counts, by its table of
 * them.  Never counts anything. */
#include "cli/figures.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/output.h"

/* Of one figure: a size, or the digits of a number. */
#define FIGURE_ROOM (CLI_SIZE + 8)

static uint64_t value_of(const cli_figure *figure, const void *totals)
{
    uint64_t value;

    memcpy(&value, (const char *)totals + figure->offset, sizeof(value));
    return value;
}

void cli_figures_add(const cli_figure *figures, void *sum, const void *more)
{
    const cli_figure *f;

    for (f = figures; f->name; f++) {
        uint64_t value = value_of(f, sum) + value_of(f, more);

        memcpy((char *)sum + f->offset, &value, sizeof(value));
    }
}

void cli_figures_json(const cli_figure *figures, const void *totals,
                      json_t *object)
{
    const cli_figure *f;

    for (f = figures; f->name; f++) {
        cli_json_number(object, f->name, value_of(f, totals));
    }
}

/* The figure that the text names here, as "{name}"; NULL: none. */
static const cli_figure *find_figure(const cli_figure *figures,
                                     const char *text)
{
    size_t len = strcspn(text, "}");
    const cli_figure *f;

    for (f = figures; *text == '{' && f->name; f++) {
        if (strlen(f->name) == len - 1 && !memcmp(f->name, text + 1, len - 1)) {
            return f;
        }
    }
    return NULL;
}

static void format_figure(const cli_figure *figure, const void *totals,
                          char out[FIGURE_ROOM])
{
    uint64_t value = value_of(figure, totals);

    if (figure->is_size) {
        cli_size(value, out);
    }
    else {
        snprintf(out, FIGURE_ROOM, "%" PRIu64, value);
    }
}

const char *cli_figures_text(const cli_figure *figures, const void *totals,
                             const char *text, char out[CLI_FIGURES_TEXT])
{
    size_t used = 0;

    while (*text && used + FIGURE_ROOM < CLI_FIGURES_TEXT) {
        const cli_figure *figure = find_figure(figures, text);

        if (figure) {
            format_figure(figure, totals, out + used);
            used += strlen(out + used);
            text = strchr(text, '}') + 1;
        }
        else {
            out[used++] = *text++;
        }
    }
    out[used] = '\0';
    return out;
}

void cli_put_summary(const cli *c, const cli_figure *figures,
                     const void *totals, const char *text, apr_time_t started,
                     bool complete)
{
    double seconds = (double)(apr_time_now() - started) / APR_USEC_PER_SEC;
    char line[CLI_FIGURES_TEXT];
    json_t *object;

    if (c->json) {
        object = json_object();
        cli_figures_json(figures, totals, object);
        json_object_set_new(object, "seconds", json_real(seconds));
        json_object_set_new(object, "complete", json_boolean(complete));
        cli_put_json(object);
    }
    else if (!c->quiet) {
        printf("%s%.2f s\n", cli_figures_text(figures, totals, text, line),
               seconds);
    }
}
