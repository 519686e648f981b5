/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/fault.c: faults inside are survived, others are not
 * touched. */
#include "index_test.h"

#include <pthread.h>
#include <sys/mman.h>

/* A mapped page that lies beyond its file's end. */
static volatile unsigned char *cut_page(const place *t)
{
    int fd = open(below(t->dir, "cut"), O_RDWR | O_CREAT, 0600);
    void *page;

    assert_int_equal(ftruncate(fd, 4096), 0);
    page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(page != MAP_FAILED);
    assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
    return page;
}

static void read_octet(void *data)
{
    (void)*(volatile unsigned char *)data;
}

/* Not a constant, or the compiler knows better. */
static volatile uintptr_t nowhere = 64;

static void read_nowhere(void *data)
{
    (void)data;
    (void)*(volatile unsigned char *)nowhere;
}

static void set_flag(void *data)
{
    *(int *)data = 1;
}

static void runs(void **state)
{
    int flag = 0;

    (void)state;
    guard_faults();
    assert_true(vld_fault_run(set_flag, &flag));
    assert_int_equal(flag, 1);
}

static void survives(void **state)
{
    volatile unsigned char *page = cut_page(*state);

    guard_faults();
    for (int i = 0; i < 100; i++) {
        int flag = 0;

        assert_false(vld_fault_run(read_octet, (void *)(uintptr_t)page));
        assert_true(vld_fault_run(set_flag, &flag));
        assert_int_equal(flag, 1);
    }
    munmap((void *)(uintptr_t)page, 4096);
}

static void survives_wild_offsets(void **state)
{
    (void)state;
    guard_faults();
    assert_false(vld_fault_run(read_nowhere, NULL));
    assert_false(vld_fault_run(read_nowhere, NULL));
}

/* Not a constant, or the compiler knows better. */
static volatile int zero, many = 1000;

__attribute__((no_sanitize("undefined"))) static void divide_by_zero(void *data)
{
    *(volatile int *)data = many / zero;
}

static void survives_division(void **state)
{
    int result = 7;

    (void)state;
    guard_faults();
    assert_false(vld_fault_run(divide_by_zero, &result));
    assert_false(vld_fault_run(divide_by_zero, &result));
    assert_int_equal(result, 7);
}

typedef struct nest {
    volatile unsigned char *page;
    bool inner;
} nest;

static void run_inner(void *data)
{
    nest *n = data;

    n->inner = vld_fault_run(read_octet, (void *)(uintptr_t)n->page);
}

static void run_inner_then_fault(void *data)
{
    nest *n = data;

    run_inner(data);
    read_octet((void *)(uintptr_t)n->page);
}

static void nested(void **state)
{
    nest n = { cut_page(*state), true };

    guard_faults();
    assert_true(vld_fault_run(run_inner, &n));
    assert_false(n.inner);
    assert_false(vld_fault_run(run_inner_then_fault, &n));
    munmap((void *)(uintptr_t)n.page, 4096);
}

static void fail_assertion(void *data)
{
    vld_fault_assert(NULL, "test");
    set_flag(data);
}

static void assertion(void **state)
{
    int flag = 0;

    (void)state;
    guard_faults();
    assert_false(vld_fault_run(fail_assertion, &flag));
    assert_int_equal(flag, 0);
    vld_fault_assert(NULL, "outside, returns");
}

static void *fault_often(void *page)
{
    for (int i = 0; i < 200; i++) {
        int flag = 0;

        if (vld_fault_run(read_octet, page)
            || !vld_fault_run(set_flag, &flag)) {
            return page;
        }
    }
    return NULL;
}

static void threads(void **state)
{
    void *page = (void *)(uintptr_t)cut_page(*state);
    pthread_t thread[4];
    void *result;

    guard_faults();
    for (int i = 0; i < 4; i++) {
        pthread_create(&thread[i], NULL, fault_often, page);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], &result);
        assert_null(result);
    }
    munmap(page, 4096);
}

/* --- what is none of its business: each in a process of its own ---------- */

static int signal_of(void (*fn)(void *), void *data)
{
    int status;
    pid_t pid = fork();

    if (!pid) {
        struct sigaction dfl;

        memset(&dfl, 0, sizeof(dfl));
        dfl.sa_handler = SIG_DFL;
        sigaction(SIGSEGV, &dfl, NULL);
        sigaction(SIGBUS, &dfl, NULL);
        sigaction(SIGFPE, &dfl, NULL);
        alarm(20);
        fn(data);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void fault_outside(void *page)
{
    vld_fault_install();
    read_octet(page);
}

static void divide_outside(void *data)
{
    vld_fault_install();
    divide_by_zero(data);
}

static void sent_from_outside(void *data)
{
    (void)data;
    vld_fault_install();
    raise(SIGSEGV);
}

static void send_inside(void *data)
{
    (void)data;
    raise(SIGBUS);
}

static void sent_inside(void *data)
{
    vld_fault_install();
    vld_fault_run(send_inside, data);
}

static void on_bus(int sig, siginfo_t *info, void *context)
{
    (void)context;
    _exit(sig == SIGBUS && info->si_addr ? 42 : 43);
}

static void handled_before(void *page)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_bus;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGBUS, &action, NULL);
    vld_fault_install();
    read_octet(page);
}

/* The first test: nothing must have been installed before these fork. */
static void others(void **state)
{
    int result = 0;
    void *page = (void *)(uintptr_t)cut_page(*state);

    assert_int_equal(signal_of(fault_outside, page), SIGBUS);
    assert_int_equal(signal_of(divide_outside, &result), SIGFPE);
    assert_int_equal(signal_of(sent_from_outside, NULL), SIGSEGV);
    assert_int_equal(signal_of(sent_inside, NULL), SIGBUS);
    assert_int_equal(signal_of(handled_before, page), -42);
    munmap(page, 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(others, "faults outside and signals that were sent go where "
                     "they went before"),
        TEST(runs, "what does not fault runs"),
        TEST(survives, "reading beyond the end of a file is survived, "
                       "again and again"),
        TEST_IF(is_unsanitized, survives_wild_offsets,
                "reading where nothing is mapped is "
                "survived"),
        TEST(survives_division, "a division by zero is survived"),
        TEST(nested, "a fault leaves the innermost guard only"),
        TEST(assertion, "a failed assertion of LMDB leaves the guard"),
        TEST(threads, "threads fault at the same time"),
    };

    return RUN(tests);
}
