/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf out, for clients that accept nothing else. Writes what upstream's generated code writes, byte for byte:
 * fields in the order of their numbers; those that are no pointers even when they are zero; lists, maps and bytes only
 * when there are any; maps sorted by key. Expects a tree that codec_decode or codec_normalise made.
 */
#include "api/codec_internal.h"
#include "api/codec_protobuf.h"

#include "lib/clock.h"
#include "lib/encoding.h"

static void write_either(const struct schema_type *type, const struct value *v, struct buf *out);

/* The inside of the message that a wrapped scalar is; NULL is its zero. */
static void write_wrapped(const struct schema_field *f, const struct value *v, struct buf *out)
{
    int64_t wall_ns;

    switch (f->base) {
    case SCHEMA_STRING:
        buf_append_slice(out, value_string(v));
        break;
    case SCHEMA_BYTES:
        base64_decode(out, value_string(v));
        break;
    case SCHEMA_QUANTITY:
        protobuf_write_bytes(out, WRAPPED_FIELD, v ? value_string(v) : SLICE_LIT("0"));
        break;
    case SCHEMA_INT_OR_STRING:
        protobuf_write_int(out, INT_OR_STRING_TYPE, value_is(v, VALUE_STRING));
        protobuf_write_int(out, INT_OR_STRING_INT, value_int(v));
        protobuf_write_bytes(out, INT_OR_STRING_TEXT, value_string(v));
        break;
    case SCHEMA_TIME:
    case SCHEMA_MICRO_TIME:
        if (!time_parse(value_string(v), &wall_ns))
            break; /* none: an empty message */
        protobuf_write_int(out, TIME_SECONDS, wall_ns / NS_PER_S - (wall_ns % NS_PER_S < 0));
        protobuf_write_int(out, TIME_NANOS, (wall_ns % NS_PER_S + NS_PER_S) % NS_PER_S);
        break;
    case SCHEMA_ANY:
    case SCHEMA_FIELDS_V1: {
        BUF_LOCAL(json);

        if (value_is(v, VALUE_NULL))
            break;
        value_write(v, &json);
        protobuf_write_bytes(out, WRAPPED_FIELD, buf_slice(&json));
        break;
    }
    case SCHEMA_STRINGS:
        for (size_t i = 0; i < value_count(v); i++)
            protobuf_write_bytes(out, WRAPPED_FIELD, value_string(value_at(v, i)));
        break;
    case SCHEMA_EITHER:
        write_either(f->type, v, out);
        break;
    case SCHEMA_OBJECT:
        codec_write_message(f->type, v, out);
        break;
    default:
        break;
    }
}

/* One value under a number; NULL writes the zero. */
static void write_one(const struct schema_field *f, uint32_t number, const struct value *v, struct buf *out)
{
    BUF_LOCAL(inside);

    switch (f->base) {
    case SCHEMA_BOOL:
        protobuf_write_int(out, number, value_bool(v));
        break;
    case SCHEMA_INT32:
    case SCHEMA_INT64:
        protobuf_write_int(out, number, value_int(v));
        break;
    case SCHEMA_DOUBLE:
        protobuf_write_double(out, number, value_real(v));
        break;
    default:
        write_wrapped(f, v, &inside);
        protobuf_write_bytes(out, number, buf_slice(&inside));
        break;
    }
}

/* The alternative under its number. A boolean beside it is true: what has a schema is allowed. */
static void write_either(const struct schema_type *type, const struct value *v, struct buf *out)
{
    const struct schema_field *chosen = codec_alternative(type, v);
    struct value *allowed CLEANUP_VALUE = value_new_bool(true);

    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *f = &type->fields[i];

        if (f == chosen && f->shape == SCHEMA_LIST)
            for (size_t j = 0; j < value_count(v); j++)
                write_one(f, f->number, value_at(v, j), out);
        else if (f == chosen)
            write_one(f, f->number, v, out);
        else if (f->base == SCHEMA_BOOL && f->shape == SCHEMA_ONE)
            write_one(f, f->number, allowed, out);
    }
}

static int compare_names(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static void write_map(const struct schema_field *f, const struct value *map, struct buf *out)
{
    size_t count = value_count(map), i = 0;
    struct slice *names CLEANUP_FREE = mem_calloc(count ? count : 1, sizeof *names);
    struct value_iter it = value_iter_start(map);
    struct value *v;

    while (i < count && value_iter_next(&it, &names[i], &v))
        i++;
    qsort(names, count, sizeof *names, compare_names);
    for (i = 0; i < count; i++) {
        BUF_LOCAL(entry);

        protobuf_write_bytes(&entry, MAP_KEY, names[i]);
        write_one(f, MAP_VALUE, value_get_slice(map, names[i]), &entry);
        protobuf_write_bytes(out, f->number, buf_slice(&entry));
    }
}

static void write_field(const struct schema_field *f, const struct value *object, struct buf *out)
{
    const struct value *v;

    if (f->flags & SCHEMA_INLINE) { /* its members are among the parent's; a pointer cannot be told from an empty one */
        write_one(f, f->number, object, out);
        return;
    }
    v = value_get(object, f->name);
    if (value_is(v, VALUE_NULL))
        v = NULL;
    if (f->shape == SCHEMA_MAP) {
        if (v)
            write_map(f, v, out);
    } else if (f->shape == SCHEMA_LIST) {
        for (size_t i = 0; i < value_count(v); i++)
            write_one(f, f->number, value_at(v, i), out);
    } else if (v || !((f->flags & SCHEMA_POINTER) || f->base == SCHEMA_BYTES)) {
        write_one(f, f->number, v, out);
    }
}

void codec_write_message(const struct schema_type *type, const struct value *object, struct buf *out)
{
    for (size_t i = 0; i < type->field_count; i++) {
        if (type->fields[i].number)
            write_field(&type->fields[i], object, out);
    }
}

void codec_write_envelope(const char *api_version, const char *kind, struct slice raw, struct buf *out)
{
    BUF_LOCAL(type);

    protobuf_write_bytes(&type, TYPE_META_API_VERSION, slice_str(api_version));
    protobuf_write_bytes(&type, TYPE_META_KIND, slice_str(kind));
    buf_append(out, PROTOBUF_MAGIC, PROTOBUF_MAGIC_LEN);
    protobuf_write_bytes(out, ENVELOPE_TYPE, buf_slice(&type));
    protobuf_write_bytes(out, ENVELOPE_RAW, raw);
    protobuf_write_bytes(out, ENVELOPE_ENCODING, SLICE_NONE);
    protobuf_write_bytes(out, ENVELOPE_CONTENT_TYPE, SLICE_NONE);
}

int codec_encode_protobuf(const struct schema_kind *kind, const struct value *object, struct buf *out,
                          struct error *err)
{
    char version[128];
    BUF_LOCAL(raw);

    if (!value_is(object, VALUE_OBJECT))
        return error_set(err, ERROR_INTERNAL, "only an object can be written as protobuf");
    codec_write_message(kind->type, object, &raw);
    codec_write_envelope(schema_api_version(kind, version, sizeof version), kind->kind, buf_slice(&raw), out);
    return 0;
}
