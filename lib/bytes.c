/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/bytes.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

int slice_compare(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.data, b.data, n) : 0;

    if (order)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
    return a.len == b.len && (!a.len || !strncasecmp(a.data, b.data, a.len));
}

char *slice_dup(struct slice s)
{
    return mem_strndup(s.data, s.len);
}

struct slice slice_trim(struct slice s)
{
    while (s.len && isspace((unsigned char)s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len && isspace((unsigned char)s.data[s.len - 1]))
        s.len--;
    return s;
}

ptrdiff_t slice_find(struct slice s, char c)
{
    const char *at = s.len ? memchr(s.data, c, s.len) : NULL;

    return at ? at - s.data : -1;
}

ptrdiff_t slice_find_text(struct slice s, struct slice text)
{
    const char *at = s.data && text.data ? memmem(s.data, s.len, text.data, text.len) : NULL;

    return at ? at - s.data : -1;
}

bool slice_split(struct slice *rest, char separator, struct slice *ret_part)
{
    ptrdiff_t at;

    if (!rest->data)
        return false;
    at = slice_find(*rest, separator);
    if (at < 0) {
        *ret_part = *rest;
        *rest = SLICE_NONE;
        return true;
    }
    *ret_part = slice_make(rest->data, (size_t)at);
    *rest = slice_from(*rest, (size_t)at + 1);
    return true;
}

bool slice_to_uint64(struct slice s, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (!s.len)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.data[i] - (unsigned)'0';

        if (digit > 9 || __builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *ret_value = value;
    return true;
}

bool slice_to_int64(struct slice s, int64_t *ret_value)
{
    bool negative = s.len && s.data[0] == '-';
    uint64_t magnitude;

    if (negative)
        s = slice_from(s, 1);
    if (!slice_to_uint64(s, &magnitude) || magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *ret_value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

void buf_free(struct buf *b)
{
    free(b->data);
    memset(b, 0, sizeof(*b));
}

char *buf_reserve(struct buf *b, size_t extra)
{
    size_t want;

    if (__builtin_add_overflow(b->len, extra, &want))
        mem_die(extra);
    if (want > b->cap || !b->data) {
        size_t cap = b->cap ? b->cap : 128;

        while (cap < want)
            cap += cap / 2;
        b->data = mem_realloc(b->data, cap);
        b->cap = cap;
    }
    return b->data + b->len;
}

void buf_append(struct buf *b, const void *data, size_t len)
{
    if (!len)
        return;
    memcpy(buf_reserve(b, len), data, len);
    b->len += len;
}

void buf_append_uint64(struct buf *b, uint64_t number)
{
    char text[20];
    size_t at = sizeof(text);

    do
        text[--at] = (char)('0' + number % 10);
    while (number /= 10);
    buf_append(b, text + at, sizeof(text) - at);
}

void buf_append_int64(struct buf *b, int64_t number)
{
    if (number < 0)
        buf_append_byte(b, '-');
    buf_append_uint64(b, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

void buf_append_str(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}

void buf_vprintf(struct buf *b, const char *fmt, va_list args)
{
    va_list again;
    int len;

    (void)buf_reserve(b, 64); /* most texts fit at once */
    va_copy(again, args);
    len = vsnprintf(b->data + b->len, b->cap - b->len, fmt, again);
    va_end(again);
    if (len < 0)
        return;
    if ((size_t)len >= b->cap - b->len)
        (void)vsnprintf(buf_reserve(b, (size_t)len + 1), (size_t)len + 1, fmt, args);
    b->len += (size_t)len;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    buf_vprintf(b, fmt, args);
    va_end(args);
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}

const char *buf_cstr(struct buf *b)
{
    *buf_reserve(b, 1) = '\0';
    return b->data;
}

char *buf_steal_str(struct buf *b)
{
    char *text;

    (void)buf_cstr(b);
    text = b->data;
    memset(b, 0, sizeof(*b));
    return text;
}

struct refbuf *refbuf_new(const void *data, size_t len)
{
    struct refbuf *r = mem_alloc(sizeof(*r) + len);

    r->refs = 1;
    r->len = len;
    if (len)
        memcpy(r->data, data, len);
    return r;
}

struct refbuf *refbuf_ref(struct refbuf *r)
{
    if (r)
        __atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
    return r;
}

void refbuf_unref(struct refbuf *r)
{
    if (r && __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(r);
}
