/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scalars of the codec: which JSON a base type takes, the canonical form in which it is stored, its zero, and the words
 * for a wrong one, which clients know from Go.
 */
#include "api/codec_internal.h"

#include <stdio.h>

#include "api/quantity.h"
#include "lib/clock.h"
#include "lib/encoding.h"

static const char *const base_go_names[] = {
    [SCHEMA_STRING] = "string",
    [SCHEMA_BOOL] = "bool",
    [SCHEMA_INT32] = "int32",
    [SCHEMA_INT64] = "int64",
    [SCHEMA_DOUBLE] = "float64",
    [SCHEMA_BYTES] = "[]uint8",
    [SCHEMA_QUANTITY] = "resource.Quantity",
    [SCHEMA_INT_OR_STRING] = "intstr.IntOrString",
    [SCHEMA_TIME] = "v1.Time",
    [SCHEMA_MICRO_TIME] = "v1.MicroTime",
    [SCHEMA_ANY] = "runtime.RawExtension",
    [SCHEMA_FIELDS_V1] = "v1.FieldsV1",
    [SCHEMA_STRINGS] = "[]string",
    [SCHEMA_EITHER] = "v1.",
    [SCHEMA_OBJECT] = "v1.",
};

const char *codec_go_type(const struct schema_field *f, bool element, struct buf *scratch)
{
    buf_reset(scratch);
    if (!element && f->shape == SCHEMA_LIST)
        buf_append_str(scratch, "[]");
    if (!element && f->shape == SCHEMA_MAP)
        buf_append_str(scratch, "map[string]");
    buf_append_str(scratch, base_go_names[f->base]);
    if (f->type)
        buf_append_str(scratch, f->type->name);
    return buf_cstr(scratch);
}

const char *codec_kind_name(const struct value *v)
{
    static const char *const names[] = {
        [VALUE_NULL] = "null",     [VALUE_BOOL] = "bool",   [VALUE_INT] = "number",    [VALUE_REAL] = "number",
        [VALUE_STRING] = "string", [VALUE_ARRAY] = "array", [VALUE_OBJECT] = "object",
    };

    return names[value_kind(v)];
}

static bool refuse_type(const struct value *v, char **ret_problem)
{
    *ret_problem = mem_printf("cannot unmarshal %s", codec_kind_name(v));
    return false;
}

/* A type that reads itself does not know where it stands. */
static bool refuse_inside(const struct value *v, const char *go_type, char **ret_problem)
{
    *ret_problem = mem_printf("json: cannot unmarshal %s into Go value of type %s", codec_kind_name(v), go_type);
    return false;
}

static bool refuse_number(const struct value *v, char **ret_problem)
{
    BUF_LOCAL(text);

    value_write(v, &text);
    *ret_problem = mem_printf("cannot unmarshal number %s", buf_cstr(&text));
    return false;
}

static void replace_text(struct value **v, struct slice text)
{
    if (slice_equal(value_string(*v), text))
        return;
    value_free(*v);
    *v = value_new_string(text);
}

static bool normalise_int(struct value **v, int64_t low, int64_t high, char **ret_problem)
{
    if (value_is(*v, VALUE_REAL))
        return refuse_number(*v, ret_problem);
    if (!value_is(*v, VALUE_INT))
        return refuse_type(*v, ret_problem);
    return (value_int(*v) >= low && value_int(*v) <= high) || refuse_number(*v, ret_problem);
}

static bool normalise_int_or_string(struct value **v, char **ret_problem)
{
    if (!value_is(*v, VALUE_INT) && !value_is(*v, VALUE_REAL))
        return refuse_inside(*v, "int32", ret_problem);
    return normalise_int(v, INT32_MIN, INT32_MAX, ret_problem);
}

/* Where encoding/base64 would stop reading. */
static size_t base64_error_offset(struct slice text)
{
    size_t symbols = 0;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool symbol = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
                      c == '/';

        if (c == '\r' || c == '\n')
            continue;
        if (symbol) {
            symbols++;
            continue;
        }
        if (c != '=' || symbols % 4 < 2)
            return i;
        return symbols % 4 == 2 ? i + 1 : i;
    }
    return text.len - symbols % 4;
}

static bool normalise_bytes(struct value **v, char **ret_problem)
{
    BUF_LOCAL(raw);
    BUF_LOCAL(text);

    if (!value_is(*v, VALUE_STRING))
        return refuse_type(*v, ret_problem);
    if (!base64_decode(&raw, value_string(*v))) {
        *ret_problem = mem_printf("illegal base64 data at input byte %zu", base64_error_offset(value_string(*v)));
        return false;
    }
    base64_encode(&text, buf_slice(&raw));
    replace_text(v, buf_slice(&text));
    return true;
}

static bool normalise_quantity(struct value **v, char **ret_problem)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(text);
    struct quantity q;

    if (value_is(*v, VALUE_STRING))
        buf_append_slice(&text, slice_trim(value_string(*v)));
    else if (value_is(*v, VALUE_INT) || value_is(*v, VALUE_REAL))
        value_write(*v, &text);
    else
        buf_append_str(&text, "?"); /* refused with the words for any other bad text */
    if (quantity_parse(buf_slice(&text), &q, &err) < 0) {
        *ret_problem = mem_strdup(error_text(&err));
        return false;
    }
    buf_reset(&text);
    quantity_write(&q, &text);
    replace_text(v, buf_slice(&text));
    return true;
}

/* Go's zero time, which its clients write where they mean none. */
static bool is_zero_time(struct slice text)
{
    return slice_is(text, "0001-01-01T00:00:00Z") || slice_is(text, "0001-01-01T00:00:00.000000Z");
}

static bool normalise_time(struct value **v, bool micro, char **ret_problem)
{
    char text[TIME_TEXT_MAX];
    int64_t wall_ns;

    if (!value_is(*v, VALUE_STRING))
        return refuse_inside(*v, "string", ret_problem);
    if (is_zero_time(value_string(*v))) {
        value_free(*v);
        *v = value_new_null();
        return true;
    }
    if (!time_parse(value_string(*v), &wall_ns)) {
        *ret_problem =
            mem_printf("parsing time \"%.*s\" as \"2006-01-02T15:04:05%sZ07:00\": cannot parse \"%.*s\" as \"2006\"",
                       SLICE_ARGS(value_string(*v)), micro ? ".000000" : "", SLICE_ARGS(value_string(*v)));
        return false;
    }
    if (micro)
        time_format_micro(wall_ns, text);
    else
        time_format_seconds(wall_ns, text);
    replace_text(v, slice_str(text));
    return true;
}

/* Null elements become "", as in Go. */
static bool normalise_strings(struct value **v, char **ret_problem)
{
    if (!value_is(*v, VALUE_ARRAY))
        return refuse_type(*v, ret_problem);
    for (size_t i = 0; i < value_count(*v); i++) {
        const struct value *element = value_at(*v, i);

        if (value_is(element, VALUE_NULL))
            value_replace_at(*v, i, value_new_str(""));
        else if (!value_is(element, VALUE_STRING))
            return refuse_type(element, ret_problem);
    }
    return true;
}

bool codec_normalise_scalar(enum schema_base base, struct value **v, char **ret_problem)
{
    switch (base) {
    case SCHEMA_STRING:
        return value_is(*v, VALUE_STRING) || refuse_type(*v, ret_problem);
    case SCHEMA_BOOL:
        return value_is(*v, VALUE_BOOL) || refuse_type(*v, ret_problem);
    case SCHEMA_INT32:
        return normalise_int(v, INT32_MIN, INT32_MAX, ret_problem);
    case SCHEMA_INT64:
        return normalise_int(v, INT64_MIN, INT64_MAX, ret_problem);
    case SCHEMA_DOUBLE:
        return value_is(*v, VALUE_INT) || value_is(*v, VALUE_REAL) || refuse_type(*v, ret_problem);
    case SCHEMA_BYTES:
        return normalise_bytes(v, ret_problem);
    case SCHEMA_QUANTITY:
        return normalise_quantity(v, ret_problem);
    case SCHEMA_INT_OR_STRING:
        return value_is(*v, VALUE_STRING) || normalise_int_or_string(v, ret_problem);
    case SCHEMA_TIME:
        return normalise_time(v, false, ret_problem);
    case SCHEMA_MICRO_TIME:
        return normalise_time(v, true, ret_problem);
    case SCHEMA_STRINGS:
        return normalise_strings(v, ret_problem);
    case SCHEMA_ANY:
    case SCHEMA_FIELDS_V1:
    case SCHEMA_EITHER:
    case SCHEMA_OBJECT:
        break;
    }
    return true;
}

struct value *codec_zero(const struct schema_field *f)
{
    if (f->shape != SCHEMA_ONE || (f->flags & SCHEMA_POINTER))
        return value_new_null();
    switch (f->base) {
    case SCHEMA_STRING:
        return value_new_str("");
    case SCHEMA_BOOL:
        return value_new_bool(false);
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_DOUBLE:
    case SCHEMA_INT_OR_STRING:
        return value_new_int(0);
    case SCHEMA_QUANTITY:
        return value_new_str("0");
    case SCHEMA_OBJECT:
        return value_new_object();
    default:
        return value_new_null();
    }
}

bool codec_is_omitted(const struct schema_field *f, const struct value *v)
{
    if (value_is(v, VALUE_NULL))
        return true;
    if (f->flags & (SCHEMA_POINTER | SCHEMA_EMIT_EMPTY))
        return false;
    switch (value_kind(v)) {
    case VALUE_BOOL:
        return !value_bool(v);
    case VALUE_INT:
    case VALUE_REAL:
        return f->base != SCHEMA_INT_OR_STRING && value_real(v) == 0;
    case VALUE_STRING:
        return f->shape == SCHEMA_ONE && f->base != SCHEMA_INT_OR_STRING && !value_string(v).len;
    case VALUE_ARRAY:
        return f->base != SCHEMA_ANY && !value_count(v);
    case VALUE_OBJECT:
        return f->shape == SCHEMA_MAP && !value_count(v);
    case VALUE_NULL:
        break;
    }
    return true;
}
