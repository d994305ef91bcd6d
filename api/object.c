/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored form of objects. Invariant: the value never contains metadata.resourceVersion, so that writing it out is two
 * copies with a number between them. The header is made from the value's bytes, never from the tree, so that it can be
 * made again when the schema changes.
 *
 * Header, all numbers little endian: format (1 byte), flags (1 byte), schema hash (4), then three runs of bytes, each
 * with its length (4) before it: uid, labels (pairs of texts), selectable fields (texts, in the kind's order). A text
 * is its length (4) and its bytes.
 */
#include "api/object.h"

#include <stdio.h>

#include "api/codec_internal.h"
#include "api/scan.h"
#include "api/version.h"
#include "lib/encoding.h"

#define FORMAT        1
#define FLAG_DELETING 1
#define HEADER_FIXED  6
#define MANAGERS      "managedFields"
#define MANAGERS_KEY  "\"" MANAGERS "\":"

/* What the header is made from, in one pass. */
enum { META_UID, META_LABELS, META_DELETION, META_PATHS, SELECTABLE_MAX = SCAN_PATHS_MAX - META_PATHS };

static void write_u32(struct buf *out, uint32_t n)
{
    char bytes[4] = {(char)n, (char)(n >> 8), (char)(n >> 16), (char)(n >> 24)};

    buf_append(out, bytes, sizeof bytes);
}

static uint32_t read_u32(const char *data)
{
    const unsigned char *p = (const unsigned char *)data;

    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Takes one text from the front; false when the bytes do not hold it. */
static bool take_text(struct slice *rest, struct slice *ret_text)
{
    uint32_t len;

    if (rest->len < 4)
        return false;
    len = read_u32(rest->data);
    if (len > rest->len - 4)
        return false;
    *ret_text = slice_make(rest->data + 4, len);
    *rest = slice_from(*rest, 4 + len);
    return true;
}

static void write_text(struct buf *out, struct slice text)
{
    write_u32(out, (uint32_t)text.len);
    buf_append_slice(out, text);
}

/* An object on its way into the store. */
struct encoding {
    const struct schema_kind *kind;
    struct slice managers;
    struct buf *out;
    char before; /* what stands before the next member */
};

static void encode_metadata_member(void *arg, const struct schema_field *f, struct slice name, const struct value *v)
{
    struct encoding *e = arg;

    if (slice_is(name, "resourceVersion"))
        return;
    codec_write_member(f, e->before, name, v, e->out);
    e->before = ',';
}

static void encode_metadata(struct encoding *e, const struct schema_field *f, const struct value *metadata)
{
    e->before = '{';
    codec_each_member(f ? f->type : NULL, metadata, encode_metadata_member, e);
    if (e->managers.data) {
        buf_append_byte(e->out, e->before);
        buf_append_str(e->out, MANAGERS_KEY);
        buf_append_slice(e->out, e->managers);
        e->before = ',';
    }
    buf_append_str(e->out, e->before == '{' ? "{}" : "}");
}

static void encode_member(void *arg, const struct schema_field *f, struct slice name, const struct value *v)
{
    struct encoding *e = arg;

    if (slice_is(name, "metadata") && value_is(v, VALUE_OBJECT)) {
        buf_append_byte(e->out, e->before);
        buf_append_str(e->out, "\"metadata\":");
        encode_metadata(e, f, v);
    } else if (slice_is(name, "apiVersion") && e->kind->stored_version) {
        buf_printf(e->out, "%c\"apiVersion\":\"%s/%s\"", e->before, e->kind->group, e->kind->stored_version);
    } else {
        codec_write_member(f, e->before, name, v, e->out);
    }
    e->before = ',';
}

/* Selectable fields whose value is not simply at their path. An Event's source is its component; events of the newer
 * group say it elsewhere. */
static const struct {
    const char *field;
    const char *paths[2];
    const char *zero; /* when it is at none of them */
} field_places[] = {
    {"source", {"source.component", "reportingComponent"}, ""},
    {"status.successful", {"status.succeeded", NULL}, "0"},
};

bool object_field_is_known(const struct schema_kind *kind, const char *field)
{
    for (size_t i = 0; i < ARRAY_SIZE(field_places); i++)
        if (!strcmp(field, field_places[i].field))
            return true;
    return schema_find_path(kind->type, field) != NULL;
}

/* What a selector compares with: texts as they are, numbers and booleans printed, absent ones as their zero. `v` is at
 * the field's path. */
static void write_field(const struct schema_kind *kind, struct slice stored, const char *field, struct slice v,
                        struct buf *out)
{
    const struct schema_field *row;
    const char *zero = "";
    BUF_LOCAL(scratch);

    for (size_t i = 0; i < ARRAY_SIZE(field_places); i++) {
        if (strcmp(field, field_places[i].field) != 0)
            continue;
        v = scan_get(stored, field_places[i].paths[0]);
        if (!v.data && field_places[i].paths[1])
            v = scan_get(stored, field_places[i].paths[1]);
        zero = field_places[i].zero;
    }
    if (scan_is_string(v)) {
        write_text(out, scan_text(v, &scratch));
        return;
    }
    if (v.data && *v.data != '{' && *v.data != '[' && *v.data != 'n') {
        write_text(out, v);
        return;
    }
    row = schema_find_path(kind->type, field);
    if (row && row->shape == SCHEMA_ONE && row->base == SCHEMA_BOOL)
        write_text(out, SLICE_LIT("false"));
    else if (row && row->shape == SCHEMA_ONE && (row->base == SCHEMA_INT32 || row->base == SCHEMA_INT64))
        write_text(out, SLICE_LIT("0"));
    else
        write_text(out, slice_str(zero));
}

static void write_labels(struct slice labels, struct buf *out)
{
    struct scan_cursor c = scan_open(labels);
    struct slice key, value;
    BUF_LOCAL(scratch);

    while (scan_member(&c, &key, &value)) {
        /* The quotes stand around the key. */
        write_text(out, scan_text(slice_make(key.data - 1, key.len + 2), &scratch));
        write_text(out, scan_text(value, &scratch));
    }
}

/* What the header says, raw JSON: fixed ones, then the kind's selectable fields. */
struct meta_values {
    const char *paths[META_PATHS + SELECTABLE_MAX];
    struct slice values[META_PATHS + SELECTABLE_MAX];
    size_t count;
};

static void meta_values_init(struct meta_values *m, const struct schema_kind *kind)
{
    m->paths[META_UID] = "metadata.uid";
    m->paths[META_LABELS] = "metadata.labels";
    m->paths[META_DELETION] = "metadata.deletionTimestamp";
    m->count = META_PATHS;
    for (size_t i = 0; i < SELECTABLE_MAX && kind->selectable[i]; i++)
        m->paths[m->count++] = kind->selectable[i];
}

static void write_meta(const struct schema_kind *kind, const struct meta_values *m, struct slice stored,
                       struct buf *ret_meta)
{
    char fixed[2] = {FORMAT, 0};
    BUF_LOCAL(scratch);
    BUF_LOCAL(run);

    fixed[1] = scan_is_string(m->values[META_DELETION]) ? FLAG_DELETING : 0;
    buf_append(ret_meta, fixed, sizeof fixed);
    write_u32(ret_meta, kind->hash);
    write_text(ret_meta, scan_text(m->values[META_UID], &scratch));
    write_labels(m->values[META_LABELS], &run);
    write_text(ret_meta, buf_slice(&run));
    buf_reset(&run);
    for (size_t i = META_PATHS; i < m->count; i++)
        write_field(kind, stored, m->paths[i], m->values[i], &run);
    write_text(ret_meta, buf_slice(&run));
}

void object_encode_meta(const struct schema_kind *kind, struct slice stored, struct buf *ret_meta)
{
    struct meta_values m;

    meta_values_init(&m, kind);
    scan_get_many(stored, m.paths, m.count, m.values);
    write_meta(kind, &m, stored, ret_meta);
}

/* By a path as scan_get has it. */
static const struct value *tree_find(const struct value *object, const char *path)
{
    struct slice rest = slice_str(path);
    struct slice name;

    while (object && slice_split(&rest, '.', &name))
        object = value_get_slice(object, name);
    return object;
}

/* The same where the tree is at hand: to look a few members up is less than to read all that was just written. */
static void encode_meta_of_tree(const struct schema_kind *kind, const struct value *object, struct slice stored,
                                struct buf *ret_meta)
{
    struct meta_values m;
    size_t ends[ARRAY_SIZE(m.values)];
    size_t at = 0;
    BUF_LOCAL(text);

    meta_values_init(&m, kind);
    for (size_t i = 0; i < m.count; i++) {
        const struct value *v = tree_find(object, m.paths[i]);

        if (v)
            value_write(v, &text);
        ends[i] = text.len;
    }
    for (size_t i = 0; i < m.count; at = ends[i++])
        m.values[i] = ends[i] > at ? slice_make(text.data + at, ends[i] - at) : SLICE_NONE;
    write_meta(kind, &m, stored, ret_meta);
}

void object_encode(const struct schema_kind *kind, const struct value *object, struct slice managers,
                   struct buf *ret_value, struct buf *ret_meta)
{
    struct encoding e = {kind, managers, ret_value, '{'};
    size_t start = ret_value->len;

    codec_each_member(kind->type, object, encode_member, &e);
    buf_append_str(ret_value, e.before == '{' ? "{}" : "}");
    encode_meta_of_tree(kind, object, slice_from(buf_slice(ret_value), start), ret_meta);
}

struct slice object_as(const struct schema_kind *kind, struct slice stored, struct buf *scratch)
{
    static const char head[] = "{\"apiVersion\":\"";
    struct slice rest, version;
    char own[320];

    if (!kind->stored_version || !slice_starts(stored, slice_str(head)))
        return stored;
    rest = slice_from(stored, sizeof(head) - 1);
    if (!slice_split(&rest, '"', &version) || slice_is(version, schema_api_version(kind, own, sizeof(own))) ||
        !slice_starts(version, slice_str(kind->group)))
        return stored;
    buf_reset(scratch);
    buf_printf(scratch, "%s%s\"", head, own);
    buf_append_slice(scratch, rest);
    return buf_slice(scratch);
}

/* From the brace of the metadata on: all that follows goes as it is. */
static void write_from_metadata(struct buf *out, struct slice rest, uint64_t revision)
{
    buf_append_str(out, "\"metadata\":{");
    if (revision) {
        buf_append_str(out, "\"resourceVersion\":\"");
        buf_append_uint64(out, revision);
        buf_append_byte(out, '"');
        if (rest.data[1] != '}')
            buf_append_byte(out, ',');
    }
    buf_append(out, rest.data + 1, rest.len - 1);
}

void object_write(struct buf *out, struct slice stored, uint64_t revision, bool with_type)
{
    struct scan_cursor c = scan_open(stored);
    struct slice key, value;
    char before = '{';

    while (scan_key(&c, &key)) {
        bool type = slice_is(key, "apiVersion") || slice_is(key, "kind");

        if (slice_is(key, "metadata") && c.end - c.at >= 2 && *c.at == '{') {
            buf_append_byte(out, before);
            write_from_metadata(out, slice_make(c.at, (size_t)(stored.data + stored.len - c.at)), revision);
            return;
        }
        value = scan_value(&c);
        if (type && !with_type)
            continue;
        buf_append_byte(out, before);
        buf_append(out, key.data - 1, (size_t)(value.data + value.len - (key.data - 1)));
        before = ',';
    }
    buf_append_str(out, before == '{' ? "{}" : "}");
}

struct value *object_decode(struct slice stored, uint64_t revision, struct error *err)
{
    BUF_LOCAL(text);

    object_write(&text, stored, revision, true);
    return value_parse(buf_slice(&text), err);
}

/* The place of the member in `metadata`, with the comma that goes with it. */
static struct slice find_managers(struct slice metadata, struct slice *ret_value)
{
    struct scan_cursor c = scan_open(metadata);
    struct slice key;
    const char *from;

    while (scan_key(&c, &key)) {
        struct slice v = scan_value(&c);

        if (!slice_is(key, MANAGERS))
            continue;
        *ret_value = v;
        from = key.data - 1;
        if (from[-1] == ',')
            from--;
        else if (c.at < c.end && *c.at == ',')
            c.at++;
        return slice_make(from, (size_t)(c.at - from));
    }
    return SLICE_NONE;
}

struct value *object_decode_apart(struct slice stored, uint64_t revision, struct slice *ret_managers, struct error *err)
{
    struct slice cut = find_managers(scan_get(stored, "metadata"), ret_managers);
    char number[24];
    struct value *object;
    BUF_LOCAL(text);

    if (!cut.data) {
        *ret_managers = SLICE_NONE;
        return object_decode(stored, revision, err);
    }
    buf_append(&text, stored.data, (size_t)(cut.data - stored.data));
    buf_append_slice(&text, slice_from(stored, (size_t)(cut.data + cut.len - stored.data)));
    object = value_parse(buf_slice(&text), err);
    (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)revision);
    if (object && revision)
        value_set_str(value_need_object(object, "metadata"), "resourceVersion", number);
    return object;
}

bool object_meta_read(struct slice meta, struct object_meta *ret_meta)
{
    struct slice rest;

    if (meta.len < HEADER_FIXED || meta.data[0] != FORMAT)
        return false;
    ret_meta->deleting = meta.data[1] & FLAG_DELETING;
    ret_meta->schema_hash = read_u32(meta.data + 2);
    rest = slice_from(meta, HEADER_FIXED);
    return take_text(&rest, &ret_meta->uid) && take_text(&rest, &ret_meta->labels) &&
           take_text(&rest, &ret_meta->fields) && !rest.len;
}

bool object_meta_need(const struct schema_kind *kind, struct slice meta, struct slice stored, struct buf *scratch,
                      struct object_meta *ret_meta)
{
    if (object_meta_read(meta, ret_meta) && ret_meta->schema_hash == kind->hash)
        return true;
    BUF_LOCAL(shown);

    buf_reset(scratch);
    object_encode_meta(kind, kind->type->read_by ? version_show(kind, stored, &shown) : stored, scratch);
    return object_meta_read(buf_slice(scratch), ret_meta);
}

struct slice object_meta_label(const struct object_meta *m, struct slice name)
{
    struct slice rest = m->labels;
    struct slice key, value;

    while (take_text(&rest, &key) && take_text(&rest, &value)) {
        if (slice_equal(key, name))
            return value;
    }
    return SLICE_NONE;
}

struct slice object_meta_field(const struct object_meta *m, size_t index)
{
    struct slice rest = m->fields;
    struct slice text;

    while (take_text(&rest, &text)) {
        if (!index--)
            return text;
    }
    return SLICE_LIT("");
}
