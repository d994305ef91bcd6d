/* SPDX-License-Identifier: Apache-2.0 */
/* Views: made in one pass over the document, one allocation each. */
#include "controllers/view.h"

#include "lib/map.h"

#define VIEW_FIELDS_MAX 24

static const char *const view_common[VIEW_OWN_FIELDS] = {
    [VIEW_NAMESPACE] = "metadata.namespace",
    [VIEW_NAME] = "metadata.name",
    [VIEW_UID] = "metadata.uid",
    [VIEW_REVISION] = "metadata.resourceVersion",
    [VIEW_GENERATION] = "metadata.generation",
    [VIEW_CREATED] = "metadata.creationTimestamp",
    [VIEW_DELETED] = "metadata.deletionTimestamp",
    [VIEW_LABELS] = "metadata.labels",
    [VIEW_OWNERS] = "metadata.ownerReferences",
    [VIEW_FINALIZERS] = "metadata.finalizers",
};

struct view_reader {
    const struct view_kind *kind;
    struct scan_plan *plan;
    size_t count;
    char *paths[VIEW_FIELDS_MAX]; /* without the filter, owned */
    char *picks[VIEW_FIELDS_MAX]; /* what the filter picks, owned; NULL = everything */
    char filter[VIEW_FIELDS_MAX]; /* '[', '{', '(' or '<' */
};

static void view_reader_add(struct view_reader *reader, const char *path)
{
    size_t i = reader->count++;
    size_t len = strcspn(path, "[{(<");

    reader->paths[i] = mem_strndup(path, len);
    reader->filter[i] = path[len];
    if (path[len])
        reader->picks[i] = mem_strndup(path + len + 1, strlen(path + len) - 2);
}

struct view_reader *view_reader_new(const struct view_kind *kind)
{
    struct view_reader *reader = mem_zalloc(sizeof(*reader));

    reader->kind = kind;
    for (size_t i = 0; i < VIEW_OWN_FIELDS; i++)
        view_reader_add(reader, view_common[i]);
    for (const char *const *path = kind->paths; path && *path && reader->count < VIEW_FIELDS_MAX; path++)
        view_reader_add(reader, *path);
    reader->plan = scan_plan_new((const char *const *)reader->paths, reader->count);
    return reader;
}

void view_reader_free(struct view_reader *reader)
{
    if (!reader)
        return;
    scan_plan_free(reader->plan);
    for (size_t i = 0; i < reader->count; i++) {
        free(reader->paths[i]);
        free(reader->picks[i]);
    }
    free(reader);
}

/* One list of the elements of all the lists of that name. */
static void view_gather(struct slice list, const char *name, struct buf *out)
{
    struct scan_cursor at = scan_open(list);
    struct slice element;

    buf_append_byte(out, '[');
    while (scan_element(&at, &element)) {
        struct scan_cursor inner = scan_open(scan_get(element, name));
        struct slice value;

        while (scan_element(&inner, &value)) {
            if (out->len > 1)
                buf_append_byte(out, ',');
            buf_append_slice(out, value);
        }
    }
    buf_append_byte(out, ']');
}

static bool view_is_named(const char *names, struct slice key)
{
    struct slice rest = slice_str(names);
    struct slice name;

    while (rest.len && slice_split(&rest, ',', &name))
        if (slice_equal(name, key))
            return true;
    return false;
}

/* The elements of a list that have a member of one of the names. */
static void view_choose(struct slice list, const char *names, struct buf *out)
{
    struct scan_cursor at = scan_open(list);
    struct slice element, key, value;

    buf_append_byte(out, '[');
    while (scan_element(&at, &element)) {
        struct scan_cursor inner = scan_open(element);
        bool found = false;

        while (!found && scan_member(&inner, &key, &value))
            found = view_is_named(names, key);
        if (!found)
            continue;
        if (out->len > 1)
            buf_append_byte(out, ',');
        buf_append_slice(out, element);
    }
    buf_append_byte(out, ']');
}

/* The element of a list whose "type" is that. */
static struct slice view_typed_element(struct slice list, const char *type)
{
    struct scan_cursor at = scan_open(list);
    struct slice element;

    while (scan_element(&at, &element))
        if (scan_text_is(scan_get(element, "type"), type))
            return element;
    return SLICE_NONE;
}

static uint64_t view_mark(struct slice name, struct slice value)
{
    uint64_t hash = map_hash(name) * 31 + map_hash(value);

    return 1ULL << (hash >> 58) | 1ULL << (hash >> 52 & 63);
}

static uint64_t view_marks_of(const struct view *v, struct slice labels)
{
    struct scan_cursor at = scan_open(labels);
    uint64_t marks = view_mark(SLICE_NONE, view_raw(v, VIEW_NAMESPACE));
    struct slice name;
    struct slice value;

    while (scan_member(&at, &name, &value))
        marks |= view_mark(name, value);
    return marks;
}

uint64_t view_marks(const struct view *v)
{
    return view_marks_of(v, view_raw(v, VIEW_LABELS));
}

static struct slice view_selector(const struct view *v)
{
    struct slice raw = view_raw(v, v->kind->selector.field);

    return v->kind->selector.path ? scan_get(raw, v->kind->selector.path) : raw;
}

uint64_t view_wanted_marks(const struct view *selector)
{
    return view_marks_of(selector, view_selector(selector));
}

bool view_selects(const struct view *selector, const struct view *object)
{
    return slice_equal(view_raw(selector, VIEW_NAMESPACE), view_raw(object, VIEW_NAMESPACE)) &&
           view_has_members(view_raw(object, VIEW_LABELS), view_selector(selector));
}

struct view *view_read(const struct view_reader *reader, struct slice json)
{
    struct slice values[VIEW_FIELDS_MAX] = {{0}};
    size_t bytes = 0;
    size_t at = sizeof(struct view) + reader->count * sizeof(struct view_part);
    struct view *v;
    BUF_LOCAL(gathered); /* of the one '(' that a row may have */
    BUF_LOCAL(chosen);   /* of the one '<' */

    scan_run(reader->plan, json, values);
    for (size_t i = 0; i < reader->count; i++) {
        if (reader->filter[i] == '[') {
            values[i] = view_typed_element(values[i], reader->picks[i]);
        } else if (reader->filter[i] == '{') {
            values[i] = view_member(values[i], reader->picks[i]);
        } else if (reader->filter[i] == '(') {
            view_gather(values[i], reader->picks[i], &gathered);
            values[i] = gathered.len > 2 ? buf_slice(&gathered) : SLICE_NONE;
        } else if (reader->filter[i] == '<') {
            view_choose(values[i], reader->picks[i], &chosen);
            values[i] = chosen.len > 2 ? buf_slice(&chosen) : SLICE_NONE;
        }
        if (slice_is(values[i], "null"))
            values[i] = SLICE_NONE;
        bytes += values[i].len;
    }
    v = mem_alloc(at + bytes);
    v->kind = reader->kind;
    v->place = v->place_among_all = 0;
    for (size_t i = 0; i < reader->count; i++) {
        v->parts[i] = (struct view_part){(uint32_t)at, (uint32_t)values[i].len};
        if (values[i].len)
            memcpy((char *)v + at, values[i].data, values[i].len);
        at += values[i].len;
    }
    return v;
}

struct slice view_raw(const struct view *v, unsigned field)
{
    return slice_make((const char *)v + v->parts[field].offset, v->parts[field].len);
}

struct slice view_unquote(struct slice raw)
{
    return scan_is_string(raw) && raw.len >= 2 ? slice_make(raw.data + 1, raw.len - 2) : slice_make("", 0);
}

struct slice view_text(const struct view *v, unsigned field)
{
    return view_unquote(view_raw(v, field));
}

int64_t view_int(const struct view *v, unsigned field, int64_t fallback)
{
    struct slice raw = view_raw(v, field);

    return raw.len ? scan_int(raw, fallback) : fallback;
}

bool view_bool(const struct view *v, unsigned field)
{
    return scan_bool(view_raw(v, field), false);
}

int64_t view_time(const struct view *v, unsigned field)
{
    int64_t ns = 0;

    (void)time_parse(view_text(v, field), &ns);
    return ns;
}

struct slice view_member_of(struct slice object, struct slice name)
{
    struct scan_cursor at = scan_open(object);
    struct slice key;
    struct slice value;

    while (scan_member(&at, &key, &value))
        if (slice_equal(key, name))
            return value;
    return SLICE_NONE;
}

struct slice view_member(struct slice object, const char *name)
{
    return view_member_of(object, slice_str(name));
}

bool view_has_members(struct slice object, struct slice wanted)
{
    struct scan_cursor at = scan_open(wanted);
    struct slice key;
    struct slice value;

    while (scan_member(&at, &key, &value))
        if (!slice_equal(view_member_of(object, key), value))
            return false;
    return true;
}

bool view_same_members(struct slice a, struct slice b)
{
    return view_has_members(a, b) && view_has_members(b, a);
}

bool view_has_finalizer(const struct view *v, const char *name)
{
    struct scan_cursor at = scan_open(view_raw(v, VIEW_FINALIZERS));
    struct slice value;

    while (scan_element(&at, &value))
        if (scan_text_is(value, name))
            return true;
    return false;
}

bool view_next_owner(struct scan_cursor *at, struct view_owner *ret_owner)
{
    struct slice owner;

    if (!scan_element(at, &owner))
        return false;
    ret_owner->api_version = view_unquote(scan_get(owner, "apiVersion"));
    ret_owner->kind = view_unquote(scan_get(owner, "kind"));
    ret_owner->name = view_unquote(scan_get(owner, "name"));
    ret_owner->uid = view_unquote(scan_get(owner, "uid"));
    ret_owner->controller = scan_bool(scan_get(owner, "controller"), false);
    ret_owner->block = scan_bool(scan_get(owner, "blockOwnerDeletion"), false);
    return true;
}

bool view_controller(const struct view *v, struct view_owner *ret_owner)
{
    struct scan_cursor at = scan_open(view_raw(v, VIEW_OWNERS));
    struct view_owner owner;

    while (view_next_owner(&at, &owner))
        if (owner.controller) {
            *ret_owner = owner;
            return true;
        }
    return false;
}

void view_key(const struct view *v, struct buf *out)
{
    struct slice ns = view_text(v, VIEW_NAMESPACE);

    if (ns.len) {
        buf_append_slice(out, ns);
        buf_append_byte(out, '/');
    }
    buf_append_slice(out, view_text(v, VIEW_NAME));
}
