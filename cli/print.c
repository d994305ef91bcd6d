/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print.h"

#include <ctype.h>

#include "lib/encoding.h"

/* ---- JSON ---------------------------------------------------------------------------------------------------------
 */

static void indent(struct buf *out, size_t depth)
{
    buf_append_byte(out, '\n');
    for (size_t i = 0; i < depth * 4; i++)
        buf_append_byte(out, ' ');
}

static void print_json_at(const struct value *v, size_t depth, struct buf *out);

static void print_array(const struct value *v, size_t depth, struct buf *out)
{
    for (size_t i = 0; i < value_count(v); i++) {
        if (i)
            buf_append_byte(out, ',');
        indent(out, depth + 1);
        print_json_at(value_at(v, i), depth + 1, out);
    }
}

static void print_object(const struct value *v, size_t depth, struct buf *out)
{
    struct value_iter it = value_iter_start(v);
    struct slice name;
    struct value *member;
    bool first = true;

    while (value_iter_next(&it, &name, &member)) {
        if (!first)
            buf_append_byte(out, ',');
        first = false;
        indent(out, depth + 1);
        json_write_string(out, name);
        buf_append_str(out, ": ");
        print_json_at(member, depth + 1, out);
    }
}

static void print_json_at(const struct value *v, size_t depth, struct buf *out)
{
    bool array = value_is(v, VALUE_ARRAY);

    if ((!array && !value_is(v, VALUE_OBJECT)) || !value_count(v)) {
        value_write(v, out);
        return;
    }
    buf_append_byte(out, array ? '[' : '{');
    if (array)
        print_array(v, depth, out);
    else
        print_object(v, depth, out);
    indent(out, depth);
    buf_append_byte(out, array ? ']' : '}');
}

void print_json(const struct value *v, struct buf *out)
{
    print_json_at(v, 0, out);
    buf_append_byte(out, '\n');
}

/* ---- jsonpath -----------------------------------------------------------------------------------------------------
 */

struct path_output {
    struct buf *out;
    bool any;
};

static void emit(struct path_output *o, const struct value *v)
{
    if (o->any)
        buf_append_byte(o->out, ' ');
    o->any = true;
    if (value_is(v, VALUE_STRING))
        buf_append_slice(o->out, value_string(v));
    else
        value_write(v, o->out);
}

/* Takes the next step off *path: ".name", "['name']", "[3]" or "[*]" (*ret_all). False at the end or on a mistake. */
static bool next_step(struct slice *path, struct slice *ret_name, bool *ret_all, bool *ret_index)
{
    const char *p = path->data;
    const char *end = p + path->len;
    const char *from;

    *ret_all = *ret_index = false;
    if (p < end && *p == '.') {
        from = ++p;
        while (p < end && *p != '.' && *p != '[')
            p += *p == '\\' && p + 1 < end ? 2 : 1;
        *ret_name = slice_make(from, (size_t)(p - from));
    } else if (p < end && *p == '[') {
        const char *close = memchr(p, ']', (size_t)(end - p));

        if (!close)
            return false;
        *ret_name = slice_make(p + 1, (size_t)(close - p) - 1);
        *ret_all = slice_is(*ret_name, "*");
        *ret_index = !*ret_all;
        if (ret_name->len >= 2 && ret_name->data[0] == '\'') {
            *ret_name = slice_make(ret_name->data + 1, ret_name->len - 2);
            *ret_index = false;
        }
        p = close + 1;
    } else {
        return false;
    }
    *path = slice_make(p, (size_t)(end - p));
    return true;
}

static int walk(struct slice path, const struct value *v, struct path_output *o, struct error *err)
{
    struct slice name;
    bool all, index;
    int64_t at;

    if (!path.len || (path.len == 1 && path.data[0] == '.')) {
        emit(o, v);
        return 0;
    }
    struct slice rest = path;
    if (!next_step(&rest, &name, &all, &index))
        return error_set(err, ERROR_BAD_REQUEST, "cannot read the jsonpath at \"%.*s\"", SLICE_ARGS(path));
    if (all) {
        for (size_t i = 0; i < value_count(v); i++)
            if (walk(rest, value_at(v, i), o, err) < 0)
                return -(int)ERROR_BAD_REQUEST;
        return 0;
    }
    if (index) {
        if (!slice_to_int64(name, &at))
            return error_set(err, ERROR_BAD_REQUEST, "cannot read the jsonpath at \"%.*s\"", SLICE_ARGS(path));
        at += at < 0 ? (int64_t)value_count(v) : 0;
        v = at >= 0 ? value_at(v, (size_t)at) : NULL;
    } else {
        /* "kubernetes\.io/name": the backslash keeps the dot in the name. */
        BUF_LOCAL(plain);
        for (size_t i = 0; i < name.len; i++)
            if (name.data[i] != '\\')
                buf_append_byte(&plain, name.data[i]);
        v = value_get_slice(v, buf_slice(&plain));
    }
    return v ? walk(rest, v, o, err) : 0;
}

/* {'text'} and {"text"} with \n and \t. */
static void emit_quoted(struct slice text, struct buf *out)
{
    for (size_t i = 1; i + 1 < text.len; i++) {
        if (text.data[i] == '\\' && i + 2 < text.len) {
            char c = text.data[++i];

            buf_append_byte(out, c == 'n' ? '\n' : c == 't' ? '\t' : c);
        } else {
            buf_append_byte(out, text.data[i]);
        }
    }
}

int print_jsonpath(const char *template_, const struct value *v, struct buf *out, struct error *err)
{
    const char *p = template_;

    while (*p) {
        const char *close;
        struct path_output o = {.out = out};

        if (*p != '{') {
            buf_append_byte(out, *p++);
            continue;
        }
        close = strchr(p, '}');
        if (!close)
            return error_set(err, ERROR_BAD_REQUEST, "unclosed action in the jsonpath \"%s\"", template_);
        struct slice inner = slice_trim(slice_make(p + 1, (size_t)(close - p) - 1));
        if (inner.len && (inner.data[0] == '"' || inner.data[0] == '\'')) {
            emit_quoted(inner, out);
        } else {
            if (inner.len && inner.data[0] == '$')
                inner = slice_from(inner, 1);
            if (walk(inner, v, &o, err) < 0)
                return -(int)ERROR_BAD_REQUEST;
        }
        p = close + 1;
    }
    return 0;
}

/* ---- Table --------------------------------------------------------------------------------------------------------
 */

#define COLUMN_GAP 3

static char *cell_text(const struct value *cell)
{
    BUF_LOCAL(out);

    if (value_is(cell, VALUE_STRING))
        return slice_dup(value_string(cell));
    if (value_is(cell, VALUE_NULL))
        return mem_strdup("<none>");
    value_write(cell, &out);
    return buf_steal_str(&out);
}

struct grid {
    char **cells; /* rows x columns */
    size_t columns;
    size_t rows;
};

static char *upper(const char *text)
{
    char *out = mem_strdup(text ? text : "");

    for (char *p = out; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    return out;
}

static bool column_shown(const struct table_printer *p, const struct value *column)
{
    return p->wide || value_int(value_get(column, "priority")) == 0;
}

static void grid_fill(struct grid *g, const struct table_printer *p, const struct value *columns,
                      const struct value *rows, bool header)
{
    size_t row = 0;

    for (size_t i = 0, at = p->with_namespace; header && i < value_count(columns); i++)
        if (column_shown(p, value_at(columns, i)))
            g->cells[at++] = upper(value_str(value_get(value_at(columns, i), "name")));
    if (header && p->with_namespace)
        g->cells[0] = mem_strdup("NAMESPACE");
    row += header;
    for (size_t i = 0; i < value_count(rows); i++, row++) {
        const struct value *item = value_at(rows, i);
        const struct value *cells = value_get(item, "cells");
        char **out = g->cells + row * g->columns;
        size_t at = p->with_namespace;

        if (p->with_namespace)
            out[0] = cell_text(value_path(item, "object", "metadata", "namespace", NULL));
        for (size_t j = 0; j < value_count(columns); j++)
            if (column_shown(p, value_at(columns, j)))
                out[at++] = cell_text(value_at(cells, j));
    }
}

static void grid_print(const struct grid *g, struct table_printer *p, struct buf *out)
{
    if (p->width_count < g->columns) {
        p->widths = mem_realloc(p->widths, g->columns * sizeof(*p->widths));
        memset(p->widths + p->width_count, 0, (g->columns - p->width_count) * sizeof(*p->widths));
        p->width_count = g->columns;
    }
    for (size_t i = 0; i < g->rows * g->columns; i++) {
        size_t width = g->cells[i] ? strlen(g->cells[i]) + COLUMN_GAP : 0;

        if (width > p->widths[i % g->columns])
            p->widths[i % g->columns] = width;
    }
    for (size_t row = 0; row < g->rows; row++) {
        for (size_t column = 0; column < g->columns; column++) {
            const char *text = g->cells[row * g->columns + column];
            bool last = column + 1 == g->columns;

            buf_printf(out, "%-*s", last ? 0 : (int)p->widths[column], text ? text : "");
        }
        buf_append_byte(out, '\n');
    }
}

void table_printer_print(struct table_printer *p, const struct value *table, struct buf *out)
{
    const struct value *columns = value_get(table, "columnDefinitions");
    const struct value *rows = value_get(table, "rows");
    bool header = !p->header_done && !p->no_headers && value_count(rows);
    struct grid g = {.columns = p->with_namespace, .rows = value_count(rows) + header};

    for (size_t i = 0; i < value_count(columns); i++)
        g.columns += column_shown(p, value_at(columns, i));
    if (!g.columns || !g.rows)
        return;
    g.cells = mem_calloc(g.rows * g.columns, sizeof(*g.cells));
    grid_fill(&g, p, columns, rows, header);
    grid_print(&g, p, out);
    p->header_done |= header;
    for (size_t i = 0; i < g.rows * g.columns; i++)
        free(g.cells[i]);
    free(g.cells);
}

void table_printer_clear(struct table_printer *p)
{
    free(p->widths);
    memset(p, 0, sizeof(*p));
}
