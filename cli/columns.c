/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/columns.h"

#include <stdio.h>

#define GAP 3

static void take(struct columns *c, char *text)
{
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    c->cells = mem_grow(c->cells, &c->cap, c->count + 1, sizeof(*c->cells));
    c->cells[c->count++] = text;
}

void columns_add(struct columns *c, const char *text)
{
    take(c, mem_strdup(text ? text : ""));
}

void columns_add_slice(struct columns *c, struct slice text)
{
    take(c, slice_dup(text));
}

void columns_addf(struct columns *c, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    take(c, mem_vprintf(fmt, args));
    va_end(args);
}

void columns_add_row(struct columns *c, ...)
{
    va_list args;
    const char *text;

    va_start(args, c);
    while ((text = va_arg(args, const char *)))
        columns_add(c, text);
    va_end(args);
}

/* Characters, not bytes. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void columns_write(const struct columns *c, size_t indent, struct buf *out)
{
    size_t *widths CLEANUP_FREE = mem_calloc(c->per_row, sizeof(*widths));

    for (size_t i = 0; i < c->count; i++)
        if (width_of(c->cells[i]) > widths[i % c->per_row])
            widths[i % c->per_row] = width_of(c->cells[i]);
    for (size_t i = 0; i < c->count; i++) {
        bool last = (i + 1) % c->per_row == 0;

        if (i % c->per_row == 0)
            buf_printf(out, "%*s", (int)indent, "");
        buf_append_str(out, c->cells[i]);
        if (last)
            buf_append_byte(out, '\n');
        else
            buf_printf(out, "%*s", (int)(widths[i % c->per_row] - width_of(c->cells[i]) + GAP), "");
    }
}

void columns_print(const struct columns *c)
{
    BUF_LOCAL(out);

    columns_write(c, 0, &out);
    if (out.len)
        (void)fwrite(out.data, 1, out.len, stdout);
}

void columns_clear(struct columns *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->cells[i]);
    free(c->cells);
    memset(c, 0, sizeof(*c));
}
