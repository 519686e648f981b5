/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The line of progress on a terminal.  Never written anywhere else, and gone
 * when the work is done. */
#include "cli/progress.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/output.h"

#define REDRAW_US (APR_USEC_PER_SEC / 10)
#define BAR 10     /* columns of the bar */
#define COLUMNS 80 /* of a terminal that does not say */

struct cli_progress {
    bool on;
    int columns;
    int drawn; /* columns that the last line has */
    unsigned step;
    apr_time_t started;
    apr_time_t last;
    pthread_mutex_t lock; /* problems are reported by other threads */
};

static int columns_of(int fd)
{
    struct winsize size;

    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    return COLUMNS;
}

cli_progress *cli_progress_start(const cli *c)
{
    static cli_progress progress = { .lock = PTHREAD_MUTEX_INITIALIZER };

    progress.on = !c->quiet && !c->json && isatty(STDERR_FILENO);
    progress.started = apr_time_now();
    progress.columns = columns_of(STDERR_FILENO);
    return &progress;
}

bool cli_progress_is_shown(const cli_progress *progress)
{
    return progress->on;
}

/* Where the end is not known the mark moves to and fro. */
static void draw_mark(char bar[BAR + 1], unsigned step)
{
    unsigned at = step % (2 * (BAR - 2));

    if (at > BAR - 2) {
        at = 2 * (BAR - 2) - at;
    }
    memset(bar, ' ', BAR);
    memcpy(bar + at, "==", 2);
}

/* "[====      ]  42% " */
#define BAR_TEXT (BAR + 16)
static void draw_bar(char text[BAR_TEXT], const cli_work_done *work,
                     unsigned step)
{
    char bar[BAR + 1];
    unsigned percent;

    bar[BAR] = '\0';
    if (!work->total) {
        draw_mark(bar, step);
        snprintf(text, BAR_TEXT, "[%s]", bar);
        return;
    }
    percent = work->done >= work->total ? 100
                                        : (unsigned)(100.0 * (double)work->done
                                                     / (double)work->total);
    memset(bar, ' ', BAR);
    memset(bar, '=', percent * BAR / 100);
    snprintf(text, BAR_TEXT, "[%s] %u%%,", bar, percent);
}

static void write_line(cli_progress *progress, const char *text)
{
    int len = (int)strlen(text);

    if (len > progress->columns - 1) {
        len = progress->columns - 1;
    }
    fprintf(stderr, "\r%.*s%*s", len, text,
            progress->drawn > len ? progress->drawn - len : 0, "");
    fflush(stderr);
    progress->drawn = len;
}

static void draw_line(cli_progress *progress, const cli_work_done *work,
                      apr_time_t now)
{
    double s = (double)(now - progress->started) / APR_USEC_PER_SEC;
    char line[160], bar[BAR_TEXT], done[CLI_SIZE], rate[CLI_SIZE];

    draw_bar(bar, work, progress->step++);
    cli_size(work->bytes, done);
    cli_size(s > 0.05 ? (uint64_t)((double)work->bytes / s) : 0, rate);
    snprintf(line, sizeof(line),
             "%s %" PRIu64 " files, %" PRIu64 " hashed, %s, %s/s", bar,
             work->files, work->hashed, done, rate);
    write_line(progress, line);
}

void cli_progress_draw(cli_progress *progress, const cli_work_done *work)
{
    apr_time_t now = apr_time_now();

    if (!progress->on) {
        return;
    }
    pthread_mutex_lock(&progress->lock);
    if (now - progress->last >= REDRAW_US || now < progress->last) {
        progress->last = now;
        draw_line(progress, work, now);
    }
    pthread_mutex_unlock(&progress->lock);
}

void cli_progress_clear(cli_progress *progress)
{
    if (!progress->on) {
        return;
    }
    pthread_mutex_lock(&progress->lock);
    if (progress->drawn > 0) {
        write_line(progress, "");
        fputc('\r', stderr);
        fflush(stderr);
    }
    /* The caller's text stays for a tenth of a second at least. */
    progress->last = apr_time_now();
    pthread_mutex_unlock(&progress->lock);
}
