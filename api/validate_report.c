/* SPDX-License-Identifier: Apache-2.0 */
/* Findings of validation, worded as upstream words them, and the small checks that every rule file uses. */
#include "api/validate_internal.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "api/quantity.h"
#include "lib/encoding.h"

#define SHOWN_MAX 2048 /* bytes of a bad value that a message shows */

void vpath_write(const struct vpath *at, struct buf *out)
{
    if (!at) {
        if (!out->len)
            buf_append_str(out, "[]");
        return;
    }
    if (at->up)
        vpath_write(at->up, out);
    switch (at->step) {
    case VPATH_FIELD:
        buf_append_str(out, at->up ? "." : "");
        buf_append_slice(out, at->name);
        break;
    case VPATH_INDEX:
        buf_printf(out, "[%zu]", at->index);
        break;
    case VPATH_KEY:
        buf_printf(out, "[%.*s]", SLICE_ARGS(at->name));
        break;
    }
}

/* `text` goes in cut, so that a megabyte of bad value does not come back as a megabyte of message. */
static void report(struct validator *v, const char *reason, const struct vpath *at, const struct buf *text)
{
    BUF_LOCAL(field);

    if (v->err->cause_count >= VALIDATE_CAUSES_MAX)
        return;
    vpath_write(at, &field);
    error_add_cause(v->err, reason, buf_cstr(&field), "%.*s", SLICE_ARGS(buf_slice(text)));
}

static void write_shown(struct buf *out, const struct value *bad)
{
    if (!bad)
        buf_append_str(out, "\"null\"");
    else
        value_write_start(bad, out, SHOWN_MAX);
}

static void report_value(struct validator *v, const char *reason, const char *head, const struct vpath *at,
                         const struct value *bad, const char *why)
{
    BUF_LOCAL(text);

    buf_printf(&text, "%s: ", head);
    write_shown(&text, bad);
    if (why)
        buf_printf(&text, ": %s", why);
    report(v, reason, at, &text);
}

void report_invalid(struct validator *v, const struct vpath *at, const struct value *bad, const char *why)
{
    report_value(v, "FieldValueInvalid", "Invalid value", at, bad, why);
}

void report_invalid_text(struct validator *v, const struct vpath *at, struct slice bad, const char *why)
{
    struct value *text CLEANUP_VALUE = value_new_string(bad);

    report_invalid(v, at, text, why);
}

void report_duplicate(struct validator *v, const struct vpath *at, const struct value *bad)
{
    report_value(v, "FieldValueDuplicate", "Duplicate value", at, bad, NULL);
}

void report_duplicate_text(struct validator *v, const struct vpath *at, struct slice bad)
{
    struct value *text CLEANUP_VALUE = value_new_string(bad);

    report_duplicate(v, at, text);
}

void report_not_found(struct validator *v, const struct vpath *at, struct slice bad)
{
    struct value *text CLEANUP_VALUE = value_new_string(bad);

    report_value(v, "FieldValueNotFound", "Not found", at, text, NULL);
}

static void report_bare(struct validator *v, const char *reason, const char *head, const struct vpath *at,
                        const char *why)
{
    BUF_LOCAL(text);

    buf_printf(&text, "%s%s%s", head, why && *why ? ": " : "", why ? why : "");
    report(v, reason, at, &text);
}

void report_required(struct validator *v, const struct vpath *at, const char *why)
{
    report_bare(v, "FieldValueRequired", "Required value", at, why);
}

void report_forbidden(struct validator *v, const struct vpath *at, const char *why)
{
    report_bare(v, "FieldValueForbidden", "Forbidden", at, why);
}

void report_too_long(struct validator *v, const struct vpath *at, size_t max_bytes)
{
    char why[64];

    (void)snprintf(why, sizeof(why), "may not be more than %zu bytes", max_bytes);
    report_bare(v, "FieldValueTooLong", "Too long", at, why);
}

void report_too_many(struct validator *v, const struct vpath *at, size_t count, size_t max)
{
    BUF_LOCAL(text);

    buf_printf(&text, "Too many: %zu: must have at most %zu items", count, max);
    report(v, "FieldValueTooMany", at, &text);
}

void report_type_invalid(struct validator *v, const struct vpath *at, const char *got, const char *place,
                         const char *wanted)
{
    BUF_LOCAL(text);

    buf_printf(&text, "Invalid value: \"%s\": %s in body must be of type %s: \"%s\"", got, place, wanted, got);
    report(v, "FieldValueTypeInvalid", at, &text);
}

void report_not_listed(struct validator *v, const struct vpath *at, const struct value *bad, const struct value *values)
{
    BUF_LOCAL(text);

    buf_append_str(&text, "Unsupported value: ");
    write_shown(&text, bad);
    buf_append_str(&text, ": supported values: ");
    for (size_t i = 0; i < value_count(values) && text.len < SHOWN_MAX; i++) {
        buf_append_str(&text, i ? ", " : "");
        write_shown(&text, value_at(values, i));
    }
    report(v, "FieldValueNotSupported", at, &text);
}

void report_not_supported(struct validator *v, const struct vpath *at, struct slice bad, const char *const *values)
{
    struct value *shown CLEANUP_VALUE = value_new_string(bad);

    report_not_supported_value(v, at, shown, values);
}

void report_not_supported_value(struct validator *v, const struct vpath *at, const struct value *bad,
                                const char *const *values)
{
    BUF_LOCAL(text);

    buf_append_str(&text, "Unsupported value: ");
    write_shown(&text, bad);
    buf_append_str(&text, ": supported values: ");
    for (size_t i = 0; values[i]; i++)
        buf_printf(&text, "%s\"%s\"", i ? ", " : "", values[i]);
    report(v, "FieldValueNotSupported", at, &text);
}

bool check_name(struct validator *v, const struct vpath *at, struct slice text, const char *(*rule)(struct slice s))
{
    const char *why = rule(text);
    const char *more = NULL;

    if (why && rule == validate_qualified_name)
        more = validate_qualified_name_more(text);
    else if (why && rule == validate_port_name)
        more = validate_port_name_more(text, why);
    if (why)
        report_invalid_text(v, at, text, why);
    if (more)
        report_invalid_text(v, at, text, more);
    return !why;
}

bool check_range(struct validator *v, const struct vpath *at, const struct value *number, int64_t low, int64_t high)
{
    char why[96];

    if (!number || (value_int(number) >= low && value_int(number) <= high))
        return true;
    (void)snprintf(why, sizeof(why), "must be between %lld and %lld, inclusive", (long long)low, (long long)high);
    report_invalid(v, at, number, why);
    return false;
}

bool check_not_negative(struct validator *v, const struct vpath *at, const struct value *number)
{
    if (value_int(number) >= 0)
        return true;
    report_invalid(v, at, number, "must be greater than or equal to 0");
    return false;
}

bool check_one_of(struct validator *v, const struct vpath *at, struct slice text, const char *const *values)
{
    for (size_t i = 0; values[i]; i++)
        if (slice_is(text, values[i]))
            return true;
    report_not_supported(v, at, text, values);
    return false;
}

bool check_ip(struct validator *v, const struct vpath *at, struct slice text)
{
    unsigned char address[16];
    char copy[64];

    if (text.len && text.len < sizeof(copy)) {
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
        if (inet_pton(AF_INET, copy, address) == 1 || inet_pton(AF_INET6, copy, address) == 1)
            return true;
    }
    report_invalid_text(v, at, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    return false;
}

bool check_absolute_path(struct slice path)
{
    return path.len && path.data[0] == '/';
}

static bool has_dot_dot(struct slice path)
{
    struct slice part;

    while (slice_split(&path, '/', &part))
        if (slice_is(part, ".."))
            return true;
    return false;
}

void check_local_path(struct validator *v, const struct vpath *at, struct slice path)
{
    if (check_absolute_path(path))
        report_invalid_text(v, at, path, "must be a relative path");
    if (has_dot_dot(path))
        report_invalid_text(v, at, path, "must not contain '..'");
}

void check_quantity(struct validator *v, const struct vpath *at, const struct value *quantity)
{
    BUF_LOCAL(text);
    struct quantity q;
    ERROR_LOCAL(err);

    if (!quantity)
        return;
    if (value_is(quantity, VALUE_STRING))
        buf_append_slice(&text, value_string(quantity));
    else
        value_write(quantity, &text);
    if (quantity_parse(buf_slice(&text), &q, &err) < 0)
        report_invalid(v, at, quantity, error_text(&err));
    else if (q.nano < 0)
        report_invalid(v, at, quantity, "must be greater than or equal to 0");
}

/* "25%": digits and a percent sign. */
static bool is_percent(struct slice text)
{
    if (text.len < 2 || text.data[text.len - 1] != '%')
        return false;
    for (size_t i = 0; i + 1 < text.len; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return true;
}

void check_int_or_percent(struct validator *v, const struct vpath *at, const struct value *number)
{
    if (value_is(number, VALUE_STRING) && !is_percent(value_string(number)))
        report_invalid(v, at, number,
                       "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
                       "'93%', regex used for validation is '[0-9]+%')");
    else if (number)
        (void)check_not_negative(v, at, number);
}

void check_port_or_name(struct validator *v, const struct vpath *at, const struct value *port)
{
    if (value_is(port, VALUE_STRING))
        (void)check_name(v, at, value_string(port), validate_port_name);
    else if (port)
        (void)check_range(v, at, port, 1, 65535);
}

void check_fixed(const struct rule_site *s, const char *field)
{
    const struct value *now = value_get(s->object, field);

    if (s->old && !value_equal(now, value_get(s->old, field)))
        report_invalid(s->v, VFIELD(s->at, field), now, "field is immutable");
}
