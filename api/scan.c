/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scanner of scan.h. Two loops carry it: skip_string finds the end of a string, skip_value the end of any value by
 * counting brackets, 64 bytes at a time where the processor can. Neither recurses, and neither steps past the end of
 * the bytes, whatever they are; on bytes that are not JSON the answers are merely useless.
 */
#include "api/scan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "lib/encoding.h"

/* `at` is after the opening quote; returns the place after the closing one, or `end`. */
static const char *skip_string(const char *at, const char *end)
{
    while (at < end) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        const char *back = quote;

        if (!quote)
            return end;
        while (back > at && back[-1] == '\\')
            back--;
        if ((quote - back) % 2 == 0)
            return quote + 1;
        at = quote + 1;
    }
    return end;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* How far a bracket's inside has been looked through. */
struct skip {
    const char *at;
    size_t depth;
    uint64_t in_string; /* all bits or none */
    uint64_t escaped;   /* 1 = the next byte is */
};

#ifdef __SSE2__
#define BLOCK 64

static uint64_t block_find(const __m128i block[4], char c)
{
    uint64_t found = 0;

    for (int i = 3; i >= 0; i--)
        found = found << 16 | (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(block[i], _mm_set1_epi8(c)));
    return found;
}

/* Which bytes stand behind a backslash that is none itself. */
static uint64_t block_escaped(struct skip *s, uint64_t backslashes)
{
    uint64_t escaped = s->escaped;

    s->escaped = 0;
    for (uint64_t left = backslashes & ~escaped; left; left &= left - 1) {
        int i = __builtin_ctzll(left);

        if (escaped >> i & 1)
            continue;
        if (i == BLOCK - 1)
            s->escaped = 1;
        else
            escaped |= (uint64_t)2 << i;
    }
    return escaped;
}

/* Bytes from an opening quote on up to before its closing one. */
static uint64_t block_strings(struct skip *s, uint64_t quotes)
{
    for (int i = 1; i < BLOCK; i *= 2)
        quotes ^= quotes << i;
    quotes ^= s->in_string;
    s->in_string = quotes >> (BLOCK - 1) ? UINT64_MAX : 0;
    return quotes;
}

/* The place after the bracket that closes the first one, if it is in this block; else NULL. */
static const char *skip_block(struct skip *s)
{
    __m128i block[4], lower[4];
    uint64_t strings, open, close;

    for (int i = 0; i < 4; i++) {
        block[i] = _mm_loadu_si128((const __m128i *)(const void *)(s->at + (size_t)i * 16));
        lower[i] = _mm_or_si128(block[i], _mm_set1_epi8(0x20)); /* makes '{' of '[', and '}' of ']', and no other */
    }
    strings = block_find(block, '"') & ~block_escaped(s, block_find(block, '\\'));
    strings = block_strings(s, strings);
    open = block_find(lower, '{') & ~strings;
    close = block_find(lower, '}') & ~strings;
    if ((size_t)__builtin_popcountll(close) < s->depth) {
        s->depth += (size_t)__builtin_popcountll(open) - (size_t)__builtin_popcountll(close);
        s->at += BLOCK;
        return NULL;
    }
    for (uint64_t left = open | close; left; left &= left - 1) {
        int i = __builtin_ctzll(left);

        if (open >> i & 1)
            s->depth++;
        else if (--s->depth == 0)
            return s->at + i + 1;
    }
    s->at += BLOCK;
    return NULL;
}

static const char *skip_blocks(struct skip *s, const char *end)
{
    const char *found = NULL;

    while (!found && end - s->at >= BLOCK)
        found = skip_block(s);
    return found;
}
#else
static const char *skip_blocks(struct skip *s, const char *end)
{
    (void)s;
    (void)end;
    return NULL;
}
#endif

/* From the bracket at `at` to behind the one that closes it. */
static const char *skip_brackets(const char *at, const char *end)
{
    struct skip s = {.at = at + 1, .depth = 1};
    const char *found = skip_blocks(&s, end);

    if (found)
        return found;
    at = s.at + (s.escaped && s.at < end);
    if (s.in_string)
        at = skip_string(at, end);
    while (at < end) {
        char c = *at++;

        if (c == '"') {
            at = skip_string(at, end);
        } else if (c == '{' || c == '[') {
            s.depth++;
        } else if ((c == '}' || c == ']') && --s.depth == 0) {
            return at;
        }
    }
    return end;
}

/* The place after the value that starts at `at`. */
static const char *skip_value(const char *at, const char *end)
{
    if (at >= end)
        return end;
    if (*at == '"')
        return skip_string(at + 1, end);
    if (*at != '{' && *at != '[') {
        while (at < end && *at != ',' && *at != '}' && *at != ']' && !is_space(*at))
            at++;
        return at;
    }
    return skip_brackets(at, end);
}

struct scan_cursor scan_open(struct slice json)
{
    const char *end = json.data ? json.data + json.len : NULL;
    const char *at = skip_space(json.data, end);

    if (at >= end || (*at != '{' && *at != '['))
        return (struct scan_cursor){NULL, NULL, 0};
    return (struct scan_cursor){at + 1, end, *at == '{' ? '}' : ']'};
}

/* Steps to the next item; false (and the cursor is used up) when there is none. */
static bool next_item(struct scan_cursor *c, char close)
{
    if (c->close != close)
        return false;
    c->at = skip_space(c->at, c->end);
    if (c->at < c->end && *c->at == ',')
        c->at = skip_space(c->at + 1, c->end);
    if (c->at >= c->end || *c->at == close) {
        c->close = 0;
        return false;
    }
    return true;
}

bool scan_key(struct scan_cursor *c, struct slice *ret_key)
{
    const char *key, *key_end, *value;

    if (!next_item(c, '}'))
        return false;
    if (*c->at != '"') {
        c->close = 0;
        return false;
    }
    key = c->at + 1;
    key_end = skip_string(key, c->end);
    value = skip_space(key_end, c->end);
    if (value >= c->end || *value != ':') {
        c->close = 0;
        return false;
    }
    c->at = skip_space(value + 1, c->end);
    *ret_key = slice_make(key, (size_t)(key_end - 1 - key));
    return true;
}

struct slice scan_value(struct scan_cursor *c)
{
    const char *value = c->at;

    c->at = skip_value(value, c->end);
    return slice_make(value, (size_t)(c->at - value));
}

bool scan_member(struct scan_cursor *c, struct slice *ret_key, struct slice *ret_value)
{
    if (!scan_key(c, ret_key))
        return false;
    *ret_value = scan_value(c);
    return true;
}

bool scan_element(struct scan_cursor *c, struct slice *ret_value)
{
    const char *value;

    if (!next_item(c, ']'))
        return false;
    value = c->at;
    c->at = skip_value(value, c->end);
    if (c->at == value) { /* a stray bracket: not JSON */
        c->close = 0;
        return false;
    }
    *ret_value = slice_make(value, (size_t)(c->at - value));
    return true;
}

static bool is_whole_string(struct slice v)
{
    return v.len >= 2 && v.data[0] == '"' && v.data[v.len - 1] == '"';
}

struct slice scan_text(struct slice v, struct buf *scratch)
{
    if (!is_whole_string(v))
        return SLICE_LIT("");
    if (!memchr(v.data, '\\', v.len))
        return slice_make(v.data + 1, v.len - 2);
    buf_reset(scratch);
    if (!json_read_string(scratch, v))
        return SLICE_LIT("");
    return buf_slice(scratch);
}

char *scan_text_dup(struct slice v)
{
    BUF_LOCAL(scratch);

    return is_whole_string(v) ? slice_dup(scan_text(v, &scratch)) : NULL;
}

bool scan_text_is(struct slice v, const char *text)
{
    BUF_LOCAL(scratch);

    return is_whole_string(v) && slice_is(scan_text(v, &scratch), text);
}

int64_t scan_int(struct slice v, int64_t fallback)
{
    int64_t i;

    return slice_to_int64(v, &i) ? i : fallback;
}

bool scan_bool(struct slice v, bool fallback)
{
    if (slice_is(v, "true"))
        return true;
    return slice_is(v, "false") ? false : fallback;
}

size_t scan_count(struct slice v)
{
    struct scan_cursor c = scan_open(v);
    struct slice key, value;
    size_t count = 0;

    while (c.close == '}' ? scan_member(&c, &key, &value) : scan_element(&c, &value))
        count++;
    return count;
}

struct slice scan_get(struct slice document, const char *path)
{
    struct slice rest = slice_str(path);
    struct scan_cursor c = scan_open(document);
    struct slice name, key;

    (void)slice_split(&rest, '.', &name);
    while (scan_key(&c, &key)) {
        if (!slice_equal(key, name)) {
            (void)scan_value(&c);
            continue;
        }
        if (!rest.data)
            return scan_value(&c);
        /* What is inside ends by itself. */
        c = scan_open(slice_make(c.at, (size_t)(c.end - c.at)));
        (void)slice_split(&rest, '.', &name);
    }
    return SLICE_NONE;
}
