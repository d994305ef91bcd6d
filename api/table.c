/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Table rows from stored bytes. A row indexes the members of the document, and of metadata, spec and status when a cell
 * first needs them; every cell is then a short walk from there. No tree is built and no text decoded.
 *
 * This file has the rows and the cell language; the functions that columns name are in table_cells.c (for any kind),
 * table_pod.c, table_core.c and table_groups.c.
 */
#include "api/table.h"

#include <ctype.h>

#include "api/emit.h"
#include "api/object.h"
#include "api/table_internal.h"

/* What upstream shows for a kind without a printer of its own. */
static const struct schema_column default_columns[] = {
    {"Name", "{.metadata.name}", NULL, "name", SCHEMA_COLUMN_STRING, 0},
    {"Created At", "{.metadata.creationTimestamp}", NULL, "", SCHEMA_COLUMN_DATE, 0},
};

static const struct schema_column *columns_of(const struct schema_kind *kind, size_t *ret_count)
{
    *ret_count = kind->column_count ? kind->column_count : ARRAY_SIZE(default_columns);
    return kind->column_count ? kind->columns : default_columns;
}

/* A column that has none of its own shows what upstream's tables say of the name and of the time of creation. */
static const char *description_of(const struct schema_column *column)
{
    if (column->description && *column->description)
        return column->description;
    if (column->format && !strcmp(column->format, "name"))
        return "Name must be unique within a namespace. Is required when creating resources, although some resources "
               "may allow a client to request the generation of an appropriate name automatically. Name is primarily "
               "intended for creation idempotence and configuration definition. Cannot be updated. More info: "
               "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
    if (!strcmp(column->cell, "@age") || !strcmp(column->cell, "{.metadata.creationTimestamp}"))
        return "CreationTimestamp is a timestamp representing the server time when this object was created. It is not "
               "guaranteed to be set in happens-before order across separate operations. Clients may not set this "
               "value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null "
               "for lists. More info: "
               "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
    return "";
}

void table_write_columns(struct buf *out, const struct schema_kind *kind)
{
    static const char *const types[] = {[SCHEMA_COLUMN_STRING] = "string",
                                        [SCHEMA_COLUMN_INTEGER] = "integer",
                                        [SCHEMA_COLUMN_BOOLEAN] = "boolean",
                                        [SCHEMA_COLUMN_DATE] = "date",
                                        [SCHEMA_COLUMN_NUMBER] = "number"};
    size_t count;
    const struct schema_column *columns = columns_of(kind, &count);
    emit_open_key(out, "columnDefinitions", '[');
    for (size_t i = 0; i < count; i++) {
        emit_open(out, '{');
        emit_member(out, "name", columns[i].name);
        emit_member(out, "type", types[columns[i].type]);
        emit_member(out, "format", columns[i].format ? columns[i].format : "");
        emit_member(out, "description", description_of(&columns[i]));
        emit_raw(out, "priority", columns[i].priority ? "1" : "0");
        emit_close(out, '}');
    }
    emit_close(out, ']');
}

/* Levels: the lazily read members of an object. */

static void level_read(struct table_level *level, struct slice object)
{
    struct scan_cursor c = scan_open(object);
    struct slice key, value;
    level->read = true;
    while (scan_member(&c, &key, &value)) {
        if (level->count == TABLE_LEVEL_MAX) {
            level->overflow = true;
            return;
        }
        level->keys[level->count] = key;
        level->values[level->count++] = value;
    }
}

static bool is_null(struct slice v)
{
    return !v.len || v.data[0] == 'n';
}

static struct slice member_of(struct slice object, struct slice name)
{
    struct scan_cursor c = scan_open(object);
    struct slice key, value;
    while (scan_member(&c, &key, &value))
        if (slice_equal(key, name))
            return is_null(value) ? SLICE_NONE : value;
    return SLICE_NONE;
}

static struct slice level_get(const struct table_level *level, struct slice object, struct slice name)
{
    for (size_t i = 0; i < level->count; i++)
        if (level->keys[i].len == name.len && !memcmp(level->keys[i].data, name.data, name.len))
            return is_null(level->values[i]) ? SLICE_NONE : level->values[i];
    return level->overflow ? member_of(object, name) : SLICE_NONE;
}

static struct table_level *level_named(struct table_row *row, struct slice name)
{
    if (slice_is(name, "status"))
        return &row->status;
    if (slice_is(name, "metadata"))
        return &row->metadata;
    return slice_is(name, "spec") ? &row->spec : NULL;
}

/* The value of the first one or two plain names of a path; the rest of the path stays in *path. */
static struct slice row_start(struct table_row *row, struct slice first, struct slice second, bool *ret_used_second)
{
    if (!row->top.read)
        level_read(&row->top, row->document);
    struct slice object = level_get(&row->top, row->document, first);
    struct table_level *level = second.data && object.data ? level_named(row, first) : NULL;
    *ret_used_second = level != NULL;
    if (!level)
        return object;
    if (!level->read)
        level_read(level, object);
    return level_get(level, object, second);
}

/* The cell language's paths: .name  ['name']  [2]  [*]  [?(@.name=="text")]; a backslash keeps a dot in a name. */

struct path_walk {
    void (*visit)(void *arg, struct slice v);
    void *arg;
};

static void walk(const struct path_walk *w, struct slice v, struct slice path);

/* Takes a plain name (after its dot) off *path; escaped dots go through `name`, which must outlive the result. */
static struct slice take_name(struct slice *path, char *name, size_t size)
{
    size_t i = 0, n = 0;
    while (i < path->len && path->data[i] != '.' && path->data[i] != '[') {
        if (path->data[i] == '\\' && i + 1 < path->len)
            i++;
        if (n < size)
            name[n++] = path->data[i];
        i++;
    }
    *path = slice_from(*path, i);
    return slice_make(name, n);
}

/* What stands between the bracket at the start of *path and its partner, quotes considered; *path moves behind it. */
static struct slice take_bracket(struct slice *path)
{
    char quote = 0;
    int depth = 0;
    for (size_t i = 0; i < path->len; i++) {
        char c = path->data[i];
        if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '[')
            depth++;
        else if (c == ']' && !--depth) {
            struct slice inside = slice_make(path->data + 1, i - 1);
            *path = slice_from(*path, i + 1);
            return inside;
        }
    }
    *path = slice_make(path->data + path->len, 0);
    return SLICE_NONE;
}

static struct slice unquote(struct slice s)
{
    s = slice_trim(s);
    if (s.len >= 2 && (s.data[0] == '"' || s.data[0] == '\'') && s.data[s.len - 1] == s.data[0])
        return slice_make(s.data + 1, s.len - 2);
    return s;
}

static void keep_first(void *arg, struct slice v)
{
    struct slice *first = arg;
    if (!first->data)
        *first = v;
}

/* ?(@.type=="Ready"): whether an element passes. */
static bool filter_passes(struct slice element, struct slice filter)
{
    static const char *const operators[] = {"==", "!="};
    for (size_t o = 0; o < ARRAY_SIZE(operators); o++) {
        ptrdiff_t at = slice_find_text(filter, slice_str(operators[o]));
        if (at < 0)
            continue;
        struct slice left = slice_trim(slice_make(filter.data, (size_t)at));
        struct slice right = unquote(slice_from(filter, (size_t)at + 2));
        struct slice found = SLICE_NONE;
        if (!left.len || left.data[0] != '@')
            return false;
        walk(&(struct path_walk){keep_first, &found}, element, slice_from(left, 1));
        struct slice text = scan_is_string(found) ? table_raw(found) : found;
        return (found.data && slice_equal(text, right)) == (o == 0);
    }
    return false;
}

static void walk_elements(const struct path_walk *w, struct slice v, struct slice inside, struct slice path)
{
    bool filter = inside.len > 3 && slice_starts(inside, SLICE_LIT("?(")) && slice_ends(inside, SLICE_LIT(")"));
    bool every = slice_is(inside, "*");
    int64_t wanted = 0, i = 0;
    if (!filter && !every && !slice_to_int64(inside, &wanted))
        return;
    if (wanted < 0)
        wanted += (int64_t)scan_count(v);
    if (filter)
        inside = slice_make(inside.data + 2, inside.len - 3);
    struct scan_cursor c = scan_open(v);
    struct slice key, element;
    bool object = v.len && v.data[0] == '{';
    while (object ? scan_member(&c, &key, &element) : scan_element(&c, &element)) {
        if (filter ? filter_passes(element, inside) : every || i == wanted)
            walk(w, element, path);
        i++;
    }
}

#define NAME_MAX_BYTES 256
static void walk(const struct path_walk *w, struct slice v, struct slice path)
{
    char name[NAME_MAX_BYTES];
    while (v.data && path.len) {
        if (path.data[0] == '.') {
            path = slice_from(path, 1);
            v = member_of(v, take_name(&path, name, sizeof(name)));
        } else if (path.data[0] == '[') {
            struct slice inside = slice_trim(take_bracket(&path));
            if (!inside.len)
                return;
            if (inside.data[0] != '\'' && inside.data[0] != '"') {
                walk_elements(w, v, inside, path);
                return;
            }
            v = member_of(v, unquote(inside));
        } else {
            return;
        }
    }
    if (v.data && !is_null(v))
        w->visit(w->arg, v);
}

void table_each(struct table_row *row, struct slice path, void (*visit)(void *arg, struct slice v), void *arg)
{
    char names[2][NAME_MAX_BYTES];
    struct slice second = SLICE_NONE, rest;
    bool used;
    if (!path.len || path.data[0] != '.')
        return;
    path = slice_from(path, 1);
    struct slice first = take_name(&path, names[0], sizeof(names[0]));
    rest = path;
    if (rest.len && rest.data[0] == '.') {
        rest = slice_from(rest, 1);
        second = take_name(&rest, names[1], sizeof(names[1]));
    }
    struct slice v = row_start(row, first, second, &used);
    walk(&(struct path_walk){visit, arg}, v, used ? rest : path);
}

struct slice table_first(struct table_row *row, struct slice path)
{
    struct slice first = SLICE_NONE;
    table_each(row, path, keep_first, &first);
    return first;
}

struct slice table_get(struct table_row *row, const char *path)
{
    struct slice rest = slice_str(path), first, second = SLICE_NONE;
    bool used;
    slice_split(&rest, '.', &first);
    struct slice after_first = rest;
    if (rest.data)
        slice_split(&rest, '.', &second);
    struct slice v = row_start(row, first, second, &used);
    if (!used)
        rest = after_first;
    struct slice name;
    while (v.data && rest.data && slice_split(&rest, '.', &name))
        v = member_of(v, name);
    return v;
}

/* Templates: text with {.path|default} in it. */

void table_put(struct buf *out, struct slice v)
{
    if (scan_is_string(v)) {
        buf_append_slice(out, table_raw(v));
    } else if (v.len && v.data[0] != '{' && v.data[0] != '[') {
        buf_append_slice(out, v);
    } else if (v.len) {
        BUF_LOCAL(quoted);
        json_write_string(&quoted, v);
        buf_append(out, quoted.data + 1, quoted.len - 2);
    }
}

void table_put_plain(struct buf *out, struct slice text)
{
    BUF_LOCAL(quoted);
    json_write_string(&quoted, text);
    buf_append(out, quoted.data + 1, quoted.len - 2);
}

void table_write_text(struct buf *out, const char *text)
{
    json_write_string(out, slice_str(text));
}

struct hits {
    struct buf *out;
    size_t count;
};

static void put_hit(void *arg, struct slice v)
{
    struct hits *hits = arg;
    if (hits->count++)
        buf_append_byte(hits->out, ' ');
    table_put(hits->out, v);
}

struct slice table_split_default(struct slice placeholder, struct slice *ret_path)
{
    char quote = 0;
    for (size_t i = 0; i < placeholder.len; i++) {
        char c = placeholder.data[i];
        if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '|') {
            *ret_path = slice_make(placeholder.data, i);
            return slice_from(placeholder, i + 1);
        }
    }
    *ret_path = placeholder;
    return SLICE_NONE;
}

static bool is_json_scalar(struct slice text)
{
    int64_t number;
    return slice_to_int64(text, &number) || slice_is(text, "true") || slice_is(text, "false") || slice_is(text, "null");
}

/* A cell that is one placeholder keeps the type of the value: numbers stay numbers. */
static void write_value(struct table_row *row, struct slice placeholder, struct buf *out)
{
    struct slice path, otherwise = table_split_default(placeholder, &path);
    struct slice v = table_first(row, path);
    if (v.len && !scan_is_string(v) && v.data[0] != '{' && v.data[0] != '[') {
        buf_append_slice(out, v);
        return;
    }
    if (!v.data && is_json_scalar(otherwise)) {
        buf_append_slice(out, otherwise);
        return;
    }
    struct hits hits = {.out = out};
    size_t start = table_open(out);
    table_each(row, path, put_hit, &hits);
    if (out->len == start)
        table_put_plain(out, otherwise);
    buf_append_byte(out, '"');
}

static void write_template(struct table_row *row, struct slice text, struct buf *out)
{
    buf_append_byte(out, '"');
    while (text.len) {
        ptrdiff_t open = slice_find(text, '{'), close = open < 0 ? -1 : slice_find(text, '}');
        if (open < 0 || close < open) {
            table_put_plain(out, text);
            break;
        }
        table_put_plain(out, slice_make(text.data, (size_t)open));
        struct slice path, inside = slice_make(text.data + open + 1, (size_t)(close - open) - 1);
        struct slice otherwise = table_split_default(inside, &path);
        struct hits hits = {.out = out};
        size_t start = out->len;
        table_each(row, path, put_hit, &hits);
        if (out->len == start)
            table_put_plain(out, otherwise);
        text = slice_from(text, (size_t)close + 1);
    }
    buf_append_byte(out, '"');
}

static table_cell *find_function(struct slice name)
{
    static const struct table_function *const tables[] = {table_generic_functions, table_pod_functions,
                                                          table_core_functions, table_group_functions};
    for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
        for (const struct table_function *f = tables[t]; f->name; f++)
            if (slice_is(name, f->name))
                return f->write;
    return NULL;
}

bool table_knows_function(struct slice name)
{
    return find_function(name) != NULL;
}

static void write_cell(struct table_row *row, struct slice cell, struct buf *out)
{
    if (cell.len && cell.data[0] == '@') {
        struct slice arg = slice_from(cell, 1), name;
        slice_split(&arg, ' ', &name);
        table_cell *function = find_function(name);
        if (function)
            function(row, arg.data ? arg : SLICE_LIT(""), out);
        else
            buf_append_str(out, "null");
    } else if (cell.len > 2 && cell.data[0] == '{' && slice_find(cell, '}') == (ptrdiff_t)cell.len - 1) {
        write_value(row, slice_make(cell.data + 1, cell.len - 2), out);
    } else {
        write_template(row, cell, out);
    }
}

/* Metadata with the resourceVersion behind the uid, where upstream has it; revision 0 (a dry run) has none. */
static void write_metadata(struct buf *out, struct slice metadata, uint64_t revision)
{
    struct scan_cursor c = scan_open(metadata);
    struct slice key, value;
    bool written = !revision;
    buf_append_byte(out, '{');
    while (scan_member(&c, &key, &value)) {
        emit_separator(out);
        buf_append_byte(out, '"');
        buf_append_slice(out, key);
        buf_append_str(out, "\":");
        buf_append_slice(out, value);
        if (!written && slice_is(key, "uid")) {
            buf_printf(out, ",\"resourceVersion\":\"%llu\"", (unsigned long long)revision);
            written = true;
        }
    }
    if (!written) {
        emit_key(out, "resourceVersion");
        buf_printf(out, "\"%llu\"", (unsigned long long)revision);
    }
    buf_append_byte(out, '}');
}

static void write_partial(struct buf *out, struct slice metadata, uint64_t revision)
{
    buf_append_str(out, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":");
    write_metadata(out, metadata, revision);
    buf_append_byte(out, '}');
}

void table_write_partial(struct buf *out, struct slice stored, uint64_t revision)
{
    write_partial(out, scan_get(stored, "metadata"), revision);
}

void table_write_row(struct buf *out, const struct schema_kind *kind, struct slice stored, uint64_t revision,
                     enum table_include include, int64_t now_ns)
{
    const struct table_shown shown = {stored, revision, include};

    table_write_row_as(out, kind, stored, &shown, now_ns);
}

void table_write_row_as(struct buf *out, const struct schema_kind *kind, struct slice stored,
                        const struct table_shown *shown, int64_t now_ns)
{
    struct table_row row = {.document = stored, .now_ns = now_ns};
    size_t count;
    const struct schema_column *columns = columns_of(kind, &count);
    emit_open(out, '{');
    emit_open_key(out, "cells", '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_append_byte(out, ',');
        write_cell(&row, slice_str(columns[i].cell), out);
    }
    emit_close(out, ']');
    if (!kind->group[0] && !strcmp(kind->kind, "Pod"))
        table_pod_write_conditions(&row, out);
    emit_key(out, "object");
    if (shown->include == TABLE_INCLUDE_OBJECT && shown->revision)
        object_write(out, shown->document, shown->revision, true);
    else if (shown->include == TABLE_INCLUDE_OBJECT)
        buf_append_slice(out, shown->document);
    else if (shown->include == TABLE_INCLUDE_METADATA)
        write_partial(out, scan_get(shown->document, "metadata"), shown->revision);
    else
        buf_append_str(out, "null");
    emit_close(out, '}');
}
