/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Decisions in words: the note for the access log, the sentence for the error
 * log.  It decides nothing. */
#include <httpd.h>
#include <http_log.h>
#include <http_protocol.h>

#include "mod_validators.h"
#include "server/note.h"

APLOG_USE_MODULE(validators);

static const struct {
    const char *word;
    const char *meaning;
} words[] = {
#define X(name, word, meaning) { word, meaning },
    VLD_WORDS(X)
#undef X
};

void vld_note(request_rec *r, vld_word word, const char *why)
{
    apr_table_setn(r->notes, MOD_VALIDATORS_NOTE, words[word].word);
    ap_log_rerror(APLOG_MARK, APLOG_TRACE1, 0, r, "%s %s: %s: %s", r->method,
                  r->unparsed_uri, words[word].word,
                  why ? why : words[word].meaning);
}

bool vld_note_is_made(const request_rec *r)
{
    return apr_table_get(r->notes, MOD_VALIDATORS_NOTE) != NULL;
}
