/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Reading a mapped file that may be cut short or overwritten while it is
 * read, and living on.  Private to index/. */
#ifndef VALIDATORS_INDEX_FAULT_H
#define VALIDATORS_INDEX_FAULT_H

#include <stdbool.h>
#include <lmdb.h>

/* Of a variable of each thread: its place is known when a module is loaded, so
 * that a signal handler need not allocate it, and it is quick to find. */
#if defined(__GLIBC__)
#define VLD_EARLY_TLS __attribute__((tls_model("initial-exec")))
#else
#define VLD_EARLY_TLS
#endif

/* Catch SIGBUS and SIGSEGV in this process from now on.  Signals outside
 * vld_fault_run go to whoever handled them before.  Any thread, any number of
 * times; only the first call replaces another handler. */
void vld_fault_install(void);

/* Call fn(data).  False when a fault in it, a failed assertion of LMDB, or
 * more comparisons than good pages can need ended it half way: then fn must
 * hold no lock and no memory of its own, and what it was working on is not to
 * be trusted again.  May be nested. */
bool vld_fault_run(void (*fn)(void *data), void *data);

/* For mdb_env_set_assert. */
void vld_fault_assert(MDB_env *env, const char *message);

/* For mdb_set_compare: LMDB's own order, octet by octet, the shorter first.
 * Counts: LMDB's search in a damaged page may have no end. */
int vld_fault_compare(const MDB_val *a, const MDB_val *b);

#endif /* VALIDATORS_INDEX_FAULT_H */
