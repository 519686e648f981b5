/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Calls that may fault, because they read a mapped file that may be cut short
 * or overwritten meanwhile.  Private to index/. */
#ifndef VALIDATORS_INDEX_FAULT_H
#define VALIDATORS_INDEX_FAULT_H

#include <stdbool.h>
#include <lmdb.h>

/* For a thread-local variable: its offset is fixed when the module is loaded,
 * so that a signal handler need not allocate it, and access is quick. */
#if defined(__GLIBC__)
#define VLD_EARLY_TLS __attribute__((tls_model("initial-exec")))
#else
#define VLD_EARLY_TLS
#endif

/* Catch SIGBUS, SIGSEGV and SIGFPE in this process from now on.  Signals
 * outside vld_fault_run go to the handlers that were installed before.  Any
 * thread, any number of times; only the first call replaces another handler. */
void vld_fault_install(void);

/* Call fn(data).  False: a fault, a failed assertion of LMDB, or more
 * comparisons than sound pages can need ended fn half way.  So fn must hold
 * neither a lock nor memory of its own, and its data cannot be trusted again.
 * May be nested. */
bool vld_fault_run(void (*fn)(void *data), void *data);

/* For mdb_env_set_assert. */
void vld_fault_assert(MDB_env *env, const char *message);

/* For mdb_set_compare: LMDB's own order, octet by octet, the shorter first.
 * Counts: LMDB's search in a damaged page may have no end. */
int vld_fault_compare(const MDB_val *a, const MDB_val *b);

#endif /* VALIDATORS_INDEX_FAULT_H */
