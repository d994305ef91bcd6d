/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers and the selector of a custom resource that scales: what its definition says where they are. Upstream
 * reads them beside the schema, and tells what it does not find as its language shows values. */
#include "api/validate_internal.h"

#define REPLICAS_MAX 2147483647
#define SHOWN_MAX    2048
#define DEPTH_MAX    16

static const char *type_in_go(const struct value *v)
{
    switch (value_kind(v)) {
    case VALUE_OBJECT:
        return "map[string]interface {}";
    case VALUE_ARRAY:
        return "[]interface {}";
    case VALUE_STRING:
        return "string";
    case VALUE_INT:
        return "int64";
    case VALUE_REAL:
        return "float64";
    case VALUE_BOOL:
        return "bool";
    case VALUE_NULL:
        break;
    }
    return "<nil>";
}

/* As %v: map[a:1 b:x], [1 2], texts bare. */
static void show_in_go(struct buf *out, const struct value *v, int depth)
{
    struct value_iter it = value_iter_start(value_is(v, VALUE_OBJECT) ? v : NULL);
    struct slice name;
    struct value *child;
    const char *gap = "";

    if (out->len > SHOWN_MAX || depth > DEPTH_MAX)
        return;
    if (value_is(v, VALUE_NULL)) {
        buf_append_str(out, "<nil>");
    } else if (value_is(v, VALUE_STRING)) {
        buf_append_slice(out, value_string(v));
    } else if (value_is(v, VALUE_OBJECT)) {
        buf_append_str(out, "map[");
        while (value_iter_next(&it, &name, &child)) {
            buf_printf(out, "%s%.*s:", gap, SLICE_ARGS(name));
            show_in_go(out, child, depth + 1);
            gap = " ";
        }
        buf_append_byte(out, ']');
    } else if (value_is(v, VALUE_ARRAY)) {
        buf_append_byte(out, '[');
        for (size_t i = 0; i < value_count(v); i++) {
            buf_append_str(out, i ? " " : "");
            show_in_go(out, value_at(v, i), depth + 1);
        }
        buf_append_byte(out, ']');
    } else {
        value_write(v, out);
        if (value_is(v, VALUE_REAL) && slice_ends(buf_slice(out), SLICE_LIT(".0")))
            out->len -= 2;
    }
}

static void report_accessor(struct validator *v, const char *path, size_t path_len, const struct value *bad,
                            const char *zero, const char *wanted)
{
    struct value *shown CLEANUP_VALUE = *zero ? value_new_int(0) : value_new_str("");
    BUF_LOCAL(why);

    buf_printf(&why, "%.*s accessor error: ", (int)path_len, path);
    show_in_go(&why, bad, 0);
    buf_printf(&why, " is of the type %s, expected %s", type_in_go(bad), wanted);
    report_invalid(v, VFIELD(NULL, path), shown, buf_cstr(&why));
}

/* What is at ".spec.replicas"; NULL = nothing, or something that has been told of. */
static const struct value *need_at(struct validator *v, const char *path, enum value_kind type, const char *zero,
                                   const char *wanted)
{
    const struct value *at = v->object;
    struct slice rest = slice_str(path + (*path == '.'));
    struct slice part;

    while (at && !value_is(at, VALUE_NULL) && rest.len && slice_split(&rest, '.', &part)) {
        if (!value_is(at, VALUE_OBJECT)) {
            report_accessor(v, path, (size_t)(part.data + part.len - path), at, zero, "map[string]interface{}");
            return NULL;
        }
        at = value_get_slice(at, part);
    }
    if (at && !value_is(at, type) && !value_is(at, VALUE_NULL)) {
        report_accessor(v, path, strlen(path), at, zero, wanted);
        return NULL;
    }
    return at;
}

static void check_replicas(struct validator *v, const char *path)
{
    const struct value *replicas = need_at(v, path, VALUE_INT, "0", "int64");

    if (value_int(replicas) < 0)
        report_invalid(v, VFIELD(NULL, path), replicas, "should be a non-negative integer");
    else if (value_int(replicas) > REPLICAS_MAX)
        report_invalid(v, VFIELD(NULL, path), replicas, "should be less than or equal to 2147483647");
}

void check_custom_scale(struct validator *v)
{
    const struct schema_scale_paths *scale = v->kind->scale;

    if (!scale)
        return;
    if (strcmp(v->subresource, "status") != 0)
        check_replicas(v, scale->spec_replicas);
    check_replicas(v, scale->status_replicas);
    if (scale->selector)
        (void)need_at(v, scale->selector, VALUE_STRING, "", "string");
}
