/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies to trees: picks the format, checks what the body says it is, and leaves the shape to codec_normalise. The
 * words of refusals are upstream's, because clients and people compare them.
 */
#include "api/codec_internal.h"

#include <stdio.h>

#include "api/value_internal.h"
#include "lib/encoding.h"
#include "lib/yaml.h"

#define FINDINGS_MAX  100                                 /* more than anybody reads; upstream stops there too */
#define PREVIEW_MAX   30                                  /* bytes of a bad body that go into the message */
#define LEGACY_SCHEME "pkg/api/legacyscheme/scheme.go:30" /* part of a message that clients have seen for years */
#define TYPE_META_TYPE                                                                                                 \
    "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "                                   \
    "\"json:\\\"kind,omitempty\\\"\" }"

bool codec_format_of(struct slice content_type, enum codec_format *ret_format)
{
    static const struct {
        const char *name;
        enum codec_format format;
    } formats[] = {
        {"", CODEC_JSON},
        {"application/json", CODEC_JSON},
        {"application/yaml", CODEC_YAML},
        {"application/vnd.kubernetes.protobuf", CODEC_PROTOBUF},
    };
    struct slice type;

    if (!slice_split(&content_type, ';', &type))
        type = SLICE_NONE;
    type = slice_trim(type);
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        if (slice_equal_nocase(type, slice_str(formats[i].name))) {
            *ret_format = formats[i].format;
            return true;
        }
    }
    return false;
}

void codec_findings_clear(struct codec_findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->texts[i]);
    free(f->texts);
    *f = (struct codec_findings){0};
}

void codec_findings_add(struct codec_findings *f, const char *fmt, ...)
{
    va_list args;

    if (f->count >= FINDINGS_MAX)
        return;
    f->texts = mem_grow(f->texts, &f->cap, f->count + 1, sizeof *f->texts);
    va_start(args, fmt);
    f->texts[f->count++] = mem_vprintf(fmt, args);
    va_end(args);
}

static void note_duplicate(void *arg, const char *path)
{
    codec_findings_add(arg, "duplicate field \"%s\"", path);
}

/* The start of a body that could not be read, for people: as text when it may be JSON, else in hex. */
static void write_preview(struct slice body, struct buf *out)
{
    struct slice start = slice_make(body.data, body.len > PREVIEW_MAX ? PREVIEW_MAX : body.len);

    if (!body.len)
        buf_append_str(out, "<empty>");
    else if (body.data[0] == '{')
        buf_append_slice(out, start);
    else
        hex_encode(out, start);
    if (body.len > PREVIEW_MAX)
        buf_append_str(out, " ...");
}

/* "the object provided is unrecognized": its type cannot be found out. */
static int fail_unrecognized(const struct schema_kind *kind, struct slice body, const char *problem, struct error *err)
{
    BUF_LOCAL(preview);

    write_preview(body, &preview);
    return error_set(err, ERROR_BAD_REQUEST, "the object provided is unrecognized (must be of type %s): %s (%s)",
                     kind->kind, problem, buf_cstr(&preview));
}

static int fail_parse(const struct schema_kind *kind, struct slice body, const char *problem, struct error *err)
{
    char *text CLEANUP_FREE = mem_printf("couldn't get version/kind; json parse error: %s", problem);

    return fail_unrecognized(kind, body, text, err);
}

/* A JSON or YAML body as a tree that is an object. */
static struct value *parse_text(const struct schema_kind *kind, enum codec_format format, struct slice body,
                                struct codec_findings *findings, struct error *err)
{
    ERROR_LOCAL(problem);
    BUF_LOCAL(json);
    struct value *v CLEANUP_VALUE = NULL;
    struct slice text = body;

    if (format == CODEC_YAML) {
        if (yaml_to_json(body, &json, &problem) < 0) {
            fail_unrecognized(kind, body, error_text(&problem), err);
            return NULL;
        }
        text = buf_slice(&json);
    }
    v = value_parse_reporting(text, note_duplicate, findings, &problem);
    if (!v) {
        fail_parse(kind, body, error_text(&problem), err);
        return NULL;
    }
    if (value_is(v, VALUE_NULL))
        return value_new_object();
    if (!value_is(v, VALUE_OBJECT)) {
        char *text_of CLEANUP_FREE =
            mem_printf("json: cannot unmarshal %s into Go value of type " TYPE_META_TYPE, codec_kind_name(v));

        fail_parse(kind, body, text_of, err);
        return NULL;
    }
    return STEAL(v);
}

/* The stated type is another than the wanted one. */
static int fail_other_type(const struct schema_kind *kind, const char *api_version, const char *stated,
                           struct error *err)
{
    struct slice group, version;
    char wanted[128];
    int label = (int)strcspn(kind->group, ".");

    schema_split_api_version(slice_str(api_version), &group, &version);
    schema_api_version(kind, wanted, sizeof wanted);
    if (kind->custom && strcmp(api_version, wanted) != 0)
        return error_set(err, ERROR_BAD_REQUEST,
                         "the API version in the data (%s) does not match the expected API version (%s)", api_version,
                         wanted);
    if (kind->custom) {
        (void)error_set(err, ERROR_INVALID, "%s.%s is invalid: kind: Invalid value: \"%s\": must be %s", stated,
                        kind->group, stated, kind->kind);
        error_add_cause(err, "FieldValueInvalid", "kind", "Invalid value: \"%s\": must be %s", stated, kind->kind);
        return -(int)ERROR_INVALID;
    }
    if (!schema_find_kind(group, version, slice_str(stated)))
        return error_set(err, ERROR_BAD_REQUEST,
                         "%s in version \"%.*s\" cannot be handled as a %s: no kind \"%s\" is registered for version "
                         "\"%s\" in scheme \"" LEGACY_SCHEME "\"",
                         stated, SLICE_ARGS(version), kind->kind, stated, api_version);
    if (!strcmp(stated, kind->kind))
        return error_set(err, ERROR_BAD_REQUEST,
                         "the API version in the data (%s) does not match the expected API version (%s)", api_version,
                         wanted);
    return error_set(err, ERROR_BAD_REQUEST,
                     "%s in version \"%.*s\" cannot be handled as a %s: converting (%.*s.%s) to (%.*s.%s): unknown "
                     "conversion",
                     stated, SLICE_ARGS(version), kind->kind, SLICE_ARGS(version), stated, label ? label : 4,
                     label ? kind->group : "core", kind->kind);
}

static bool names_older_version(const struct schema_kind *kind, const char *api_version)
{
    struct slice group, version;

    schema_split_api_version(slice_str(api_version), &group, &version);
    return kind->also && slice_is(group, kind->group) && slice_is(version, kind->also);
}

/* Checks apiVersion and kind ("" or NULL = not stated), or puts them there. */
static int settle_type(const struct schema_kind *kind, struct value *object, const char *api_version,
                       const char *stated, struct slice body, struct error *err)
{
    char wanted[128];

    schema_api_version(kind, wanted, sizeof wanted);
    if (!api_version || !*api_version || kind->no_metadata) /* options are a kind of every group version */
        api_version = wanted;
    if (!stated || !*stated)
        stated = kind->kind;
    if (strchr(api_version, '/') != strrchr(api_version, '/')) {
        char *problem CLEANUP_FREE = mem_printf("unexpected GroupVersion string: %s", api_version);

        return fail_unrecognized(kind, body, problem, err);
    }
    if (names_older_version(kind, api_version))
        api_version = wanted;
    if (strcmp(api_version, wanted) != 0 || strcmp(stated, kind->kind) != 0)
        return fail_other_type(kind, api_version, stated, err);
    value_set_str(object, "apiVersion", wanted);
    value_set_str(object, "kind", kind->kind);
    return 0;
}

/* A member of the document that must be text when it is there. */
static int check_text(const struct schema_kind *kind, const struct value *object, const char *name, struct slice body,
                      struct error *err)
{
    const struct value *v = value_get(object, name);
    char *problem CLEANUP_FREE = NULL;

    if (value_is(v, VALUE_NULL) || value_is(v, VALUE_STRING))
        return 0;
    problem = mem_printf("json: cannot unmarshal %s into Go struct field .%s of type string", codec_kind_name(v), name);
    return fail_parse(kind, body, problem, err);
}

struct value *codec_decode(const struct schema_kind *kind, enum codec_format format, struct slice body,
                           enum codec_strictness strictness, struct codec_findings *findings, struct error *err)
{
    struct codec_findings own = {0};
    struct codec_findings *found = findings ? findings : &own;
    struct value *object CLEANUP_VALUE = NULL;
    char *api_version CLEANUP_FREE = NULL;
    char *stated CLEANUP_FREE = NULL;
    int r = 0;

    if (format == CODEC_PROTOBUF) {
        object = codec_decode_protobuf(kind, body, &api_version, &stated, err);
    } else {
        object = parse_text(kind, format, body, found, err);
        if (object &&
            (check_text(kind, object, "apiVersion", body, err) < 0 || check_text(kind, object, "kind", body, err) < 0))
            value_free(STEAL(object));
        api_version = object ? slice_dup(value_string(value_get(object, "apiVersion"))) : NULL;
        stated = object ? slice_dup(value_string(value_get(object, "kind"))) : NULL;
    }
    if (object)
        r = settle_type(kind, object, api_version, stated, body, err);
    if (object && r == 0)
        r = codec_normalise(kind, object, strictness, found, err);
    codec_findings_clear(&own);
    return r == 0 ? STEAL(object) : NULL;
}

static void note_duplicate_in_operations(void *arg, const char *path)
{
    codec_findings_add(arg, "json patch duplicate field \"%s\"", path);
}

static void note_unknown_in_operations(const struct value *operations, struct codec_findings *findings)
{
    static const char *const known[] = {"op", "path", "from", "value"};

    for (size_t i = 0; i < value_count(operations); i++) {
        struct value_iter it = value_iter_start(value_at(operations, i));
        struct slice name;
        struct value *v;

        while (value_iter_next(&it, &name, &v)) {
            size_t k = 0;

            while (k < ARRAY_SIZE(known) && !slice_is(name, known[k]))
                k++;
            if (k == ARRAY_SIZE(known))
                codec_findings_add(findings, "json patch unknown field \"[%zu].%.*s\"", i, SLICE_ARGS(name));
        }
    }
}

struct value *codec_parse_patch(struct slice json, bool operations, struct codec_findings *findings, struct error *err)
{
    struct value *patch =
        value_parse_reporting(json, operations ? note_duplicate_in_operations : note_duplicate, findings, err);

    if (operations && value_is(patch, VALUE_ARRAY))
        note_unknown_in_operations(patch, findings);
    return patch;
}

int codec_peek_type(enum codec_format format, struct slice body, char **ret_api_version, char **ret_kind,
                    struct error *err)
{
    struct value *v CLEANUP_VALUE = NULL;
    BUF_LOCAL(json);
    int r;

    if (format == CODEC_PROTOBUF)
        return codec_peek_protobuf(body, ret_api_version, ret_kind, err);
    if (format == CODEC_YAML) {
        r = yaml_to_json(body, &json, err);
        if (r < 0)
            return r;
        body = buf_slice(&json);
    }
    v = value_parse_lenient(body, err);
    if (!v)
        return -ERROR_BAD_REQUEST;
    *ret_api_version = slice_dup(value_string(value_get(v, "apiVersion")));
    *ret_kind = slice_dup(value_string(value_get(v, "kind")));
    return 0;
}
