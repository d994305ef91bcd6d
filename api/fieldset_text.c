/* SPDX-License-Identifier: Apache-2.0 */
/* Field sets as FieldsV1 text, and their paths as people read them. No tree stands between: the text of an object of
 * usual size is a third of all of it. What is read is written again as the same text. */
#include "api/fieldset_internal.h"

#include "api/scan.h"
#include "lib/encoding.h"

#define TEXT_SELF     "."
#define TEXT_KEYS_MAX 8  /* of one item; no list has as many */
#define TEXT_DIGITS   15 /* so many are a number that is written as it is read */

static int text_bad(struct slice name, struct error *err)
{
    return error_set(err, ERROR_BAD_REQUEST, "\"%.*s\" is no step of a field set", SLICE_ARGS(name));
}

/* Whether a string or a number starts there that a writer of ours leaves as it is; it is taken from the front. */
static bool text_take_plain(struct slice *rest)
{
    bool string = rest->len && *rest->data == '"';
    size_t len = 0;

    if (string) {
        len = 1 + json_plain_length(slice_from(*rest, 1), true);
        if (len >= rest->len || rest->data[len++] != '"')
            return false;
    } else {
        while (len < rest->len && rest->data[len] >= '0' && rest->data[len] <= '9')
            len++;
        if (!len || len > TEXT_DIGITS || (len > 1 && *rest->data == '0'))
            return false;
    }
    *rest = slice_from(*rest, len);
    return true;
}

/* Whether the keys of an item stand in order, and nothing in them is written in another way than ours. */
static bool text_keys_are_plain(struct slice rest)
{
    struct slice last = SLICE_NONE;

    for (size_t i = 0; i < TEXT_KEYS_MAX; i++) {
        struct slice key;

        if (rest.len < 2 || *rest.data != (i ? ',' : '{') || rest.data[1] != '"')
            return false;
        key = rest = slice_from(rest, 1);
        if (!text_take_plain(&rest))
            return false;
        key = slice_make(key.data + 1, key.len - rest.len - 2); /* without its quotes, as they are compared */
        if ((i && slice_compare(last, key) >= 0) || !rest.len || *rest.data != ':')
            return false;
        rest = slice_from(rest, 1);
        if (!text_take_plain(&rest))
            return false;
        if (slice_is(rest, "}"))
            return true;
        last = key;
    }
    return false;
}

/* {"b":1,"a":2} with its keys in order, as every other set names the item. */
static int text_parse_keys(struct pool *pool, struct slice name, struct slice text, struct slice *ret_text,
                           struct error *err)
{
    struct value *keys CLEANUP_VALUE = NULL;
    struct value_iter it;
    struct fieldset names = {0};
    struct slice key;
    struct value *v;
    BUF_LOCAL(out);

    if (text_keys_are_plain(text))
        return 0;
    keys = value_parse(text, NULL);
    if (!value_is(keys, VALUE_OBJECT) || !value_count(keys) || value_count(keys) > TEXT_KEYS_MAX)
        return text_bad(name, err);
    it = value_iter_start(keys);
    while (value_iter_next(&it, &key, &v)) {
        if (value_is(v, VALUE_ARRAY) || value_is(v, VALUE_OBJECT))
            return text_bad(name, err);
        fieldset_add(pool, &names, fieldset_field_step(key), true, NULL);
    }
    for (size_t i = 0; i < names.count; i++) {
        buf_append_byte(&out, i ? ',' : '{');
        json_write_string(&out, names.entries[i].step.text);
        buf_append_byte(&out, ':');
        value_write(value_get_slice(keys, names.entries[i].step.text), &out);
    }
    buf_append_byte(&out, '}');
    *ret_text = slice_make(pool_slice_dup(pool, buf_slice(&out)), out.len);
    return 0;
}

static int text_parse_value(struct pool *pool, struct slice name, struct slice text, struct slice *ret_text,
                            struct error *err)
{
    struct slice rest = text;
    struct value *v CLEANUP_VALUE = NULL;
    BUF_LOCAL(out);

    if (text_take_plain(&rest) && !rest.len)
        return 0;
    v = value_parse(text, NULL);
    if (!v || value_is(v, VALUE_ARRAY) || value_is(v, VALUE_OBJECT))
        return text_bad(name, err);
    value_write(v, &out);
    *ret_text = slice_make(pool_slice_dup(pool, buf_slice(&out)), out.len);
    return 0;
}

static int text_parse_step(struct pool *pool, struct slice name, struct fieldset_step *ret_step, struct error *err)
{
    struct slice text;
    int64_t index;

    if (name.len < 2 || name.data[1] != ':')
        return text_bad(name, err);
    text = slice_from(name, 2);
    *ret_step = (struct fieldset_step){(enum fieldset_kind)name.data[0], text};
    switch (name.data[0]) {
    case FIELDSET_FIELD:
        return 0;
    case FIELDSET_INDEX:
        return slice_to_int64(text, &index) && index >= 0 ? 0 : text_bad(name, err);
    case FIELDSET_KEYS:
        return text_parse_keys(pool, name, text, &ret_step->text, err);
    case FIELDSET_VALUE:
        return text_parse_value(pool, name, text, &ret_step->text, err);
    default:
        return text_bad(name, err);
    }
}

/* Entries as they came, into their order, so that a set costs as much as it has members. No place is named twice. */
static int text_sort(struct fieldset *set, struct error *err)
{
    fieldset_sort(set);
    for (size_t i = 1; i < set->count; i++)
        if (fieldset_step_equal(set->entries[i - 1].step, set->entries[i].step))
            return error_set(err, ERROR_BAD_REQUEST, "a field set names \"%c:%.*s\" twice",
                             (char)set->entries[i].step.kind, SLICE_ARGS(set->entries[i].step.text));
    return 0;
}

static int text_unescape(struct pool *pool, struct slice *name, struct error *err)
{
    BUF_LOCAL(out);

    if (!name->len || !memchr(name->data, '\\', name->len))
        return 0;
    if (!json_read_string(&out, slice_make(name->data - 1, name->len + 2))) /* with its quotes */
        return text_bad(*name, err);
    *name = slice_make(pool_slice_dup(pool, buf_slice(&out)), out.len);
    return 0;
}

static int text_parse(struct pool *pool, struct scan_cursor *c, size_t depth, struct fieldset *set, bool *ret_self,
                      struct error *err);

/* What stands below the key that was just read; the cursor is behind it afterwards. */
static int text_parse_child(struct pool *pool, struct scan_cursor *c, size_t depth, struct slice name,
                            struct fieldset *set, struct error *err)
{
    struct scan_cursor inner = scan_open(slice_make(c->at, (size_t)(c->end - c->at)));
    struct fieldset_entry entry = {.member = false};
    struct fieldset below = {0};
    int r = text_unescape(pool, &name, err);

    if (r < 0 || (r = text_parse_step(pool, name, &entry.step, err)) < 0 ||
        (r = text_parse(pool, &inner, depth + 1, &below, &entry.member, err)) < 0)
        return r;
    c->at = inner.at;
    if (below.count)
        entry.below = fieldset_keep(pool, &below);
    fieldset_append(pool, set, &entry);
    return 0;
}

/* *ret_self: the place itself is in the set; an empty object says that as well. */
static int text_parse(struct pool *pool, struct scan_cursor *c, size_t depth, struct fieldset *set, bool *ret_self,
                      struct error *err)
{
    bool sorted = true;
    bool self = false;
    struct slice key;
    int r;

    if (c->close != '}')
        return error_set(err, ERROR_BAD_REQUEST, "a field set must be an object of objects");
    if (depth > VALUE_DEPTH_MAX)
        return error_set(err, ERROR_BAD_REQUEST, "a field set has at most %d levels", VALUE_DEPTH_MAX);
    while (scan_key(c, &key)) {
        if (slice_is(key, TEXT_SELF)) {
            (void)scan_value(c);
            self = true;
            continue;
        }
        if ((r = text_parse_child(pool, c, depth, key, set, err)) < 0)
            return r;
        sorted = sorted && (set->count < 2 || fieldset_step_compare(set->entries[set->count - 2].step,
                                                                    set->entries[set->count - 1].step) < 0);
    }
    if (c->at >= c->end || *c->at != '}')
        return error_set(err, ERROR_BAD_REQUEST, "a field set is not whole");
    c->at++;
    *ret_self = self || !set->count;
    return sorted ? 0 : text_sort(set, err);
}

int fieldset_parse(struct pool *pool, struct slice fields_v1, const struct fieldset **ret_set, struct error *err)
{
    struct scan_cursor c = scan_open(fields_v1);
    struct fieldset *set = pool_alloc(pool, sizeof(*set));
    bool self;
    int r = text_parse(pool, &c, 1, set, &self, err);

    if (r == 0)
        *ret_set = set;
    return r;
}

/* Up to its colon; names of fields, most of them, are plain. */
static void text_write_name(const char head[4], struct slice text, struct buf *out)
{
    char *to = buf_reserve(out, text.len + 6);

    memcpy(to, head, 4);
    if (text.len && json_plain_length(text, false) == text.len) {
        memcpy(to + 4, text.data, text.len);
        to[text.len + 4] = '"';
        to[text.len + 5] = ':';
        out->len += text.len + 6;
        return;
    }
    out->len += 4;
    json_write_inside(out, text);
    buf_append(out, "\":", 2);
}

static void text_write(const struct fieldset *set, bool self, struct buf *out)
{
    char head[4] = {'{', '"', 0, ':'}; /* before a step: {"f: */

    if (fieldset_is_empty(set)) {
        buf_append(out, "{}", 2);
        return;
    }
    if (self) {
        buf_append_str(out, "{\"" TEXT_SELF "\":{}");
        *head = ',';
    }
    for (size_t i = 0; i < set->count; i++) {
        const struct fieldset_entry *e = &set->entries[i];

        head[2] = (char)e->step.kind;
        text_write_name(head, e->step.text, out);
        text_write(e->below, e->member, out);
        *head = ',';
    }
    buf_append_byte(out, '}');
}

void fieldset_write(const struct fieldset *set, struct buf *out)
{
    text_write(set, false, out);
}

void fieldset_write_step(struct buf *out, struct fieldset_step step)
{
    struct value *keys CLEANUP_VALUE = NULL;
    struct value_iter it;
    struct slice name;
    struct value *v;
    char before = '[';

    if (step.kind == FIELDSET_FIELD) {
        buf_printf(out, ".%.*s", SLICE_ARGS(step.text));
        return;
    }
    if (step.kind != FIELDSET_KEYS) {
        buf_printf(out, "[%s%.*s]", step.kind == FIELDSET_VALUE ? "=" : "", SLICE_ARGS(step.text));
        return;
    }
    keys = value_parse(step.text, NULL);
    it = value_iter_start(keys);
    while (value_iter_next(&it, &name, &v)) {
        buf_printf(out, "%c%.*s=", before, SLICE_ARGS(name));
        value_write(v, out);
        before = ',';
    }
    buf_append_byte(out, ']');
}

static void text_each(const struct fieldset *set, struct buf *path, void (*fn)(void *arg, const char *path), void *arg)
{
    for (int members = 1; members >= 0; members--)
        for (size_t i = 0; set && i < set->count; i++) {
            const struct fieldset_entry *e = &set->entries[i];
            size_t len = path->len;

            if (members ? !e->member : !e->below)
                continue;
            fieldset_write_step(path, e->step);
            if (members)
                fn(arg, buf_cstr(path));
            else
                text_each(e->below, path, fn, arg);
            path->len = len;
        }
}

void fieldset_each(const struct fieldset *set, void (*fn)(void *arg, const char *path), void *arg)
{
    BUF_LOCAL(path);

    text_each(set, &path, fn, arg);
}
