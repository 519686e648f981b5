/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of octets and files, and the texts made from it.  Never looks at
 * names or times. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "content/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/evp.h>
#include <openssl/opensslv.h>

#define CHUNK 131072
#define READAHEAD_FROM (4 * CHUNK)

/* --- one hasher a thread ----------------------------------------------------
 * OpenSSL 3 looks an algorithm up by name, under locks, whenever it is not
 * handed one: 1 us a digest.  So it is fetched once, and each thread keeps
 * its context. */
typedef struct hasher {
    EVP_MD_CTX *ctx;
    EVP_MD_CTX *of_file;   /* while a file is read, others may be hashed */
    unsigned char *buffer; /* CHUNK octets, made when first needed */
} hasher;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool have_key;
static const EVP_MD *sha256;

static void drop_hasher(void *data)
{
    hasher *h = data;

    EVP_MD_CTX_free(h->ctx);
    EVP_MD_CTX_free(h->of_file);
    free(h->buffer);
    free(h);
}

static void prepare(void)
{
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
#else
    sha256 = EVP_sha256();
#endif
    have_key = !pthread_key_create(&key, drop_hasher);
}

static hasher *new_hasher(void)
{
    hasher *h = calloc(1, sizeof(*h));

    if (!h) {
        return NULL;
    }
    h->ctx = EVP_MD_CTX_new();
    h->of_file = EVP_MD_CTX_new();
    if (!h->ctx || !h->of_file || pthread_setspecific(key, h)) {
        drop_hasher(h);
        return NULL;
    }
    return h;
}

static hasher *this_hasher(void)
{
    hasher *h;

    pthread_once(&once, prepare);
    if (!sha256 || !have_key) {
        return NULL;
    }
    h = pthread_getspecific(key);
    return h ? h : new_hasher();
}

static hasher *this_reader(void)
{
    hasher *h = this_hasher();

    if (h && !h->buffer) {
        h->buffer = malloc(CHUNK);
    }
    return h && h->buffer ? h : NULL;
}

/* --- digests--------------------------------------------------------------- */

apr_status_t vld_digest_bytes(const void *bytes, size_t len, vld_digest *out)
{
    hasher *h = this_hasher();

    if (!h || !EVP_DigestInit_ex(h->ctx, sha256, NULL)
        || !EVP_DigestUpdate(h->ctx, bytes, len)
        || !EVP_DigestFinal_ex(h->ctx, out->bytes, NULL)) {
        return APR_EGENERAL;
    }
    return APR_SUCCESS;
}

apr_status_t vld_digest_salted(const vld_digest *in, const char *salt,
                               vld_digest *out)
{
    static const char label[16] = "vld salt v1";
    hasher *h = this_hasher();

    if (!h || !EVP_DigestInit_ex(h->ctx, sha256, NULL)
        || !EVP_DigestUpdate(h->ctx, label, sizeof(label))
        || !EVP_DigestUpdate(h->ctx, in->bytes, sizeof(in->bytes))
        || !EVP_DigestUpdate(h->ctx, salt, strlen(salt))
        || !EVP_DigestFinal_ex(h->ctx, out->bytes, NULL)) {
        return APR_EGENERAL;
    }
    return APR_SUCCESS;
}

static ssize_t read_at(int fd, void *buffer, uint64_t offset)
{
    ssize_t n;

    do {
        n = pread(fd, buffer, CHUNK, (off_t)offset);
    } while (n < 0 && errno == EINTR);
    return n;
}

static bool is_stopped(const vld_attempt *how)
{
    return how
           && ((how->stop && __atomic_load_n(how->stop, __ATOMIC_RELAXED))
               || (how->goes_on && !how->goes_on(how->baton)));
}

static void add(const vld_attempt *how, ssize_t n)
{
    if (how && how->progress) {
        __atomic_fetch_add(how->progress, (uint64_t)n, __ATOMIC_RELAXED);
    }
}

static apr_status_t feed(hasher *h, int fd, uint64_t expected,
                         const vld_attempt *how, uint64_t *size)
{
    uint64_t total = 0;
    ssize_t n;

    do {
        if (is_stopped(how)) {
            return APR_EINTR;
        }
        n = read_at(fd, h->buffer, total);
        if (n < 0) {
            return vld_error_os();
        }
        if (n && !EVP_DigestUpdate(h->of_file, h->buffer, (size_t)n)) {
            return APR_EGENERAL;
        }
        total += (uint64_t)n;
        add(how, n);
        /* A short read at the expected end is the end: this saves one call
         * in two for small files. */
    } while (n > 0 && total <= expected && !(total == expected && n < CHUNK));
    *size = total;
    return APR_SUCCESS;
}

apr_status_t vld_digest_file(int fd, uint64_t expected, const vld_attempt *how,
                             vld_digest *out, uint64_t *size)
{
    hasher *h = this_reader();
    apr_status_t rv;

    if (!h || !EVP_DigestInit_ex(h->of_file, sha256, NULL)) {
        return APR_EGENERAL;
    }
    if (expected >= READAHEAD_FROM) {
        posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    rv = feed(h, fd, expected, how, size);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    return EVP_DigestFinal_ex(h->of_file, out->bytes, NULL) ? APR_SUCCESS
                                                            : APR_EGENERAL;
}

apr_status_t vld_digest_fd(int fd, vld_digest *out, uint64_t *size)
{
    return vld_digest_file(fd, UINT64_MAX, NULL, out, size);
}

apr_status_t vld_digest_start(int fd, uint64_t len, vld_digest *out)
{
    hasher *h = this_reader();
    uint64_t at = 0;
    ssize_t n;

    if (!h || !EVP_DigestInit_ex(h->of_file, sha256, NULL)) {
        return APR_EGENERAL;
    }
    while (at < len) {
        n = read_at(fd, h->buffer, at);
        if (n <= 0) {
            return n < 0 ? vld_error_os() : APR_EOF;
        }
        if ((uint64_t)n > len - at) {
            n = (ssize_t)(len - at);
        }
        if (!EVP_DigestUpdate(h->of_file, h->buffer, (size_t)n)) {
            return APR_EGENERAL;
        }
        at += (uint64_t)n;
    }
    return EVP_DigestFinal_ex(h->of_file, out->bytes, NULL) ? APR_SUCCESS
                                                            : APR_EGENERAL;
}

/* --- texts----------------------------------------------------------------- */

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789-_";

/* Three octets as four characters; the place behind them. */
static inline char *put_three(char *p, const unsigned char *in)
{
    unsigned v = (unsigned)in[0] << 16 | (unsigned)in[1] << 8 | in[2];

    p[0] = base64url[v >> 18];
    p[1] = base64url[v >> 12 & 63];
    p[2] = base64url[v >> 6 & 63];
    p[3] = base64url[v & 63];
    return p + 4;
}

/* 128 bits are 21 characters of 6 bits and one of 2.  A tag is made for each
 * response: five calls cost 48 instructions less than a loop. */
void vld_digest_etag(const vld_digest *digest, char out[VLD_ETAG_SIZE])
{
    const unsigned char *in = digest->bytes;
    char *p = out;

    *p++ = '"';
    p = put_three(p, in);
    p = put_three(p, in + 3);
    p = put_three(p, in + 6);
    p = put_three(p, in + 9);
    p = put_three(p, in + 12);
    *p++ = base64url[in[15] >> 2];
    *p++ = base64url[(in[15] & 3) << 4];
    *p++ = '"';
    *p = '\0';
}

void vld_digest_hex(const vld_digest *digest, char out[VLD_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < sizeof(digest->bytes); i++) {
        out[2 * i] = digits[digest->bytes[i] >> 4];
        out[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    out[VLD_HEX_SIZE - 1] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool vld_digest_unhex(const char *text, vld_digest *out)
{
    vld_digest digest;

    for (size_t i = 0; i < sizeof(digest.bytes); i++) {
        int high = hex_value(text[2 * i]);
        int low = high < 0 ? -1 : hex_value(text[2 * i + 1]);

        if (low < 0) {
            return false;
        }
        digest.bytes[i] = (unsigned char)(high << 4 | low);
    }
    if (text[2 * sizeof(digest.bytes)]) {
        return false;
    }
    *out = digest;
    return true;
}
