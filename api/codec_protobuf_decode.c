/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf in: the envelope and the messages of upstream's generated.proto files, by the numbers in the schema's rows,
 * into the same tree that JSON would give. Zeros of fields that are no pointers come along and are dropped by
 * codec_normalise afterwards; an empty Time is null. Unknown numbers are skipped, as protobuf wants. Nesting is
 * bounded; nothing is allocated by a length before that many bytes were seen to be there.
 */
#include "api/codec_internal.h"
#include "api/codec_protobuf.h"

#include "lib/clock.h"
#include "lib/encoding.h"

struct input {
    const unsigned char *at;
    const unsigned char *end;
};

/* One field of a message as it stands on the wire. */
struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t number_value; /* WIRE_VARINT, WIRE_FIXED64, WIRE_FIXED32 */
    struct slice bytes;    /* WIRE_BYTES */
};

/* What went wrong, as Go's decoder would say; NULL = nothing. */
typedef const char *problem;
static const char problem_end[] = "unexpected EOF";
static const char problem_wire[] = "proto: wrong wireType for a field";
static const char problem_varint[] = "proto: integer overflow";
static const char problem_utf8[] = "proto: invalid UTF-8 in a string";
static const char problem_depth[] = "proto: nesting is too deep";
static const char problem_json[] = "proto: embedded JSON cannot be parsed";

static struct input input_of(struct slice s)
{
    const unsigned char *data = (const unsigned char *)s.data;

    return (struct input){data, data ? data + s.len : NULL};
}

static problem read_varint(struct input *in, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (int shift = 0; shift < 64; shift += 7) {
        if (in->at >= in->end)
            return problem_end;
        value |= (uint64_t)(*in->at & 0x7f) << shift;
        if (!(*in->at++ & 0x80)) {
            *ret_value = value;
            return NULL;
        }
    }
    return problem_varint;
}

static problem read_fixed(struct input *in, int size, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (in->end - in->at < size)
        return problem_end;
    for (int i = 0; i < size; i++)
        value |= (uint64_t)in->at[i] << (8 * i);
    in->at += size;
    *ret_value = value;
    return NULL;
}

/* The next field; its number is 0 at the end of the message. */
static problem read_field(struct input *in, struct wire_field *ret_field)
{
    uint64_t tag, len;
    problem p;

    *ret_field = (struct wire_field){0};
    if (in->at == in->end)
        return NULL;
    p = read_varint(in, &tag);
    if (p)
        return p;
    if (!(tag >> 3) || tag >> 3 > 0x1fffffff)
        return "proto: illegal tag";
    ret_field->number = (uint32_t)(tag >> 3);
    ret_field->type = (enum wire_type)(tag & 7);
    switch (tag & 7) {
    case WIRE_VARINT:
        return read_varint(in, &ret_field->number_value);
    case WIRE_FIXED64:
        return read_fixed(in, 8, &ret_field->number_value);
    case WIRE_FIXED32:
        return read_fixed(in, 4, &ret_field->number_value);
    case WIRE_BYTES:
        p = read_varint(in, &len);
        if (p)
            return p;
        if (len > (uint64_t)(in->end - in->at))
            return problem_end;
        ret_field->bytes = slice_make(in->at, (size_t)len);
        in->at += len;
        return NULL;
    default: /* groups: nobody writes them */
        return "proto: illegal wireType";
    }
}

/* Reads a small message whose fields are all known by number: texts[i] and numbers[i] for field i + 1. */
static problem read_flat(struct slice message, struct slice *texts, uint64_t *numbers, size_t count)
{
    struct input in = input_of(message);
    struct wire_field f;
    problem p;

    for (p = read_field(&in, &f); !p && f.number; p = read_field(&in, &f)) {
        if (f.number > count)
            continue;
        if (f.type == WIRE_BYTES)
            texts[f.number - 1] = f.bytes;
        else
            numbers[f.number - 1] = f.number_value;
    }
    return p;
}

static bool is_utf8(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.data;

    for (size_t i = 0, len; i < s.len; i += len) {
        unsigned char c = p[i];

        len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        if (len == 1)
            continue;
        if (c < 0xc2 || c > 0xf4 || s.len - i < len)
            return false;
        for (size_t j = 1; j < len; j++) {
            if ((p[i + j] & 0xc0) != 0x80)
                return false;
        }
        if ((c == 0xe0 && p[i + 1] < 0xa0) || (c == 0xed && p[i + 1] > 0x9f) || (c == 0xf0 && p[i + 1] < 0x90) ||
            (c == 0xf4 && p[i + 1] > 0x8f))
            return false;
    }
    return true;
}

static problem decode_text(struct slice text, struct value **ret_value)
{
    if (!is_utf8(text))
        return problem_utf8;
    *ret_value = value_new_string(text);
    return NULL;
}

static problem decode_quantity(struct slice message, struct value **ret_value)
{
    struct slice text = SLICE_NONE;
    uint64_t number;
    problem p = read_flat(message, &text, &number, 1);

    return p ? p : decode_text(text.len ? text : SLICE_LIT("0"), ret_value);
}

static problem decode_int_or_string(struct slice message, struct value **ret_value)
{
    struct slice texts[3] = {SLICE_NONE, SLICE_NONE, SLICE_NONE};
    uint64_t numbers[3] = {0};
    problem p = read_flat(message, texts, numbers, 3);

    if (p)
        return p;
    if (numbers[INT_OR_STRING_TYPE - 1] == 1)
        return decode_text(texts[INT_OR_STRING_TEXT - 1], ret_value);
    *ret_value = value_new_int((int32_t)numbers[INT_OR_STRING_INT - 1]);
    return NULL;
}

static problem decode_time(struct slice message, bool micro, struct value **ret_value)
{
    struct slice texts[2];
    uint64_t numbers[2] = {0};
    char text[TIME_TEXT_MAX];
    problem p = read_flat(message, texts, numbers, 2);
    int64_t seconds = (int64_t)numbers[TIME_SECONDS - 1];

    if (p)
        return p;
    if (!message.len) {
        *ret_value = value_new_null();
        return NULL;
    }
    if (seconds > INT64_MAX / NS_PER_S - 1 || seconds < INT64_MIN / NS_PER_S + 1)
        return "proto: time out of range";
    if (micro)
        time_format_micro(seconds * NS_PER_S + (int32_t)numbers[TIME_NANOS - 1], text);
    else
        time_format_seconds(seconds * NS_PER_S, text);
    *ret_value = value_new_str(text);
    return NULL;
}

/* JSON inside of {raw = 1}. */
static problem decode_raw(struct slice message, struct value **ret_value)
{
    struct slice text = SLICE_NONE;
    uint64_t number;
    problem p = read_flat(message, &text, &number, 1);

    if (p)
        return p;
    *ret_value = text.len ? value_parse_lenient(text, NULL) : value_new_null();
    return *ret_value ? NULL : problem_json;
}

static problem decode_strings(struct slice message, struct value **ret_value)
{
    struct value *list CLEANUP_VALUE = value_new_array();
    struct input in = input_of(message);
    struct wire_field f;
    struct value *text;
    problem p;

    for (p = read_field(&in, &f); !p && f.number; p = read_field(&in, &f)) {
        if (f.number != WRAPPED_FIELD || f.type != WIRE_BYTES)
            continue;
        p = decode_text(f.bytes, &text);
        if (p)
            return p;
        value_append(list, text);
    }
    if (!p)
        *ret_value = STEAL(list);
    return p;
}

static problem decode_message(const struct schema_type *type, struct slice message, struct value *object, size_t depth);

static problem decode_object(const struct schema_type *type, struct slice message, size_t depth,
                             struct value **ret_value)
{
    struct value *object CLEANUP_VALUE = value_new_object();
    problem p = decode_message(type, message, object, depth + 1);

    if (!p)
        *ret_value = STEAL(object);
    return p;
}

/* The last alternative that is there, which is the boolean only when there is no other. */
static problem decode_either(const struct schema_type *type, struct slice message, size_t depth,
                             struct value **ret_value)
{
    struct value *all CLEANUP_VALUE = NULL;
    struct value *found CLEANUP_VALUE = NULL;
    problem p = decode_object(type, message, depth, &all);

    for (size_t i = 0; !p && i < type->field_count; i++) {
        struct value *v = value_take(all, type->fields[i].name);

        if (!v)
            continue;
        value_free(found);
        found = v;
    }
    if (!p)
        *ret_value = found ? STEAL(found) : value_new_null();
    return p;
}

static problem decode_bytes(struct slice bytes, struct value **ret_value)
{
    BUF_LOCAL(text);

    base64_encode(&text, bytes);
    *ret_value = value_new_string(buf_slice(&text));
    return NULL;
}

/* A value that stands in bytes on the wire. */
static problem decode_wrapped(const struct schema_field *f, struct slice bytes, size_t depth, struct value **ret_value)
{
    switch (f->base) {
    case SCHEMA_STRING:
        return decode_text(bytes, ret_value);
    case SCHEMA_BYTES:
        return decode_bytes(bytes, ret_value);
    case SCHEMA_QUANTITY:
        return decode_quantity(bytes, ret_value);
    case SCHEMA_INT_OR_STRING:
        return decode_int_or_string(bytes, ret_value);
    case SCHEMA_TIME:
    case SCHEMA_MICRO_TIME:
        return decode_time(bytes, f->base == SCHEMA_MICRO_TIME, ret_value);
    case SCHEMA_ANY:
    case SCHEMA_FIELDS_V1:
        return decode_raw(bytes, ret_value);
    case SCHEMA_STRINGS:
        return decode_strings(bytes, ret_value);
    case SCHEMA_EITHER:
        return decode_either(f->type, bytes, depth, ret_value);
    case SCHEMA_OBJECT:
        return decode_object(f->type, bytes, depth, ret_value);
    default:
        return problem_wire;
    }
}

static problem decode_number(const struct schema_field *f, const struct wire_field *wire, struct value **ret_value)
{
    double d;

    if ((f->base == SCHEMA_DOUBLE) != (wire->type == WIRE_FIXED64))
        return problem_wire;
    switch (f->base) {
    case SCHEMA_BOOL:
        *ret_value = value_new_bool(wire->number_value != 0);
        return NULL;
    case SCHEMA_INT32:
        *ret_value = value_new_int((int32_t)wire->number_value);
        return NULL;
    case SCHEMA_INT64:
        *ret_value = value_new_int((int64_t)wire->number_value);
        return NULL;
    case SCHEMA_DOUBLE:
        memcpy(&d, &wire->number_value, sizeof d);
        *ret_value = value_new_real(d);
        return NULL;
    default:
        return problem_wire;
    }
}

static problem decode_one(const struct schema_field *f, const struct wire_field *wire, size_t depth,
                          struct value **ret_value)
{
    if (wire->type == WIRE_BYTES)
        return decode_wrapped(f, wire->bytes, depth, ret_value);
    return wire->type == WIRE_FIXED32 ? problem_wire : decode_number(f, wire, ret_value);
}

/* Repeated numbers may come packed into one run of bytes. */
static problem decode_packed(const struct schema_field *f, struct slice run, struct value *list)
{
    struct input in = input_of(run);
    struct wire_field wire = {.type = f->base == SCHEMA_DOUBLE ? WIRE_FIXED64 : WIRE_VARINT};
    struct value *v;

    while (in.at < in.end) {
        problem p = f->base == SCHEMA_DOUBLE ? read_fixed(&in, 8, &wire.number_value)
                                             : read_varint(&in, &wire.number_value);

        if (!p)
            p = decode_number(f, &wire, &v);
        if (p)
            return p;
        value_append(list, v);
    }
    return NULL;
}

static bool is_number(const struct schema_field *f)
{
    return f->base == SCHEMA_BOOL || f->base == SCHEMA_INT32 || f->base == SCHEMA_INT64 || f->base == SCHEMA_DOUBLE;
}

static problem decode_element(const struct schema_field *f, const struct wire_field *wire, struct value *object,
                              size_t depth)
{
    struct value *list = value_need_array(object, f->name);
    struct value *v;
    problem p;

    if (wire->type == WIRE_BYTES && is_number(f))
        return decode_packed(f, wire->bytes, list);
    p = decode_one(f, wire, depth, &v);
    if (!p)
        value_append(list, v);
    return p;
}

/* A map's entry is a message {key = 1, value = 2}; either may be missing when it is zero. */
static problem decode_entry(const struct schema_field *f, const struct wire_field *wire, struct value *object,
                            size_t depth)
{
    struct wire_field value = {.type = is_number(f) ? WIRE_VARINT : WIRE_BYTES};
    struct input in = input_of(wire->bytes);
    struct slice key = SLICE_LIT("");
    struct wire_field part;
    struct value *v;
    problem p;

    if (wire->type != WIRE_BYTES)
        return problem_wire;
    for (p = read_field(&in, &part); !p && part.number; p = read_field(&in, &part)) {
        if (part.number == MAP_VALUE)
            value = part;
        else if (part.number == MAP_KEY)
            key = part.bytes;
    }
    if (p)
        return p;
    if (!is_utf8(key) || (key.len && memchr(key.data, '\0', key.len)))
        return problem_utf8;
    p = decode_one(f, &value, depth, &v);
    if (!p)
        value_set_slice(value_need_object(object, f->name), key, v);
    return p;
}

static problem decode_field(const struct schema_field *f, const struct wire_field *wire, struct value *object,
                            size_t depth)
{
    struct value *there, *v;
    problem p;

    if (f->shape == SCHEMA_LIST)
        return decode_element(f, wire, object, depth);
    if (f->shape == SCHEMA_MAP)
        return decode_entry(f, wire, object, depth);
    if (f->base == SCHEMA_OBJECT && wire->type == WIRE_BYTES) {
        if (f->flags & SCHEMA_INLINE)
            return decode_message(f->type, wire->bytes, object, depth + 1);
        there = value_get(object, f->name);
        if (there) /* a message may come in pieces */
            return decode_message(f->type, wire->bytes, there, depth + 1);
    }
    p = decode_one(f, wire, depth, &v);
    if (!p)
        value_set(object, f->name, v);
    return p;
}

static problem decode_message(const struct schema_type *type, struct slice message, struct value *object, size_t depth)
{
    struct input in = input_of(message);
    struct wire_field wire;
    problem p;

    if (depth > VALUE_DEPTH_MAX)
        return problem_depth;
    for (p = read_field(&in, &wire); !p && wire.number; p = read_field(&in, &wire)) {
        const struct schema_field *f = schema_find_number(type, wire.number);

        if (f)
            p = decode_field(f, &wire, object, depth);
        if (p)
            return p;
    }
    return p;
}

/* Opens the envelope. */
static problem open_envelope(struct slice body, struct slice *ret_raw, char **ret_api_version, char **ret_kind)
{
    struct slice parts[4] = {SLICE_NONE, SLICE_NONE, SLICE_NONE, SLICE_NONE};
    struct slice type[2] = {SLICE_NONE, SLICE_NONE};
    uint64_t numbers[4];
    problem p;

    if (!slice_starts(body, slice_make(PROTOBUF_MAGIC, PROTOBUF_MAGIC_LEN)))
        return "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";
    p = read_flat(slice_from(body, PROTOBUF_MAGIC_LEN), parts, numbers, 4);
    if (!p)
        p = read_flat(parts[ENVELOPE_TYPE - 1], type, numbers, 2);
    if (p)
        return p;
    if (parts[ENVELOPE_ENCODING - 1].len)
        return "proto: a content encoding inside of the envelope is not supported";
    if (!is_utf8(type[0]) || !is_utf8(type[1]))
        return problem_utf8;
    *ret_raw = parts[ENVELOPE_RAW - 1];
    *ret_api_version = slice_dup(type[TYPE_META_API_VERSION - 1]);
    *ret_kind = slice_dup(type[TYPE_META_KIND - 1]);
    return NULL;
}

int codec_peek_protobuf(struct slice body, char **ret_api_version, char **ret_kind, struct error *err)
{
    struct slice raw;
    problem p = open_envelope(body, &raw, ret_api_version, ret_kind);

    return p ? error_set(err, ERROR_BAD_REQUEST, "%s", p) : 0;
}

struct value *codec_decode_protobuf(const struct schema_kind *kind, struct slice body, char **ret_api_version,
                                    char **ret_kind, struct error *err)
{
    struct value *object CLEANUP_VALUE = value_new_object();
    struct slice raw;
    problem p = open_envelope(body, &raw, ret_api_version, ret_kind);

    /* Another kind's message would decode to nonsense here; the caller refuses it by what it states. */
    if (!p && (!**ret_kind || !strcmp(*ret_kind, kind->kind)))
        p = decode_message(kind->type, raw, object, 1);
    if (!p)
        return STEAL(object);
    error_set(err, ERROR_BAD_REQUEST, "%s in version \"%s\" cannot be handled as a %s: %s", kind->kind, kind->version,
              kind->kind, p);
    return NULL;
}
