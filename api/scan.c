/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scanner of scan.h. Two loops carry it (scan_skip.h): one finds the end of a string, the other that of anything in
 * brackets. Neither recurses, and neither steps past the end of the bytes, whatever they are; on bytes that are not
 * JSON the answers are merely useless.
 */
#include "api/scan.h"

#include "api/scan_skip.h"
#include "lib/encoding.h"

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

/* The place after the value that starts at `at`. */
static const char *skip_value(const char *at, const char *end)
{
    if (at >= end)
        return end;
    if (*at == '"')
        return scan_skip_string(at + 1, end);
    if (*at != '{' && *at != '[') {
        while (at < end && *at != ',' && *at != '}' && *at != ']' && !is_space(*at))
            at++;
        return at;
    }
    return scan_skip_brackets(at, end);
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
    key_end = scan_skip_string(key, c->end);
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
