/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What GET says of a file: one decision, for responses and for mod_dav alike.
 * Pure: no request, no file, no clock. */
#ifndef SERVER_REQUEST_CHOOSE_H
#define SERVER_REQUEST_CHOOSE_H

#include "validators/content.h"

/* Files up to this size are read at once, and hashed where the index does
 * not know them. */
#define VLD_SMALL_FILE 65536

/* Where the validators of a response come from. */
typedef enum vld_source {
    VLD_SOURCE_OTHER,       /* not ours: whoever made the response */
    VLD_SOURCE_RECORD,      /* a fresh record of the index */
    VLD_SOURCE_CONTENT,     /* hashed before it is sent */
    VLD_SOURCE_IDENTITY,    /* strong, from the identity; nobody remembers it */
    VLD_SOURCE_PROVISIONAL, /* weak, from the identity */
    VLD_SOURCE_NONE         /* nothing can be said */
} vld_source;

/* What is known of the file, the index and the URL.  The caller owns all that
 * is pointed to. */
typedef struct vld_facts {
    const vld_identity *identity; /* of the file */
    const vld_digest *content; /* of a file that was read; NULL: it was not */
    const vld_record *record;  /* the path's in the index; NULL: none */
    int64_t link_s; /* latest change of a symbolic link on the way; 0: none */
    bool is_fresh;  /* set by vld_facts_see */
    bool proves_nothing; /* the identity, where the configuration asks for it:
                          * no record is fresh, nothing is settled */
    int64_t auto_max; /* size of the largest file to be indexed; -1: none is */
    const vld_past *past; /* of the URL */
    int64_t now_us;       /* time of the request, microseconds since 1970 */
    bool is_response;     /* to a GET or HEAD, which may be remembered: not to
                           * POST, nor where mod_dav describes the file */

    /* Needed without a fresh record only. */
    bool is_settled;           /* identity: was so before anything was read */
    const vld_digest *promise; /* the name of the settled identity of a large
                                * file; NULL: no strong tag may be made of it */
    bool may_be_remembered; /* the URL has a key, and the client is anonymous */
} vld_facts;

typedef struct vld_choice {
    vld_source source;
    bool has_stale_record; /* there is a record, of another identity */
    bool is_settled;       /* as long as the identity is seen, the content is
                            * what it was */
    bool to_be_indexed;    /* the index has no record of this identity, or one
                            * whose date is earlier than the one chosen, or
                            * whose content was not read */
    bool date_sent;        /* Last-Modified says the date */
    vld_chosen_date date;
    vld_digest name; /* the content's; VLD_SOURCE_PROVISIONAL: of the content
                      * that had the date; VLD_SOURCE_NONE: not set */
} vld_choice;

/* The file has this identity (now): sets identity and is_fresh.  `compare` is
 * the configuration's; where that is not to look, it is still looked, since
 * there is a stat at hand. */
void vld_facts_see(vld_facts *facts, const vld_identity *identity,
                   vld_compare compare);

/* Whether the content has to be read before the choice: that of a small file
 * without a fresh record; and with one, where the content is sent, so that
 * what is sent is what the record is of. */
bool vld_choose_reads(const vld_facts *facts, bool sends_content);

/* Choose. */
void vld_choose(const vld_facts *facts, vld_choice *out);

/* Nothing can be said of the file after all. */
void vld_choose_nothing(vld_choice *choice);

/* The response goes on under the weak tag of its identity, without a date. */
void vld_choose_tag_alone(vld_choice *choice);

/* The response could not be remembered: a date that is safe without. */
void vld_choose_forgotten(vld_choice *choice, const vld_identity *identity,
                          int64_t now_us);

/* A filter rewrites the content, always in the same way: *tagged gets the
 * identity of which the weak tag is made, which other configurations do not
 * share; born_us is when the one in force was read.  Only for a settled
 * identity. */
void vld_choose_rewritten(const vld_identity *identity, int64_t born_us,
                          int64_t now_us, vld_identity *tagged,
                          vld_choice *out);

/* Whether the tag names the content, and so is strong. */
static inline bool vld_choice_is_of_content(const vld_choice *choice)
{
    return choice->source == VLD_SOURCE_RECORD
           || choice->source == VLD_SOURCE_CONTENT
           || choice->source == VLD_SOURCE_IDENTITY;
}

#endif /* SERVER_REQUEST_CHOOSE_H */
