/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Turns faults inside guarded calls into a return value.  It never handles
 * other faults. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "index/fault.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

/* With SA_NODEFER no mask has to be restored, which would cost a system call
 * for every read.  ThreadSanitizer blocks all signals in handlers. */
#define SAVES_MASK 0
#ifdef __SANITIZE_THREAD__
#undef SAVES_MASK
#define SAVES_MASK 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#undef SAVES_MASK
#define SAVES_MASK 1
#endif
#endif

/* One call into LMDB walks one path through the tree, a few times when it
 * writes; each page on the path takes up to 12 comparisons. */
#define MOST_COMPARISONS (1U << 20)

typedef struct guard {
    sigjmp_buf out;
    struct guard *outer;
    unsigned comparisons;
} guard;

/* A fault is ours when this thread is in a guarded call, whatever the address:
 * a wild offset in a damaged page may point anywhere. */
static __thread guard *volatile innermost VLD_EARLY_TLS;

/* What a damaged page can cause: reads beyond the file or the map, and a
 * division by a size of 0. */
static const int signals[] = { SIGBUS, SIGSEGV, SIGFPE };
enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };

/* Who handled each of them before. */
static struct sigaction handlers_before[SIGNALS];

static void leave_guard(void)
{
    guard *g = innermost;

    innermost = g->outer;
    siglongjmp(g->out, 1);
}

/* After the old action is restored, the faulting instruction runs again and
 * faults again; a signal that was sent by a process is sent again. */
static void restore_action(int sig, const siginfo_t *info,
                           const struct sigaction *before)
{
    sigaction(sig, before, NULL);
    if (info->si_code <= 0) {
        raise(sig);
    }
}

static const struct sigaction *handler_before(int sig)
{
    size_t i = 0;

    while (i < SIGNALS - 1 && signals[i] != sig) {
        i++;
    }
    return &handlers_before[i];
}

static void handle_fault(int sig, siginfo_t *info, void *context)
{
    const struct sigaction *before = handler_before(sig);

    if (innermost && info->si_code > 0) {
        leave_guard();
    }
    if (before->sa_flags & SA_SIGINFO) {
        before->sa_sigaction(sig, info, context);
    }
    else if (before->sa_handler == SIG_DFL || before->sa_handler == SIG_IGN) {
        restore_action(sig, info, before);
    }
    else {
        before->sa_handler(sig);
    }
}

static void install_handler(int sig, struct sigaction *before)
{
    struct sigaction action = { 0 };

    /* NODEFER: the handler is left by a jump, which restores no mask. */
    action.sa_sigaction = handle_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(sig, &action, before);
}

/* Reinstall only where the default action is set: a handler installed over ours
 * may chain to ours, and chaining back would loop. */
static void reinstall_handler(int sig, struct sigaction *before)
{
    struct sigaction now;

    if (!sigaction(sig, NULL, &now) && !(now.sa_flags & SA_SIGINFO)
        && now.sa_handler == SIG_DFL) {
        install_handler(sig, before);
    }
}

void vld_fault_install(void)
{
    static bool done;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < SIGNALS; i++) {
        if (done) {
            reinstall_handler(signals[i], &handlers_before[i]);
        }
        else {
            install_handler(signals[i], &handlers_before[i]);
        }
    }
    done = true;
    pthread_mutex_unlock(&mutex);
}

bool vld_fault_run(void (*fn)(void *data), void *data)
{
    guard g;

    g.outer = innermost;
    g.comparisons = 0;
    if (sigsetjmp(g.out, SAVES_MASK)) {
        return false;
    }
    innermost = &g;
    fn(data);
    innermost = g.outer;
    return true;
}

void vld_fault_assert(MDB_env *env, const char *message)
{
    (void)env;
    (void)message;
    if (innermost) {
        leave_guard();
    }
}

int vld_fault_compare(const MDB_val *a, const MDB_val *b)
{
    guard *g = innermost;
    size_t least = a->mv_size < b->mv_size ? a->mv_size : b->mv_size;
    int order;

    if (g && ++g->comparisons > MOST_COMPARISONS) {
        leave_guard();
    }
    order = memcmp(a->mv_data, b->mv_data, least);
    return order ? order
                 : (a->mv_size > b->mv_size) - (a->mv_size < b->mv_size);
}
