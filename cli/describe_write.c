/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk over the object: a scalar is a line, a map of texts or amounts is lines "key=value", a list of flat objects
 * is a table, a list of named objects is a block under each name, anything else is a block. What is to be treated
 * otherwise is a row of describe_rules. What is empty does not show.
 */
#include "cli/describe_write.h"

#include <ctype.h>
#include <stdio.h>

#include "cli/columns.h"
#include "lib/clock.h"
#include "lib/encoding.h"

#define TABLE_COLUMNS_MAX 7
#define LAST_APPLIED      "kubectl.kubernetes.io/last-applied-configuration"

enum describe_style { DESCRIBE_PLAIN, DESCRIBE_HIDDEN, DESCRIBE_SIZES, DESCRIBE_TEXTS };

static const struct {
    const char *kind; /* NULL = all */
    const char *path;
    enum describe_style style;
} describe_rules[] = {
    {NULL, "apiVersion", DESCRIBE_HIDDEN},
    {NULL, "kind", DESCRIBE_HIDDEN},
    {NULL, "metadata", DESCRIBE_HIDDEN}, /* its parts are written first */
    {NULL, "metadata.annotations", DESCRIBE_HIDDEN},
    {NULL, "metadata.creationTimestamp", DESCRIBE_HIDDEN},
    {NULL, "metadata.generateName", DESCRIBE_HIDDEN},
    {NULL, "metadata.generation", DESCRIBE_HIDDEN},
    {NULL, "metadata.labels", DESCRIBE_HIDDEN},
    {NULL, "metadata.managedFields", DESCRIBE_HIDDEN},
    {NULL, "metadata.name", DESCRIBE_HIDDEN},
    {NULL, "metadata.namespace", DESCRIBE_HIDDEN},
    {NULL, "metadata.ownerReferences", DESCRIBE_HIDDEN},
    {NULL, "metadata.resourceVersion", DESCRIBE_HIDDEN},
    {NULL, "metadata.uid", DESCRIBE_HIDDEN},
    {"ConfigMap", "binaryData", DESCRIBE_SIZES},
    {"ConfigMap", "data", DESCRIBE_TEXTS},
    {"Node", "status.images", DESCRIBE_HIDDEN},
    {"Secret", "data", DESCRIBE_SIZES},
};

struct describe {
    const struct schema_kind *kind;
    int64_t now_ns;
    struct buf *out;
    struct buf path; /* dotted, of what is being written */
};

void describe_title(struct slice name, struct buf *out)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool upper = isupper((unsigned char)c) != 0;
        bool after_upper = i && isupper((unsigned char)name.data[i - 1]);
        /* "IPs": the plural of an abbreviation is one word. */
        bool word = i + 1 < name.len && islower((unsigned char)name.data[i + 1]) &&
                    !(name.data[i + 1] == 's' && i + 2 == name.len);

        if (i && upper && (!after_upper || word))
            buf_append_byte(out, ' ');
        buf_append_byte(out, i ? c : (char)toupper((unsigned char)c));
    }
}

static bool is_empty(const struct value *v)
{
    if (value_is(v, VALUE_ARRAY) || value_is(v, VALUE_OBJECT))
        return !value_count(v);
    return value_is(v, VALUE_NULL) || (value_is(v, VALUE_STRING) && !value_string(v).len);
}

static bool is_scalar(const struct value *v)
{
    return !value_is(v, VALUE_ARRAY) && !value_is(v, VALUE_OBJECT);
}

static enum describe_style style_of(struct describe *d)
{
    for (size_t i = 0; i < ARRAY_SIZE(describe_rules); i++)
        if (slice_is(buf_slice(&d->path), describe_rules[i].path) &&
            (!describe_rules[i].kind || !strcmp(describe_rules[i].kind, d->kind->kind)))
            return describe_rules[i].style;
    return DESCRIBE_PLAIN;
}

/* Enters a member; returns what to give to leave. */
static size_t enter(struct describe *d, struct slice name)
{
    size_t len = d->path.len;

    if (len)
        buf_append_byte(&d->path, '.');
    buf_append_slice(&d->path, name);
    return len;
}

static void leave(struct describe *d, size_t len)
{
    d->path.len = len;
}

/* Text of others does not steer the terminal; lines after the first are indented. */
static void put_text(struct describe *d, struct slice text, size_t indent)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c == '\n' && i + 1 < text.len)
            buf_printf(d->out, "\n%*s", (int)indent, "");
        else if (c != '\n')
            buf_append_byte(d->out, c < 0x20 || c == 0x7f ? '?' : (char)c);
    }
}

static void put_scalar(struct describe *d, const struct schema_field *field, const struct value *v, size_t indent)
{
    bool time = field && (field->base == SCHEMA_TIME || field->base == SCHEMA_MICRO_TIME);
    char age[TIME_TEXT_MAX];
    int64_t ns;
    BUF_LOCAL(text);

    if (value_is(v, VALUE_STRING))
        buf_append_slice(&text, value_string(v));
    else
        value_write(v, &text);
    put_text(d, buf_slice(&text), indent);
    if (time && time_parse(value_string(v), &ns)) {
        time_format_age(d->now_ns > ns ? d->now_ns - ns : ns - d->now_ns, age);
        buf_printf(d->out, d->now_ns >= ns ? " (%s ago)" : " (in %s)", age);
    }
}

/* "Title:" and blanks up to the column in which values stand. */
static void put_title(struct describe *d, struct slice name, size_t indent, size_t width)
{
    size_t start = d->out->len + indent;

    buf_printf(d->out, "%*s", (int)indent, "");
    describe_title(name, d->out);
    buf_append_byte(d->out, ':');
    while (d->out->len - start < width)
        buf_append_byte(d->out, ' ');
}

static size_t title_width(struct slice name)
{
    BUF_LOCAL(title);

    describe_title(name, &title);
    return title.len + 3; /* the colon and two blanks */
}

static void put_block(struct describe *d, const struct schema_type *type, const struct value *object, size_t indent,
                      const char *without);

/* ---- lists --------------------------------------------------------------------------------------------------------
 */

static bool is_flat(const struct value *object)
{
    struct value_iter it = value_iter_start(object);
    struct slice name;
    struct value *v;

    while (value_iter_next(&it, &name, &v))
        if (!is_scalar(v))
            return false;
    return value_is(object, VALUE_OBJECT);
}

struct table_columns {
    struct slice names[TABLE_COLUMNS_MAX];
    size_t count;
};

/* The names of all members; false when there are too many for a table. The longest text stands last. */
static bool table_columns_find(const struct value *list, struct table_columns *t)
{
    for (size_t i = 0; i < value_count(list); i++) {
        struct value_iter it = value_iter_start(value_at(list, i));
        struct slice name;
        struct value *v;

        if (!is_flat(value_at(list, i)))
            return false;
        while (value_iter_next(&it, &name, &v)) {
            size_t at = 0;

            while (at < t->count && !slice_equal(t->names[at], name))
                at++;
            if (at < t->count || is_empty(v))
                continue;
            if (t->count == TABLE_COLUMNS_MAX)
                return false;
            t->names[t->count++] = name;
        }
    }
    for (size_t i = 0; i + 1 < t->count; i++)
        if (slice_is(t->names[i], "message")) {
            struct slice message = t->names[i];

            memmove(&t->names[i], &t->names[i + 1], (t->count - i - 1) * sizeof(message));
            t->names[t->count - 1] = message;
        }
    return t->count > 1;
}

static bool put_table(struct describe *d, const struct value *list, size_t indent)
{
    struct table_columns t = {.count = 0};

    if (value_count(list) < 1 || !table_columns_find(list, &t))
        return false;
    COLUMNS_LOCAL(columns, t.count);
    for (size_t i = 0; i < t.count; i++) {
        BUF_LOCAL(title);

        describe_title(t.names[i], &title);
        columns_add_slice(&columns, buf_slice(&title));
    }
    for (size_t i = 0; i < value_count(list); i++)
        for (size_t k = 0; k < t.count; k++) {
            const struct value *cell = value_get_slice(value_at(list, i), t.names[k]);
            BUF_LOCAL(text);

            if (value_is(cell, VALUE_STRING))
                buf_append_slice(&text, value_string(cell));
            else if (!value_is(cell, VALUE_NULL))
                value_write(cell, &text);
            columns_add_slice(&columns, buf_slice(&text));
        }
    columns_write(&columns, indent, d->out);
    return true;
}

static void put_items(struct describe *d, const struct schema_field *field, const struct value *list, size_t indent)
{
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *item = value_at(list, i);
        struct slice name = value_string(value_get(item, "name"));

        if (is_scalar(item)) {
            buf_printf(d->out, "%*s", (int)indent, "");
            put_scalar(d, field, item, indent);
            buf_append_byte(d->out, '\n');
        } else {
            buf_printf(d->out, "%*s", (int)indent, "");
            if (name.len)
                put_text(d, name, indent);
            else
                buf_printf(d->out, "%zu", i + 1);
            buf_append_str(d->out, ":\n");
            put_block(d, field ? field->type : NULL, item, indent + 2, name.len ? "name" : NULL);
        }
    }
}

/* ---- members ------------------------------------------------------------------------------------------------------
 */

static void put_pairs(struct describe *d, const struct value *map, size_t column)
{
    struct value_iter it = value_iter_start(map);
    struct slice name;
    struct value *v;
    bool first = true;

    while (value_iter_next(&it, &name, &v)) {
        if (slice_is(name, LAST_APPLIED))
            continue;
        if (!first)
            buf_printf(d->out, "%*s", (int)column, "");
        first = false;
        put_text(d, name, column);
        buf_append_byte(d->out, '=');
        put_scalar(d, NULL, v, column);
        buf_append_byte(d->out, '\n');
    }
    if (first)
        buf_append_str(d->out, "<none>\n");
}

static void put_sizes(struct describe *d, const struct value *map, size_t indent)
{
    struct value_iter it = value_iter_start(map);
    struct slice name;
    struct value *v;

    buf_append_byte(d->out, '\n');
    while (value_iter_next(&it, &name, &v)) {
        BUF_LOCAL(bytes);
        size_t size = base64_decode(&bytes, value_string(v)) ? bytes.len : value_string(v).len;

        if (bytes.data)
            explicit_bzero(bytes.data, bytes.cap);
        buf_printf(d->out, "%*s%.*s:  %zu bytes\n", (int)indent + 2, "", SLICE_ARGS(name), size);
    }
}

static void put_texts(struct describe *d, const struct value *map, size_t indent)
{
    struct value_iter it = value_iter_start(map);
    struct slice name;
    struct value *v;

    buf_append_byte(d->out, '\n');
    while (value_iter_next(&it, &name, &v)) {
        buf_printf(d->out, "%*s%.*s:\n%*s", (int)indent + 2, "", SLICE_ARGS(name), (int)indent + 4, "");
        put_text(d, value_string(v), indent + 4);
        buf_append_byte(d->out, '\n');
    }
}

/* Its keys are names of somebody's, not of fields. */
static bool is_text_map(const struct schema_field *field)
{
    return field && field->shape == SCHEMA_MAP && (field->base == SCHEMA_STRING || field->base == SCHEMA_QUANTITY);
}

static void put_member(struct describe *d, const struct schema_field *field, struct slice name, const struct value *v,
                       size_t indent, size_t width)
{
    enum describe_style style = style_of(d);
    bool inside = is_scalar(v) || (is_text_map(field) && style == DESCRIBE_PLAIN);

    put_title(d, name, indent, inside ? width : 0);
    if (style == DESCRIBE_SIZES) {
        put_sizes(d, v, indent);
    } else if (style == DESCRIBE_TEXTS) {
        put_texts(d, v, indent);
    } else if (inside && is_scalar(v)) {
        put_scalar(d, field, v, indent + width);
        buf_append_byte(d->out, '\n');
    } else if (inside) {
        put_pairs(d, v, indent + width);
    } else {
        buf_append_byte(d->out, '\n');
        if (value_is(v, VALUE_OBJECT))
            put_block(d, field ? field->type : NULL, v, indent + 2, NULL);
        else if (!put_table(d, v, indent + 2))
            put_items(d, field, v, indent + 2);
    }
}

/* The column of the values: behind the longest title of a line. */
static size_t block_width(struct describe *d, const struct schema_type *type, const struct value *object)
{
    struct value_iter it = value_iter_start(object);
    struct slice name;
    struct value *v;
    size_t width = 0;

    while (value_iter_next(&it, &name, &v)) {
        size_t len = title_width(name);

        if (!is_empty(v) && len > width && (is_scalar(v) || is_text_map(type ? schema_find_field(type, name) : NULL)))
            width = len;
    }
    return width;
}

static void put_block(struct describe *d, const struct schema_type *type, const struct value *object, size_t indent,
                      const char *without)
{
    struct value_iter it = value_iter_start(object);
    size_t width = block_width(d, type, object);
    struct slice name;
    struct value *v;

    while (value_iter_next(&it, &name, &v)) {
        size_t mark = enter(d, name);

        if (!is_empty(v) && style_of(d) != DESCRIBE_HIDDEN && !(without && slice_is(name, without)))
            put_member(d, type ? schema_find_field(type, name) : NULL, name, v, indent, width);
        leave(d, mark);
    }
}

/* ---- the object ---------------------------------------------------------------------------------------------------
 */

#define HEAD_WIDTH 16

static void put_head(struct describe *d, const char *title, const struct value *v)
{
    if (is_empty(v))
        return;
    buf_printf(d->out, "%-*s", HEAD_WIDTH, title);
    put_scalar(d, NULL, v, HEAD_WIDTH);
    buf_append_byte(d->out, '\n');
}

static void put_head_map(struct describe *d, const char *title, const struct value *map)
{
    buf_printf(d->out, "%-*s", HEAD_WIDTH, title);
    put_pairs(d, map, HEAD_WIDTH);
}

static void put_owner(struct describe *d, const struct value *references)
{
    for (size_t i = 0; i < value_count(references); i++) {
        const struct value *owner = value_at(references, i);

        if (!value_bool(value_get(owner, "controller")))
            continue;
        buf_printf(d->out, "%-*s", HEAD_WIDTH, "Controlled By:");
        put_scalar(d, NULL, value_get(owner, "kind"), 0);
        buf_append_byte(d->out, '/');
        put_scalar(d, NULL, value_get(owner, "name"), 0);
        buf_append_byte(d->out, '\n');
    }
}

void describe_write(const struct schema_kind *kind, const struct value *object, int64_t now_ns, struct buf *out)
{
    struct describe d = {.kind = kind, .now_ns = now_ns, .out = out};
    const struct value *metadata = value_get(object, "metadata");
    const struct schema_field *of_metadata = schema_find_field(kind->type, SLICE_LIT("metadata"));
    const struct schema_type *type = of_metadata ? of_metadata->type : NULL;
    const struct schema_field *created = type ? schema_find_field(type, SLICE_LIT("creationTimestamp")) : NULL;
    size_t mark;

    put_head(&d, "Name:", value_get(metadata, "name"));
    put_head(&d, "Namespace:", value_get(metadata, "namespace"));
    put_head_map(&d, "Labels:", value_get(metadata, "labels"));
    put_head_map(&d, "Annotations:", value_get(metadata, "annotations"));
    buf_printf(out, "%-*s", HEAD_WIDTH, "Created:");
    put_scalar(&d, created, value_get(metadata, "creationTimestamp"), HEAD_WIDTH);
    buf_append_byte(out, '\n');
    put_owner(&d, value_get(metadata, "ownerReferences"));
    mark = enter(&d, SLICE_LIT("metadata"));
    put_block(&d, type, metadata, 0, NULL);
    leave(&d, mark);
    put_block(&d, kind->type, object, 0, NULL);
    buf_free(&d.path);
}
