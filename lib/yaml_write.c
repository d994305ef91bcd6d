/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text as YAML in block style, the way kubectl prints objects: sequences are not indented under their key, texts
 * of several lines are literal blocks, a text is quoted when a YAML 1.1 reader would take it for something else. Keys
 * keep the order of the input.
 */
#include <ctype.h>

#include "lib/encoding.h"
#include "lib/yaml.h"
#include "lib/yaml_internal.h"

struct writer {
    const char *at;
    const char *end;
    struct buf *out;
    struct error *err;
};

static int writer_fail(struct writer *w)
{
    return error_set(w->err, ERROR_BAD_REQUEST, "not JSON, %zu bytes before the end", (size_t)(w->end - w->at));
}

static char peek(struct writer *w)
{
    while (w->at < w->end && strchr(" \t\r\n", *w->at) && *w->at)
        w->at++;
    return w->at < w->end ? *w->at : '\0';
}

static bool take(struct writer *w, char c)
{
    if (peek(w) != c)
        return false;
    w->at++;
    return true;
}

static void indent_to(struct writer *w, unsigned indent)
{
    for (unsigned i = 0; i < indent; i++)
        buf_append_byte(w->out, ' ');
}

/* A date or a number to base 60: text for us, not for every YAML 1.1 reader. */
static bool looks_numeric(struct slice s)
{
    size_t digits = 0;

    while (digits < s.len && (isdigit((unsigned char)s.data[digits]) || (!digits && strchr("+-", s.data[0]))))
        digits++;
    return digits && digits < s.len && (s.data[digits] == ':' || (digits == 4 && s.data[digits] == '-'));
}

/* How many bytes of a character stand there that a YAML 1.1 reader refuses, or takes for the end of a line: DEL, the
 * controls from U+0080 on (U+0085 is a line break), U+2028, U+2029, the byte order mark and what is no character.
 * 0 = something else. */
static size_t special_length(struct slice s)
{
    static const char *const three[] = {"\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf", "\xef\xbf\xbe", "\xef\xbf\xbf"};

    if (s.data[0] == 0x7f)
        return 1;
    if (s.len > 1 && s.data[0] == '\xc2' && (unsigned char)s.data[1] < 0xa0)
        return 2;
    for (size_t i = 0; i < ARRAY_SIZE(three); i++)
        if (slice_starts(s, slice_str(three[i])))
            return 3;
    return 0;
}

static size_t special_at(struct slice s, size_t at)
{
    return special_length(slice_from(s, at));
}

static bool is_plain(struct slice s)
{
    BUF_LOCAL(scratch);

    if (!s.len || yaml_write_plain(&scratch, s) || looks_numeric(s) || slice_is(s, "=") || slice_is(s, "<<"))
        return false;
    if (strchr(",[]{}#&*!|>'\"%@` ", s.data[0]) || (strchr("-?:", s.data[0]) && (s.len == 1 || s.data[1] == ' ')))
        return false;
    if (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == ':' || slice_starts(s, SLICE_LIT("---")) ||
        slice_starts(s, SLICE_LIT("...")) || slice_starts(s, SLICE_LIT(".inf")) || slice_starts(s, SLICE_LIT(".nan")))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];

        if (c < 0x20 || special_at(s, i) || (i && c == '#' && s.data[i - 1] == ' ') ||
            (c == ':' && i + 1 < s.len && s.data[i + 1] == ' '))
            return false;
    }
    return true;
}

/* Several lines of printable text, without white space where a literal block would lose or misread it. */
static bool is_literal(struct slice s)
{
    if (slice_find(s, '\n') < 0 || strchr(" \t\n", s.data[0]))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        unsigned char next = i + 1 < s.len ? (unsigned char)s.data[i + 1] : '\n';

        if ((c < 0x20 && c != '\n' && c != '\t') || special_at(s, i) || ((c == ' ' || c == '\t') && next == '\n'))
            return false;
    }
    return true;
}

static void write_quoted(struct writer *w, struct slice s)
{
    BUF_LOCAL(json);
    struct slice text;

    json_write_string(&json, s);
    text = buf_slice(&json);
    for (size_t i = 0, length; i < text.len; i += length) {
        unsigned code = (unsigned char)text.data[i];

        length = special_at(text, i);
        if (length == 2)
            code = (unsigned char)text.data[i + 1];
        else if (length == 3)
            code = (code & 0xf) << 12 | ((unsigned)text.data[i + 1] & 0x3f) << 6 | ((unsigned)text.data[i + 2] & 0x3f);
        if (length)
            buf_printf(w->out, "\\u%04x", code);
        else
            buf_append(w->out, text.data + i, length = 1);
    }
}

static void write_literal(struct writer *w, struct slice s, unsigned indent)
{
    struct slice line;

    buf_append_str(w->out, "|");
    if (s.data[s.len - 1] != '\n')
        buf_append_byte(w->out, '-');
    else if (s.len > 1 && s.data[s.len - 2] == '\n')
        buf_append_byte(w->out, '+');
    if (s.data[s.len - 1] == '\n')
        s.len--;
    while (slice_split(&s, '\n', &line)) {
        buf_append_byte(w->out, '\n');
        if (line.len)
            indent_to(w, indent);
        buf_append_slice(w->out, line);
    }
}

/* The JSON string at the cursor. */
static int read_string(struct writer *w, struct buf *text)
{
    const char *start = w->at;

    for (w->at++; w->at < w->end && *w->at != '"'; w->at++)
        if (*w->at == '\\')
            w->at++;
    if (w->at >= w->end || !json_read_string(text, slice_make(start, (size_t)(w->at + 1 - start))))
        return writer_fail(w);
    w->at++;
    return 0;
}

static int write_string(struct writer *w, unsigned indent)
{
    BUF_LOCAL(text);
    int ret = read_string(w, &text);

    if (ret < 0)
        return ret;
    if (is_plain(buf_slice(&text)))
        buf_append_slice(w->out, buf_slice(&text));
    else if (text.len && is_literal(buf_slice(&text)))
        write_literal(w, buf_slice(&text), indent ? indent : 2);
    else
        write_quoted(w, buf_slice(&text));
    return 0;
}

static int write_key(struct writer *w)
{
    BUF_LOCAL(key);
    int ret = peek(w) == '"' ? read_string(w, &key) : writer_fail(w);

    if (ret < 0)
        return ret;
    if (is_plain(buf_slice(&key)))
        buf_append_slice(w->out, buf_slice(&key));
    else
        write_quoted(w, buf_slice(&key));
    buf_append_byte(w->out, ':');
    return 0;
}

/* null, booleans, numbers: as they are. */
static int write_word(struct writer *w)
{
    const char *start = w->at;
    BUF_LOCAL(scratch);

    while (w->at < w->end && (isalnum((unsigned char)*w->at) || strchr("+-.", *w->at)) && *w->at)
        w->at++;
    if (w->at == start || !yaml_write_plain(&scratch, slice_make(start, (size_t)(w->at - start))))
        return writer_fail(w);
    buf_append(w->out, start, (size_t)(w->at - start));
    return 0;
}

static int write_value(struct writer *w, unsigned indent, unsigned depth, bool in_item);

/* `in_item`: the first line is already begun (after "- "). */
static int write_items(struct writer *w, unsigned indent, unsigned depth, bool in_item)
{
    int ret = 0;

    do {
        if (!in_item) {
            buf_append_byte(w->out, '\n');
            indent_to(w, indent);
        }
        in_item = false;
        buf_append_str(w->out, "- ");
        ret = write_value(w, indent + 2, depth + 1, true);
    } while (ret >= 0 && take(w, ','));
    return ret < 0 || take(w, ']') ? ret : writer_fail(w);
}

static int write_pairs(struct writer *w, unsigned indent, unsigned depth, bool in_item)
{
    int ret = 0;

    do {
        if (!in_item) {
            buf_append_byte(w->out, '\n');
            indent_to(w, indent);
        }
        in_item = false;
        ret = write_key(w);
        if (ret >= 0)
            ret = take(w, ':') ? write_value(w, indent, depth + 1, false) : writer_fail(w);
    } while (ret >= 0 && take(w, ','));
    return ret < 0 || take(w, '}') ? ret : writer_fail(w);
}

/* The value of a key (in_item false: on the key's line, or below it) or of an item. `indent` is that of the key, or of
 * what follows the dash. */
static int write_value(struct writer *w, unsigned indent, unsigned depth, bool in_item)
{
    const char *gap = in_item ? "" : " ";

    if (depth > YAML_DEPTH_MAX)
        return error_set(w->err, ERROR_BAD_REQUEST, "nested too deeply");
    switch (peek(w)) {
    case '{':
        w->at++;
        if (!take(w, '}'))
            return write_pairs(w, in_item ? indent : indent + 2, depth, in_item);
        buf_append_str(w->out, gap);
        buf_append_str(w->out, "{}");
        return 0;
    case '[':
        w->at++;
        if (!take(w, ']'))
            return write_items(w, indent, depth, in_item);
        buf_append_str(w->out, gap);
        buf_append_str(w->out, "[]");
        return 0;
    case '"':
        buf_append_str(w->out, gap);
        return write_string(w, in_item ? indent : indent + 2);
    default:
        buf_append_str(w->out, gap);
        return write_word(w);
    }
}

int yaml_from_json(struct slice json, struct buf *out, struct error *err)
{
    struct writer w = {json.data, json.data + json.len, out, err};
    size_t before = out->len;
    int ret = json.len ? write_value(&w, 0, 0, true) : writer_fail(&w);

    if (ret >= 0 && (peek(&w) || w.at < w.end))
        ret = writer_fail(&w);
    if (ret < 0)
        out->len = before;
    else
        buf_append_byte(out, '\n');
    return ret;
}
