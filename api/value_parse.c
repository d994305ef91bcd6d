/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads JSON text into a tree: integers beyond int64 become reals, duplicate members are reported with their path,
 * errors read as clients know them from Go's encoding/json, and nesting is bounded before anything is built. Never
 * reads outside of the given bytes.
 */
#include "api/value_internal.h"

#include "lib/encoding.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>

#define NUMBER_TEXT_MAX 512 /* longer numbers than any sane writer makes */

struct reader {
    const char *at;
    const char *end;
    size_t depth;
    bool refuse_duplicates;
    value_duplicate_fn *duplicate;
    void *duplicate_arg;
    struct buf path; /* of the value being read, only kept when somebody wants duplicates */
    struct buf text; /* the string being read, when it is not in the source as it is */
    struct error *err;
};

static struct value *read_value(struct reader *r);

static struct value *fail_at(struct reader *r, const char *where)
{
    if (r->at >= r->end) {
        error_set(r->err, ERROR_BAD_REQUEST, "unexpected end of JSON input");
    } else {
        unsigned char c = (unsigned char)*r->at;

        if (c == '\'' || c == '\\')
            error_set(r->err, ERROR_BAD_REQUEST, "invalid character '\\%c' %s", c, where);
        else if (isprint(c))
            error_set(r->err, ERROR_BAD_REQUEST, "invalid character '%c' %s", c, where);
        else
            error_set(r->err, ERROR_BAD_REQUEST, "invalid character '\\x%02x' %s", c, where);
    }
    return NULL;
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four hex digits at r->at; -1 when they are not there. */
static int read_hex4(struct reader *r)
{
    int code = 0;

    for (int i = 0; i < 4; i++, r->at++) {
        int digit = r->at < r->end ? hex_digit(*r->at) : -1;

        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

/* After "\u". A lone surrogate becomes U+FFFD, as in Go. */
static bool read_unicode_escape(struct reader *r)
{
    int code = read_hex4(r);

    if (code < 0)
        return fail_at(r, "in \\u hexadecimal character escape");
    if (code >= 0xd800 && code < 0xdc00 && r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u') {
        const char *before = r->at;
        int low;

        r->at += 2;
        low = read_hex4(r);
        if (low >= 0xdc00 && low < 0xe000) {
            utf8_append(&r->text, 0x10000u + (((unsigned)code - 0xd800) << 10) + ((unsigned)low - 0xdc00));
            return true;
        }
        r->at = before;
    }
    utf8_append(&r->text, code >= 0xd800 && code < 0xe000 ? 0xfffd : (unsigned)code);
    return true;
}

static bool read_escape(struct reader *r)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char *found;

    if (r->at >= r->end)
        return fail_at(r, "");
    if (*r->at == 'u') {
        r->at++;
        return read_unicode_escape(r);
    }
    found = *r->at ? strchr(from, *r->at) : NULL;
    if (!found)
        return fail_at(r, "in string escape code");
    buf_append_byte(&r->text, to[found - from]);
    r->at++;
    return true;
}

/* Steps over one character of more than one byte: no overlong forms, no surrogates, not beyond U+10FFFF. */
static bool check_utf8(struct reader *r)
{
    const unsigned char *p = (const unsigned char *)r->at;
    size_t left = (size_t)(r->end - r->at);
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    bool good = p[0] >= 0xc2 && p[0] <= 0xf4 && left >= len;

    for (size_t i = 1; good && i < len; i++)
        good = (p[i] & 0xc0) == 0x80;
    if (good && len > 2)
        good = !((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
                 (p[0] == 0xf4 && p[1] > 0x8f));
    if (!good) {
        error_set(r->err, ERROR_BAD_REQUEST, "invalid UTF-8 in string");
        return false;
    }
    r->at += len;
    return true;
}

/* The string at r->at (its opening quote): a part of the source, or what r->text has until the next one is read. */
static bool read_string(struct reader *r, struct slice *ret_string)
{
    const char *start = ++r->at;
    const char *run = start; /* up to here it is in r->text */

    buf_reset(&r->text);
    for (;;) {
        r->at += json_plain_length(slice_make(r->at, (size_t)(r->end - r->at)), true);
        if (r->at >= r->end || (unsigned char)*r->at < 0x20)
            return fail_at(r, "in string literal");
        if (*r->at == '"')
            break;
        if (*r->at == '\\') {
            buf_append(&r->text, run, (size_t)(r->at - run));
            r->at++;
            if (!read_escape(r))
                return false;
            run = r->at;
        } else if (!check_utf8(r)) {
            return false;
        }
    }
    *ret_string = slice_make(start, (size_t)(r->at - start));
    if (run != start) {
        buf_append(&r->text, run, (size_t)(r->at - run));
        *ret_string = buf_slice(&r->text);
    }
    r->at++;
    return true;
}

static bool skip_digits(struct reader *r, const char *where)
{
    if (r->at >= r->end || *r->at < '0' || *r->at > '9')
        return fail_at(r, where);
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return true;
}

static struct value *read_number(struct reader *r)
{
    const char *start = r->at;
    bool whole = true;
    char text[NUMBER_TEXT_MAX];
    int64_t i;
    double d;

    if (*r->at == '-')
        r->at++;
    if (r->at < r->end && *r->at == '0')
        r->at++;
    else if (!skip_digits(r, "in numeric literal"))
        return NULL;
    if (r->at < r->end && *r->at == '.') {
        whole = false;
        r->at++;
        if (!skip_digits(r, "after decimal point in numeric literal"))
            return NULL;
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        whole = false;
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
            r->at++;
        if (!skip_digits(r, "in exponent of numeric literal"))
            return NULL;
    }
    if (whole && slice_to_int64(slice_make(start, (size_t)(r->at - start)), &i))
        return value_new_int(i);
    if ((size_t)(r->at - start) < sizeof text) {
        memcpy(text, start, (size_t)(r->at - start));
        text[r->at - start] = '\0';
        d = strtod(text, NULL);
        if (isfinite(d))
            return value_new_real(d);
    }
    error_set(r->err, ERROR_BAD_REQUEST, "json: cannot unmarshal number %.*s into a 64-bit number",
              (int)(r->at - start > 40 ? 40 : r->at - start), start);
    return NULL;
}

static struct value *read_literal(struct reader *r)
{
    static const char *const words[] = {"true", "false", "null"};
    char where[64];

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        const char *word = words[i];

        if (*r->at != word[0])
            continue;
        for (r->at++; word[1]; word++, r->at++) {
            if (r->at >= r->end || *r->at != word[1]) {
                snprintf(where, sizeof where, "in literal %s (expecting '%c')", words[i], word[1]);
                return fail_at(r, where);
            }
        }
        return i == 2 ? value_new_null() : value_new_bool(i == 0);
    }
    return fail_at(r, "looking for beginning of value");
}

static void path_add_index(struct buf *path, size_t i)
{
    buf_append_byte(path, '[');
    buf_append_uint64(path, i);
    buf_append_byte(path, ']');
}

static struct value *read_array(struct reader *r)
{
    struct value *array CLEANUP_VALUE = value_new_array();
    size_t path_len = r->path.len;

    r->at++;
    skip_space(r);
    if (r->at < r->end && *r->at == ']') {
        r->at++;
        return STEAL(array);
    }
    for (size_t i = 0;; i++) {
        struct value *element;

        if (r->duplicate)
            path_add_index(&r->path, i);
        element = read_value(r);
        r->path.len = path_len;
        if (!element)
            return NULL;
        value_append(array, element);
        skip_space(r);
        if (r->at >= r->end || (*r->at != ',' && *r->at != ']'))
            return fail_at(r, "after array element");
        if (*r->at++ == ']')
            return STEAL(array);
    }
}

/* The key stands in the object already. False when that ends the reading. */
static bool report_duplicate(struct reader *r, struct slice key)
{
    if (r->refuse_duplicates) {
        error_set(r->err, ERROR_BAD_REQUEST, "duplicate key \"%.*s\" in an object", SLICE_ARGS(key));
        return false;
    }
    if (r->duplicate)
        r->duplicate(r->duplicate_arg, buf_cstr(&r->path));
    return true;
}

/* The key of a member. One that is not in the source as it is goes to *copy. */
static bool read_key(struct reader *r, struct slice *ret_key, char **copy)
{
    skip_space(r);
    if (r->at >= r->end || *r->at != '"')
        return fail_at(r, "looking for beginning of object key string");
    if (!read_string(r, ret_key))
        return false;
    if (ret_key->len && memchr(ret_key->data, '\0', ret_key->len)) {
        error_set(r->err, ERROR_BAD_REQUEST, "invalid NUL character in object key");
        return false;
    }
    if (ret_key->data == r->text.data)
        ret_key->data = *copy = mem_strndup(ret_key->data ? ret_key->data : "", ret_key->len);
    return true;
}

/* One `"key": value` of the object; *names are the bits of what it has already, so that most keys need not be looked
 * up. */
static bool read_member(struct reader *r, struct value *object, uint64_t *names)
{
    struct value *child;
    char *copy CLEANUP_FREE = NULL;
    struct slice key = SLICE_NONE;
    size_t path_len = r->path.len;

    if (!read_key(r, &key, &copy))
        return false;
    if (r->duplicate) {
        if (path_len)
            buf_append_byte(&r->path, '.');
        buf_append_slice(&r->path, key);
    }
    if ((*names & value_slice_bit(key)) && value_get_slice(object, key) && !report_duplicate(r, key))
        return false;
    *names |= value_slice_bit(key);
    skip_space(r);
    if (r->at >= r->end || *r->at != ':')
        return fail_at(r, "after object key");
    r->at++;
    child = read_value(r);
    r->path.len = path_len;
    if (!child)
        return false;
    value_set_slice(object, key, child);
    return true;
}

static struct value *read_object(struct reader *r)
{
    struct value *object CLEANUP_VALUE = value_new_object();
    uint64_t names = 0;

    r->at++;
    skip_space(r);
    if (r->at < r->end && *r->at == '}') {
        r->at++;
        return STEAL(object);
    }
    for (;;) {
        if (!read_member(r, object, &names))
            return NULL;
        skip_space(r);
        if (r->at >= r->end || (*r->at != ',' && *r->at != '}'))
            return fail_at(r, "after object key:value pair");
        if (*r->at++ == '}')
            return STEAL(object);
    }
}

static struct value *read_value(struct reader *r)
{
    struct value *v;
    struct slice text = SLICE_NONE;

    skip_space(r);
    if (r->at >= r->end)
        return fail_at(r, "");
    if (*r->at == '{' || *r->at == '[') {
        if (++r->depth > VALUE_DEPTH_MAX) {
            error_set(r->err, ERROR_BAD_REQUEST, "json: exceeded max depth of %d", VALUE_DEPTH_MAX);
            return NULL;
        }
        v = *r->at == '{' ? read_object(r) : read_array(r);
        r->depth--;
        return v;
    }
    if (*r->at == '"')
        return read_string(r, &text) ? value_new_string(text) : NULL;
    if (*r->at == '-' || (*r->at >= '0' && *r->at <= '9'))
        return read_number(r);
    return read_literal(r);
}

static struct value *parse(struct reader *r, struct slice json)
{
    struct value *v CLEANUP_VALUE = NULL;

    r->at = json.data;
    r->end = json.data ? json.data + json.len : NULL;
    v = read_value(r);
    if (v) {
        skip_space(r);
        if (r->at < r->end) {
            fail_at(r, "after top-level value");
            value_free(STEAL(v));
        }
    }
    buf_free(&r->path);
    buf_free(&r->text);
    return STEAL(v);
}

struct value *value_parse(struct slice json, struct error *err)
{
    struct reader r = {.refuse_duplicates = true, .err = err};

    return parse(&r, json);
}

struct value *value_parse_lenient(struct slice json, struct error *err)
{
    struct reader r = {.err = err};

    return parse(&r, json);
}

struct value *value_parse_reporting(struct slice json, value_duplicate_fn *duplicate, void *arg, struct error *err)
{
    struct reader r = {.duplicate = duplicate, .duplicate_arg = arg, .err = err};

    return parse(&r, json);
}
