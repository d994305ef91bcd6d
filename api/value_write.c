/* SPDX-License-Identifier: Apache-2.0 */
/* A tree as JSON text. */
#include "api/value.h"

#include <math.h>
#include <stdio.h>

#include "lib/encoding.h"

/* The shortest decimal that reads back as the same double; whole numbers without a fraction, as Go prints them. */
static void write_real(double d, struct buf *out)
{
    char text[40];

    if (d == floor(d) && fabs(d) < 1e15) {
        snprintf(text, sizeof text, "%.0f", d);
    } else {
        for (int precision = 15; precision <= 17; precision++) {
            snprintf(text, sizeof text, "%.*g", precision, d);
            if (strtod(text, NULL) == d)
                break;
        }
    }
    buf_append_str(out, text);
}

static void write_object(const struct value *v, struct buf *out)
{
    struct value_iter it = value_iter_start(v);
    struct slice name;
    struct value *child;
    char before = '{';

    while (value_iter_next(&it, &name, &child)) {
        buf_append_byte(out, before);
        json_write_string(out, name);
        buf_append_byte(out, ':');
        value_write(child, out);
        before = ',';
    }
    if (before == '{')
        buf_append_byte(out, '{');
    buf_append_byte(out, '}');
}

static void write_array(const struct value *v, struct buf *out)
{
    size_t count = value_count(v);

    buf_append_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_append_byte(out, ',');
        value_write(value_at(v, i), out);
    }
    buf_append_byte(out, ']');
}

void value_write(const struct value *v, struct buf *out)
{
    switch (value_kind(v)) {
    case VALUE_NULL:
        buf_append_str(out, "null");
        break;
    case VALUE_BOOL:
        buf_append_str(out, value_bool(v) ? "true" : "false");
        break;
    case VALUE_INT:
        buf_printf(out, "%lld", (long long)value_int(v));
        break;
    case VALUE_REAL:
        write_real(value_real(v), out);
        break;
    case VALUE_STRING:
        json_write_string(out, value_string(v));
        break;
    case VALUE_ARRAY:
        write_array(v, out);
        break;
    case VALUE_OBJECT:
        write_object(v, out);
        break;
    }
}
