/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes: a borrowed view (slice), a growing buffer (buf), and an immutable, reference-counted one (refbuf) that several
 * threads may share: the bytes of one event serve all its watchers.
 */
#ifndef KNARR_LIB_BYTES_H
#define KNARR_LIB_BYTES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/mem.h"

/* Borrowed bytes, not NUL-terminated. data may be NULL only when len is 0. */
struct slice {
    const char *data;
    size_t len;
};

#define SLICE_LIT(s) ((struct slice){("" s), sizeof(s) - 1})
#define SLICE_NONE   ((struct slice){NULL, 0})
/* For printf("%.*s", SLICE_ARGS(s)). */
#define SLICE_ARGS(s) (int)(s).len, (s).data ? (s).data : ""

static inline struct slice slice_make(const void *data, size_t len)
{
    return (struct slice){data, len};
}

static inline struct slice slice_str(const char *s)
{
    return (struct slice){s, s ? strlen(s) : 0};
}

/* What follows the first n bytes, n <= s.len. Of no bytes (data NULL) nothing follows: adding even 0 to NULL is
 * undefined (C17 6.5.6). */
static inline struct slice slice_from(struct slice s, size_t n)
{
    return (struct slice){n ? s.data + n : s.data, s.len - n};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (!a.len || !memcmp(a.data, b.data, a.len));
}

static inline bool slice_is(struct slice a, const char *s)
{
    return slice_equal(a, slice_str(s));
}

static inline bool slice_starts(struct slice a, struct slice prefix)
{
    return a.len >= prefix.len && (!prefix.len || !memcmp(a.data, prefix.data, prefix.len));
}

static inline bool slice_ends(struct slice a, struct slice suffix)
{
    return a.len >= suffix.len && (!suffix.len || !memcmp(a.data + a.len - suffix.len, suffix.data, suffix.len));
}

/* Byte order, shorter first on a tie. */
int slice_compare(struct slice a, struct slice b);
/* The same without regard to ASCII case. */
bool slice_equal_nocase(struct slice a, struct slice b);
/* A NUL-terminated copy. */
char *slice_dup(struct slice s);
/* Without white space at both ends. */
struct slice slice_trim(struct slice s);
/* Takes from *rest up to the next `separator` (which is skipped) into *ret_part; false when *rest is used up
 * (rest->data is NULL afterwards). "a,,b" gives "a", "", "b"; an empty slice gives one empty part. */
bool slice_split(struct slice *rest, char separator, struct slice *ret_part);
/* The place of `c`, or -1. */
ptrdiff_t slice_find(struct slice s, char c);
/* The place of the first `text`, or -1. */
ptrdiff_t slice_find_text(struct slice s, struct slice text);
/* A whole decimal number; false on anything else, overflow included. */
bool slice_to_int64(struct slice s, int64_t *ret_value);
bool slice_to_uint64(struct slice s, uint64_t *ret_value);

/* A growing buffer. All zero is a valid empty one. The bytes are not NUL-terminated; see buf_cstr. */
struct buf {
    char *data;
    size_t len;
    size_t cap;
};

#define BUF_LOCAL(name) struct buf name CLEANUP(buf_free) = {0}

void buf_free(struct buf *b);
static inline void buf_reset(struct buf *b)
{
    b->len = 0;
}
/* Makes room for `extra` more bytes and returns where they go; the caller adds to len. */
char *buf_reserve(struct buf *b, size_t extra);
void buf_append(struct buf *b, const void *data, size_t len);
static inline void buf_append_byte(struct buf *b, char c)
{
    if (b->len < b->cap)
        b->data[b->len] = c;
    else
        *buf_reserve(b, 1) = c;
    b->len++;
}
/* In decimal. */
void buf_append_uint64(struct buf *b, uint64_t number);
void buf_append_int64(struct buf *b, int64_t number);
void buf_append_str(struct buf *b, const char *s);
static inline void buf_append_slice(struct buf *b, struct slice s)
{
    buf_append(b, s.data, s.len);
}
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list args) PRINTF_LIKE(2, 0) __attribute__((nonnull(2)));
/* Removes the first n bytes. */
void buf_consume(struct buf *b, size_t n);
/* NUL-terminates in place (len does not change) and returns the text. */
const char *buf_cstr(struct buf *b);
/* Hands the text on (NUL-terminated, to be freed); the buffer is empty afterwards. */
char *buf_steal_str(struct buf *b);
static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->data, b->len};
}

/* Immutable bytes with an atomic reference count. */
struct refbuf {
    int refs;
    size_t len;
    char data[];
};

#define CLEANUP_REFBUF CLEANUP(refbuf_cleanup)

struct refbuf *refbuf_new(const void *data, size_t len);
static inline struct refbuf *refbuf_from(const struct buf *b)
{
    return refbuf_new(b->data, b->len);
}
struct refbuf *refbuf_ref(struct refbuf *r);
/* NULL is allowed. */
void refbuf_unref(struct refbuf *r);
static inline struct slice refbuf_slice(const struct refbuf *r)
{
    return r ? (struct slice){r->data, r->len} : SLICE_NONE;
}
static inline void refbuf_cleanup(struct refbuf **r)
{
    refbuf_unref(*r);
}

#endif
