/* SPDX-License-Identifier: Apache-2.0 */
/* Field sets as FieldsV1, and their paths as people read them. What is read is written again as the same text. */
#include "api/fieldset_internal.h"

#include <stdlib.h>

#include "lib/encoding.h"

#define TEXT_SELF     "."
#define TEXT_KEYS_MAX 8 /* of one item; no list has as many */

static int text_bad(struct slice name, struct error *err)
{
    return error_set(err, ERROR_BAD_REQUEST, "\"%.*s\" is no step of a field set", SLICE_ARGS(name));
}

/* {"b":1,"a":2} with its keys in order, as every other set names the item. */
static int text_parse_keys(struct pool *pool, struct slice name, struct slice text, struct slice *ret_text,
                           struct error *err)
{
    struct value *keys CLEANUP_VALUE = value_parse(text, NULL);
    struct value_iter it = value_iter_start(keys);
    struct fieldset names = {0};
    struct slice key;
    struct value *v;
    BUF_LOCAL(out);

    if (!value_is(keys, VALUE_OBJECT) || !value_count(keys) || value_count(keys) > TEXT_KEYS_MAX)
        return text_bad(name, err);
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
    struct value *v CLEANUP_VALUE = value_parse(text, NULL);
    BUF_LOCAL(out);

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

static int text_parse(struct pool *pool, const struct value *v, struct fieldset *set, bool *ret_self,
                      struct error *err);

static int text_parse_child(struct pool *pool, struct fieldset_named child, struct fieldset_entry *entry,
                            struct error *err)
{
    struct fieldset *below = value_count(child.value) ? pool_alloc(pool, sizeof(*below)) : NULL;
    int r = text_parse_step(pool, child.step.text, &entry->step, err);

    entry->below = below;
    return r < 0 ? r : text_parse(pool, child.value, below, &entry->member, err);
}

static int text_order(const void *a, const void *b)
{
    return fieldset_step_compare(((const struct fieldset_entry *)a)->step, ((const struct fieldset_entry *)b)->step);
}

/* In their order, so that a set costs as much as it has members, however they came; no place is named twice. */
static int text_add(struct pool *pool, struct fieldset_entry *entries, size_t count, struct fieldset *set,
                    struct error *err)
{
    if (count > 1)
        qsort(entries, count, sizeof(*entries), text_order);
    for (size_t i = 0; i < count; i++) {
        if (i && fieldset_step_equal(entries[i - 1].step, entries[i].step))
            return error_set(err, ERROR_BAD_REQUEST, "a field set names \"%c:%.*s\" twice", (char)entries[i].step.kind,
                             SLICE_ARGS(entries[i].step.text));
        fieldset_add(pool, set, entries[i].step, entries[i].member, entries[i].below);
    }
    return 0;
}

/* *ret_self: the place itself is in the set; an empty object says that as well. */
static int text_parse(struct pool *pool, const struct value *v, struct fieldset *set, bool *ret_self, struct error *err)
{
    struct fieldset_named *children;
    struct fieldset_entry *entries;
    size_t count;
    size_t kept = 0;
    int r = 0;

    if (!value_is(v, VALUE_OBJECT))
        return error_set(err, ERROR_BAD_REQUEST, "a field set must be an object of objects");
    *ret_self = !value_count(v);
    children = fieldset_members(pool, v, &count);
    entries = pool_alloc(pool, (count + 1) * sizeof(*entries));
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (slice_is(children[i].step.text, TEXT_SELF))
            *ret_self = true;
        else
            r = text_parse_child(pool, children[i], &entries[kept++], err);
    }
    return r < 0 ? r : text_add(pool, entries, kept, set, err);
}

int fieldset_parse(struct pool *pool, const struct value *fields_v1, const struct fieldset **ret_set, struct error *err)
{
    struct fieldset *set = pool_alloc(pool, sizeof(*set));
    bool self;
    int r = text_parse(pool, fields_v1, set, &self, err);

    if (r == 0)
        *ret_set = set;
    return r;
}

static struct value *text_write(const struct fieldset *set, bool self)
{
    struct value *v = value_new_object();

    if (self && !fieldset_is_empty(set))
        value_set(v, TEXT_SELF, value_new_object());
    for (size_t i = 0; set && i < set->count; i++) {
        const struct fieldset_entry *e = &set->entries[i];
        BUF_LOCAL(name);

        buf_append_byte(&name, (char)e->step.kind);
        buf_append_byte(&name, ':');
        buf_append_slice(&name, e->step.text);
        value_set_slice(v, buf_slice(&name), text_write(e->below, e->member));
    }
    return v;
}

struct value *fieldset_write(const struct fieldset *set)
{
    return text_write(set, false);
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
