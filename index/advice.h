/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Advice that depends on what is at the path of an index.  Private to
 * index/. */
#ifndef VALIDATORS_INDEX_ADVICE_H
#define VALIDATORS_INDEX_ADVICE_H

#include <limits.h>
#include <apr_errno.h>

/* What a text of advice names. */
typedef struct vld_advice_view {
    const char *path;  /* '@': of the index */
    char at[PATH_MAX]; /* '^': the folder or file because of which */
    char user[64];     /* '~': who opens the index */
    char owner[64];    /* '%': whose that is at `at` */
} vld_advice_view;

/* Look at the files and folders of the path, as the effective user, for the
 * reason of a status.  The text of the advice, with the signs above; NULL: what
 * is there gives no reason. */
const char *vld_advice_find(apr_status_t rv, vld_advice_view *view);

#endif /* VALIDATORS_INDEX_ADVICE_H */
