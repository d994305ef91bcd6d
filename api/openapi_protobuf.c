/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protobuf form of /openapi/v2, which kubectl before 1.29 asks for: the JSON document rewritten member by member by
 * the tables below. Numbers are those of google/gnostic's OpenAPIv2.proto. What has no row is left out.
 */
#include "api/openapi.h"
#include "api/protobuf_write.h"
#include "api/scan.h"

#include <stdio.h>
#include <stdlib.h>

enum form {
    FORM_STRING,
    FORM_BOOL,
    FORM_DOUBLE,
    FORM_MESSAGE,
    FORM_ANY, /* Any{yaml=2}: JSON is YAML */
    FORM_PARAMETER,
};

#define WRAP_MAX 3
struct message;

struct field {
    const char *name;
    const struct message *message; /* FORM_MESSAGE */
    uint8_t number;
    uint8_t form;           /* enum form; an array is repeated */
    uint8_t wrap[WRAP_MAX]; /* messages of one field each that stand around the value, outermost first; 0 ends */
};

/* Members by name; those that start with "x-" go to `extension` as NamedAny; in a message with `entries` all members
 * are entries Named{name=1, value=2} of that number. */
struct message {
    const struct field *fields; /* ends with a NULL name */
    uint8_t extension;
    uint8_t entries;
    struct field entry;
};

static const struct message schema;

static const struct message properties = {.entries = 1, .entry = {.form = FORM_MESSAGE, .message = &schema}};

static const struct field schema_fields[] = {
    {"$ref", NULL, 1, FORM_STRING, {0}},
    {"format", NULL, 2, FORM_STRING, {0}},
    {"description", NULL, 4, FORM_STRING, {0}},
    {"default", NULL, 5, FORM_ANY, {0}},
    {"maximum", NULL, 7, FORM_DOUBLE, {0}},
    {"minimum", NULL, 9, FORM_DOUBLE, {0}},
    {"required", NULL, 19, FORM_STRING, {0}},
    {"enum", NULL, 20, FORM_ANY, {0}},
    {"additionalProperties", &schema, 21, FORM_MESSAGE, {1}},
    {"type", NULL, 22, FORM_STRING, {1}},
    {"items", &schema, 23, FORM_MESSAGE, {1}},
    {"properties", &properties, 25, FORM_MESSAGE, {0}},
    {NULL, NULL, 0, 0, {0}},
};
static const struct message schema = {.fields = schema_fields, .extension = 31};

static const struct field body_fields[] = {
    {"name", NULL, 2, FORM_STRING, {0}},       {"in", NULL, 3, FORM_STRING, {0}}, {"required", NULL, 4, FORM_BOOL, {0}},
    {"schema", &schema, 5, FORM_MESSAGE, {0}}, {NULL, NULL, 0, 0, {0}},
};
static const struct field query_fields[] = {
    {"in", NULL, 2, FORM_STRING, {0}},         {"description", NULL, 3, FORM_STRING, {0}},
    {"name", NULL, 4, FORM_STRING, {0}},       {"type", NULL, 6, FORM_STRING, {0}},
    {"uniqueItems", NULL, 20, FORM_BOOL, {0}}, {NULL, NULL, 0, 0, {0}},
};
static const struct field path_fields[] = {
    {"required", NULL, 1, FORM_BOOL, {0}},
    {"in", NULL, 2, FORM_STRING, {0}},
    {"description", NULL, 3, FORM_STRING, {0}},
    {"name", NULL, 4, FORM_STRING, {0}},
    {"type", NULL, 5, FORM_STRING, {0}},
    {"uniqueItems", NULL, 19, FORM_BOOL, {0}},
    {NULL, NULL, 0, 0, {0}},
};
static const struct message body_parameter = {.fields = body_fields};
static const struct message query_parameter = {.fields = query_fields};
static const struct message path_parameter = {.fields = path_fields};

/* ParametersItem{parameter=1{body_parameter=1 | non_body_parameter=2{query=3 | path=4}}} by the member "in". */
static const struct field parameter_forms[] = {
    {"body", &body_parameter, 0, FORM_MESSAGE, {1, 1}},
    {"query", &query_parameter, 0, FORM_MESSAGE, {1, 2, 3}},
    {"path", &path_parameter, 0, FORM_MESSAGE, {1, 2, 4}},
};

static const struct field response_fields[] = {
    {"description", NULL, 1, FORM_STRING, {0}},
    {"schema", &schema, 2, FORM_MESSAGE, {1}},
    {NULL, NULL, 0, 0, {0}},
};
static const struct message response = {.fields = response_fields};
static const struct message responses = {.entries = 1,
                                         .entry = {.form = FORM_MESSAGE, .message = &response, .wrap = {1}}};

static const struct field operation_fields[] = {
    {"description", NULL, 3, FORM_STRING, {0}},
    {"operationId", NULL, 5, FORM_STRING, {0}},
    {"produces", NULL, 6, FORM_STRING, {0}},
    {"consumes", NULL, 7, FORM_STRING, {0}},
    {"parameters", NULL, 8, FORM_PARAMETER, {0}},
    {"responses", &responses, 9, FORM_MESSAGE, {0}},
    {NULL, NULL, 0, 0, {0}},
};
static const struct message operation = {.fields = operation_fields, .extension = 13};

static const struct field path_item_fields[] = {
    {"get", &operation, 2, FORM_MESSAGE, {0}},
    {"put", &operation, 3, FORM_MESSAGE, {0}},
    {"post", &operation, 4, FORM_MESSAGE, {0}},
    {"delete", &operation, 5, FORM_MESSAGE, {0}},
    {"patch", &operation, 8, FORM_MESSAGE, {0}},
    {"parameters", NULL, 9, FORM_PARAMETER, {0}},
    {NULL, NULL, 0, 0, {0}},
};
static const struct message path_item = {.fields = path_item_fields, .extension = 10};
static const struct message paths = {.entries = 2, .entry = {.form = FORM_MESSAGE, .message = &path_item}};

static const struct field info_fields[] = {
    {"title", NULL, 1, FORM_STRING, {0}},
    {"version", NULL, 2, FORM_STRING, {0}},
    {NULL, NULL, 0, 0, {0}},
};
static const struct message info = {.fields = info_fields};
static const struct field document_fields[] = {
    {"swagger", NULL, 1, FORM_STRING, {0}},
    {"info", &info, 2, FORM_MESSAGE, {0}},
    {"paths", &paths, 8, FORM_MESSAGE, {0}},
    {"definitions", &properties, 9, FORM_MESSAGE, {0}},
    {NULL, NULL, 0, 0, {0}},
};
static const struct message document = {.fields = document_fields};

static void write_message(struct buf *out, const struct message *message, struct slice json);

static double read_double(struct slice json)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "%.*s", SLICE_ARGS(json));
    return strtod(text, NULL);
}

/* The value of one field, `number` and form known, inside the messages of `wrap`. */
static void write_value(struct buf *out, uint8_t number, const struct field *field, const uint8_t *wrap,
                        size_t wrap_left, struct slice json)
{
    BUF_LOCAL(inner);
    if (wrap_left && *wrap) {
        write_value(&inner, *wrap, field, wrap + 1, wrap_left - 1, json);
        protobuf_write_bytes(out, number, buf_slice(&inner));
        return;
    }
    switch (field->form) {
    case FORM_STRING:
        protobuf_write_bytes(out, number, scan_text(json, &inner));
        break;
    case FORM_BOOL:
        protobuf_write_tag(out, number, WIRE_VARINT);
        protobuf_write_varint(out, scan_bool(json, false));
        break;
    case FORM_DOUBLE:
        protobuf_write_double(out, number, read_double(json));
        break;
    case FORM_ANY:
        protobuf_write_bytes(&inner, 2, json);
        protobuf_write_bytes(out, number, buf_slice(&inner));
        break;
    default:
        write_message(&inner, field->message, json);
        protobuf_write_bytes(out, number, buf_slice(&inner));
        break;
    }
}

static void write_parameter(struct buf *out, uint8_t number, struct slice json)
{
    struct slice in = scan_get(json, "in");
    for (size_t i = 0; i < ARRAY_SIZE(parameter_forms); i++)
        if (scan_text_is(in, parameter_forms[i].name))
            write_value(out, number, &parameter_forms[i], parameter_forms[i].wrap, WRAP_MAX, json);
}

static void write_one(struct buf *out, const struct field *field, struct slice json)
{
    if (field->form == FORM_PARAMETER)
        write_parameter(out, field->number, json);
    else
        write_value(out, field->number, field, field->wrap, WRAP_MAX, json);
}

static void write_field(struct buf *out, const struct field *field, struct slice json)
{
    struct scan_cursor cursor = scan_open(json);
    struct slice element;
    /* A default may be an array; all other arrays are repeated fields. */
    if (!json.len || json.data[0] != '[' || (field->form == FORM_ANY && strcmp(field->name, "enum") != 0)) {
        write_one(out, field, json);
        return;
    }
    while (scan_element(&cursor, &element))
        write_one(out, field, element);
}

/* Named{name=1, value=2} */
static void write_entry(struct buf *out, uint8_t number, const struct field *field, struct slice name,
                        struct slice json)
{
    BUF_LOCAL(inner);
    protobuf_write_bytes(&inner, 1, name);
    write_value(&inner, 2, field, field->wrap, WRAP_MAX, json);
    protobuf_write_bytes(out, number, buf_slice(&inner));
}

static void write_message(struct buf *out, const struct message *message, struct slice json)
{
    static const struct field any = {.form = FORM_ANY};
    struct scan_cursor cursor = scan_open(json);
    struct slice name, value;
    while (scan_member(&cursor, &name, &value)) {
        if (message->entries) {
            write_entry(out, message->entries, &message->entry, name, value);
            continue;
        }
        if (message->extension && slice_starts(name, SLICE_LIT("x-"))) {
            write_entry(out, message->extension, &any, name, value);
            continue;
        }
        for (const struct field *f = message->fields; f->name; f++)
            if (slice_is(name, f->name))
                write_field(out, f, value);
    }
}

void openapi_write_v2_protobuf(struct buf *out, const struct schema_kind *const *kinds, size_t count,
                               const struct openapi_describer *describer)
{
    BUF_LOCAL(json);
    openapi_write_v2(&json, kinds, count, describer);
    write_message(out, &document, buf_slice(&json));
}
