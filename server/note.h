/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The words in which decisions are noted: the note `validators`. */
#ifndef SERVER_NOTE_H
#define SERVER_NOTE_H

#include <stdbool.h>

#include <httpd.h>

/* Every word that the note can hold; docs/directives.md lists them. */
#define VLD_WORDS(X)                                                           \
    X(QUICK, "quick", "304 from the quick handler")                            \
    X(REPLAY, "replay", "304 from a prepared answer, after access control")    \
    X(NOT_MODIFIED, "304", "304 by evaluating the full response")              \
    X(FAILED, "412", "a precondition failed")                                  \
    X(OK, "200", "no precondition to answer")                                  \
    X(CHANGED, "200-changed", "the client's validators are out of date")       \
    X(UNINDEXED, "200-unindexed", "the file has no record in the index")       \
    X(STALE, "200-stale", "the file is not as its record says")                \
    X(DECLINED_HANDLER, "declined-handler",                                    \
      "the response is not a file's and has no validators")                    \
    X(DECLINED_FILTER, "declined-filter",                                      \
      "a filter rewrites the file's octets")                                   \
    X(DECLINED_EVALUATED, "declined-evaluated",                                \
      "the handler has evaluated the request itself")                          \
    X(DECLINED_STATUS, "declined-status", "an error or a redirect")

typedef enum vld_word {
#define X(name, word, meaning) VLD_WORD_##name,
    VLD_WORDS(X)
#undef X
} vld_word;

/* Note the decision for the access log.  `why` explains it in the error log
 * at trace1 (NULL: the word's own meaning). */
void vld_note(request_rec *r, vld_word word, const char *why);

/* Whether a decision is noted. */
bool vld_note_is_made(const request_rec *r);

#endif /* SERVER_NOTE_H */
