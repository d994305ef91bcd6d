/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Emit: writes JSON text member by member. There is no state beside the buffer: a comma is due when the last byte is
 * not an opening bracket, a colon or a comma, which no finished value ends with. Private to api/.
 */
#ifndef KNARR_API_EMIT_H
#define KNARR_API_EMIT_H

#include "lib/bytes.h"
#include "lib/encoding.h"

/* Puts the comma between two elements or members where one is due. */
static inline void emit_separator(struct buf *out)
{
    char last = out->len ? out->data[out->len - 1] : '[';
    if (last != '{' && last != '[' && last != ':' && last != ',')
        buf_append_byte(out, ',');
}

/* `"key":`; the value comes next. */
static inline void emit_key(struct buf *out, const char *key)
{
    emit_separator(out);
    json_write_string(out, slice_str(key));
    buf_append_byte(out, ':');
}

/* `{` or `[` as an element, or as the value of a key. */
static inline void emit_open(struct buf *out, char bracket)
{
    emit_separator(out);
    buf_append_byte(out, bracket);
}

static inline void emit_close(struct buf *out, char bracket)
{
    buf_append_byte(out, bracket);
}

static inline void emit_open_key(struct buf *out, const char *key, char bracket)
{
    emit_key(out, key);
    buf_append_byte(out, bracket);
}

/* A string as an element. */
static inline void emit_text(struct buf *out, const char *text)
{
    emit_separator(out);
    json_write_string(out, slice_str(text));
}

static inline void emit_member(struct buf *out, const char *key, const char *text)
{
    emit_key(out, key);
    json_write_string(out, slice_str(text));
}

/* The same, left out when the text is NULL or empty. */
static inline void emit_member_some(struct buf *out, const char *key, const char *text)
{
    if (text && *text)
        emit_member(out, key, text);
}

/* A value that is JSON already. */
static inline void emit_raw(struct buf *out, const char *key, const char *json)
{
    emit_key(out, key);
    buf_append_str(out, json);
}

static inline void emit_texts(struct buf *out, const char *key, const char *const *texts)
{
    emit_open_key(out, key, '[');
    for (; texts && *texts; texts++)
        emit_text(out, *texts);
    emit_close(out, ']');
}

#endif
