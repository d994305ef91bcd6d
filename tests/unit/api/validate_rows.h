/* SPDX-License-Identifier: Apache-2.0 */
/* Each row changes a good object by a merge patch and names all the causes that must come, in order. */
#ifndef KNARR_TESTS_UNIT_API_VALIDATE_ROWS_H
#define KNARR_TESTS_UNIT_API_VALIDATE_ROWS_H

#include "tests/unit/test.h"

#include "api/codec.h"
#include "api/patch.h"
#include "api/validate.h"
#include "api/validate_internal.h"

#define POD                                                                                                            \
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"n\"},\"spec\":{"             \
    "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"

struct row {
    const char *base;
    const char *change; /* merge patch */
    const char *causes; /* "field: message" lines; a line that ends in ~ is only the beginning */
};

static inline struct value *json(const char *text)
{
    ERROR_LOCAL(err);
    struct value *v = value_parse(slice_str(text), &err);

    if (!v)
        fail_msg("%s: %s", text, error_text(&err));
    return v;
}

static inline const struct schema_kind *kind_of(const struct value *object)
{
    struct slice group, version;
    const struct schema_kind *kind;

    schema_split_api_version(value_string(value_get(object, "apiVersion")), &group, &version);
    kind = schema_find_kind(group, version, value_string(value_get(object, "kind")));
    assert_non_null(kind);
    return kind;
}

/* The base with the change, decoded and defaulted as a request would be. */
static inline struct value *changed(const char *base, const char *change)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(text);
    struct codec_findings findings = {0};
    struct value *b CLEANUP_VALUE = json(base);
    struct value *p CLEANUP_VALUE = json(change);
    struct value *r CLEANUP_VALUE = NULL;
    struct value *decoded;

    assert_int_equal(patch_merge(b, p, &r, NULL), 0);
    value_write(r, &text);
    decoded = codec_decode(kind_of(b), CODEC_JSON, buf_slice(&text), CODEC_STRICT, &findings, &err);
    if (!decoded)
        fail_msg("%s: %s", change, error_text(&err));
    codec_findings_clear(&findings);
    default_apply(kind_of(b), decoded);
    return decoded;
}

static inline void compare_causes(const char *what, const struct error *err, const char *causes)
{
    struct slice rest = slice_str(causes);
    struct slice line;
    size_t i = 0;

    while (rest.data && slice_split(&rest, '\n', &line)) {
        char *cause CLEANUP_FREE = NULL;
        bool begins = slice_ends(line, SLICE_LIT("~"));

        if (!line.len)
            continue;
        line.len -= begins;
        if (i >= err->cause_count)
            fail_msg("%s: missing %.*s", what, SLICE_ARGS(line));
        cause = mem_printf("%s: %s", err->causes[i].field, err->causes[i].message);
        if (begins ? !slice_starts(slice_str(cause), line) : !slice_is(line, cause))
            fail_msg("%s: %s", what, cause);
        i++;
    }
    if (i < err->cause_count)
        fail_msg("%s: also %s: %s", what, err->causes[i].field, err->causes[i].message);
}

static inline void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ERROR_LOCAL(err);
        struct value *object CLEANUP_VALUE = changed(rows[i].base, rows[i].change);
        int rc = validate_object(kind_of(object), object, NULL, "", &err);

        assert_int_equal(rc, *rows[i].causes ? -ERROR_INVALID : 0);
        compare_causes(rows[i].change, &err, rows[i].causes);
    }
}

/* An update of the base with `before` to the base with `after`, through a subresource. */
static inline void check_write(const char *base, const char *subresource, const char *before, const char *after,
                               const char *causes)
{
    ERROR_LOCAL(err);
    struct value *old CLEANUP_VALUE = changed(base, before);
    struct value *now CLEANUP_VALUE = changed(base, after);

    (void)validate_object(kind_of(now), now, old, subresource, &err);
    compare_causes(after, &err, causes);
}

static inline void check_update(const char *base, const char *before, const char *after, const char *causes)
{
    check_write(base, "", before, after, causes);
}

#endif
