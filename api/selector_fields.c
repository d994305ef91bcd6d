/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field selectors: `path=value`, `path==value`, `path!=value`, joined by commas. In values a backslash takes the comma,
 * the equals sign and the backslash for themselves. The value may be empty and then matches an empty field.
 */
#include "api/selector_internal.h"

/* Up to the next comma that is not escaped; what is left goes to *rest (data NULL = nothing). */
static struct slice take_term(struct slice *rest)
{
    struct slice term = *rest;

    for (size_t i = 0; i < rest->len; i++) {
        if (rest->data[i] == '\\') {
            i++;
        } else if (rest->data[i] == ',') {
            term.len = i;
            *rest = slice_from(*rest, i + 1);
            return term;
        }
    }
    *rest = SLICE_NONE;
    return term;
}

/* The first operator outside of escapes. */
static bool split_term(struct slice term, struct slice *ret_path, struct slice *ret_value,
                       enum selector_operator *ret_op)
{
    static const struct {
        const char *text;
        enum selector_operator op;
    } operators[] = {{"!=", SELECTOR_NOT_EQUALS}, {"==", SELECTOR_DOUBLE_EQUALS}, {"=", SELECTOR_EQUALS}};

    for (size_t i = 0; i < term.len; i++) {
        struct slice here = slice_from(term, i);

        if (term.data[i] == '\\') {
            i++;
            continue;
        }
        for (size_t j = 0; j < ARRAY_SIZE(operators); j++) {
            size_t len = strlen(operators[j].text);

            if (!slice_starts(here, slice_str(operators[j].text)))
                continue;
            *ret_path = slice_make(term.data, i);
            *ret_value = slice_from(here, len);
            *ret_op = operators[j].op;
            return true;
        }
    }
    return false;
}

static int unescape(struct slice in, struct buf *out, struct error *err)
{
    for (size_t i = 0; i < in.len; i++) {
        char c = in.data[i];

        if (c == '\\') {
            char next = i + 1 < in.len ? in.data[i + 1] : '\0';

            if (next != '\\' && next != ',' && next != '=')
                return error_set(err, ERROR_BAD_REQUEST, "invalid field selector: invalid escape sequence: \\%.*s",
                                 next ? 1 : 0, &next);
            c = next;
            i++;
        } else if (c == ',' || c == '=') {
            return error_set(err, ERROR_BAD_REQUEST, "invalid field selector: unescaped character in value: %c", c);
        }
        buf_append_byte(out, c);
    }
    return 0;
}

static bool kind_offers(const struct schema_kind *kind, struct slice path)
{
    if (!kind || slice_is(path, "metadata.name") || slice_is(path, "metadata.namespace"))
        return true;
    for (size_t i = 0; kind->selectable && kind->selectable[i]; i++)
        if (slice_is(path, kind->selectable[i]))
            return true;
    return false;
}

static int add_term(const struct schema_kind *kind, struct slice text, struct slice term, struct selector *s,
                    struct error *err)
{
    BUF_LOCAL(value);
    struct slice path, raw;
    enum selector_operator op;
    int rc;

    if (!split_term(term, &path, &raw, &op))
        return error_set(err, ERROR_BAD_REQUEST, "invalid selector: '%.*s'; can't understand '%.*s'", SLICE_ARGS(text),
                         SLICE_ARGS(term));
    if ((rc = unescape(raw, &value, err)) < 0)
        return rc;
    if (!kind_offers(kind, path) && !kind->custom && !(kind->selectable && kind->selectable[0]))
        return error_set(err, ERROR_BAD_REQUEST,
                         "\"%.*s\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                         SLICE_ARGS(path));
    if (!kind_offers(kind, path))
        return error_set(err, ERROR_BAD_REQUEST, "field label not supported: %.*s", SLICE_ARGS(path));
    selector_add_value(selector_add(s, path, op), value.data ? buf_slice(&value) : SLICE_LIT(""));
    return 0;
}

int selector_parse_fields(const struct schema_kind *kind, struct slice text, struct selector **ret_selector,
                          struct error *err)
{
    struct selector *s CLEANUP_SELECTOR = mem_zalloc(sizeof(*s));
    struct slice rest = text;
    int rc;

    while (rest.data) {
        struct slice term = take_term(&rest);

        if (term.len && (rc = add_term(kind, text, term, s, err)) < 0)
            return rc;
    }
    selector_sort(s);
    *ret_selector = STEAL(s);
    return 0;
}
