/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/reply_pretty.h"

static void pretty_line(const struct reply_pretty *p, struct buf *out)
{
    buf_append_byte(out, '\n');
    for (unsigned i = 0; i < p->depth; i++)
        buf_append_str(out, "  ");
}

static void pretty_string(struct reply_pretty *p, char c)
{
    if (p->escaped)
        p->escaped = false;
    else if (c == '\\')
        p->escaped = true;
    else if (c == '"')
        p->in_string = false;
}

/* A byte outside of strings. */
static void pretty_byte(struct reply_pretty *p, char c, struct buf *out)
{
    bool closes = c == '}' || c == ']';
    bool opened = p->opened;

    p->opened = false;
    if (closes && p->depth)
        p->depth--;
    if (closes ? !opened : opened)
        pretty_line(p, out);
    buf_append_byte(out, c);
    if (c == '{' || c == '[') {
        p->depth++;
        p->opened = true;
    } else if (c == ',') {
        pretty_line(p, out);
    } else if (c == ':') {
        buf_append_byte(out, ' ');
    }
    p->in_string = c == '"';
}

void reply_pretty_write(struct reply_pretty *p, struct slice piece, struct buf *out)
{
    for (size_t i = 0; i < piece.len; i++) {
        char c = piece.data[i];

        if (p->in_string) {
            buf_append_byte(out, c);
            pretty_string(p, c);
        } else if (c != ' ' && c != '\n' && c != '\t' && c != '\r') {
            pretty_byte(p, c, out);
        }
    }
}
