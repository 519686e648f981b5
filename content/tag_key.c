/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The key of entity tags: read from its file, and the tags made with it.  It
 * is never written or logged. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "validators/content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/* --- the file ------------------------------------------------------------ */

#define HOW_TO_MAKE "make one, for example by `openssl rand -base64 32`"

static const char *say(char *why, size_t size, const char *what,
                       const char *cure)
{
    snprintf(why, size, "%s; %s", what, cure);
    return why;
}

static const char *say_errno(char *why, size_t size)
{
    char what[128];
    int err = errno;

    snprintf(what, sizeof(what), "it cannot be read: %s", strerror(err));
    return say(why, size, what,
               err == ENOENT ? HOW_TO_MAKE
                             : "name a file that this user may read");
}

static const char *look_at(int fd, char *why, size_t size)
{
    struct stat st;

    if (fstat(fd, &st)) {
        return say_errno(why, size);
    }
    if (!S_ISREG(st.st_mode)) {
        return say(why, size, "it is not a regular file",
                   "name a file that holds the key");
    }
    if (st.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) {
        return say(why, size,
                   "it can be read or written by others, or "
                   "written by its group, and so is no secret",
                   "`chmod 0600` it, or 0640, and put a new key into it if "
                   "others may have read it");
    }
    return NULL;
}

/* One octet of the file more than a key and its newline may have tells that
 * it is too long. */
static const char *take(int fd, vld_tag_key *out, char *why, size_t size)
{
    unsigned char octets[VLD_TAG_KEY_MOST + 2];
    size_t len = 0;
    ssize_t n;

    while (len < sizeof(octets)
           && (n = read(fd, octets + len, sizeof(octets) - len)) != 0) {
        if (n < 0 && errno != EINTR) {
            return say_errno(why, size);
        }
        len += n < 0 ? 0 : (size_t)n;
    }
    if (len && octets[len - 1] == '\n') {
        len--;
    }
    out->len = len;
    memcpy(out->octets, octets,
           len < VLD_TAG_KEY_MOST ? len : VLD_TAG_KEY_MOST);
    OPENSSL_cleanse(octets, sizeof(octets));
    if (len < VLD_TAG_KEY_LEAST) {
        return say(why, size, "a key of less than 16 octets can be guessed",
                   HOW_TO_MAKE);
    }
    return len <= VLD_TAG_KEY_MOST
               ? NULL
               : say(why, size, "it is longer than a key of 4096 octets",
                     HOW_TO_MAKE);
}

const char *vld_tag_key_read(vld_tag_key *out, const char *path, char *why,
                             size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const char *wrong = fd < 0 ? say_errno(why, size) : look_at(fd, why, size);

    if (!wrong) {
        wrong = take(fd, out, why, size);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (wrong) {
        vld_tag_key_forget(out);
    }
    return wrong;
}

void vld_tag_key_forget(vld_tag_key *key)
{
    OPENSSL_cleanse(key, sizeof(*key));
}

/* --- tags ---------------------------------------------------------------- */

apr_status_t vld_keyed_digest(const vld_tag_key *key, const void *octets,
                              size_t len, vld_digest *out)
{
    unsigned made = 0;

    return HMAC(EVP_sha256(), key->octets, (int)key->len, octets, len,
                out->bytes, &made)
                   && made == sizeof(out->bytes)
               ? APR_SUCCESS
               : APR_EGENERAL;
}

apr_status_t vld_content_etag(const vld_digest *digest, const vld_tag_key *key,
                              char out[VLD_ETAG_SIZE])
{
    vld_digest keyed = *digest;
    apr_status_t rv = APR_SUCCESS;

    if (key) {
        rv = vld_keyed_digest(key, digest->bytes, sizeof(digest->bytes),
                              &keyed);
    }
    if (rv == APR_SUCCESS) {
        vld_digest_etag(&keyed, out);
    }
    return rv;
}
