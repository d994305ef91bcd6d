/* SPDX-License-Identifier: Apache-2.0 */
/* The list of managers, and what a write by Update does to it. Invariant: no two entries have the same identity, and
 * none is empty once it is written. */
#include "api/managed_internal.h"

#include <stdlib.h>

#include "api/scan.h"
#include "lib/encoding.h"

#define OPERATION_APPLY  "Apply"
#define OPERATION_UPDATE "Update"
#define FIELDS_TYPE      "FieldsV1"
#define ANCIENT          "ancient-changes"

static bool entry_is(const struct managed_entry *e, const struct managed_entry *other)
{
    return e->applied == other->applied && slice_equal(e->manager, other->manager) &&
           slice_equal(e->subresource, other->subresource) &&
           (e->applied || slice_equal(e->api_version, other->api_version));
}

struct managed_entry *managed_find(const struct managed *m, const struct managed_entry *identity)
{
    for (size_t i = 0; i < m->count; i++)
        if (entry_is(&m->entries[i], identity))
            return &m->entries[i];
    return NULL;
}

struct managed_entry *managed_need(struct pool *pool, struct managed *m, const struct managed_entry *identity)
{
    struct managed_entry *found = managed_find(m, identity);

    if (found)
        return found;
    if (m->count == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 8;
        struct managed_entry *entries = pool_alloc(pool, cap * sizeof(*entries));

        if (m->count)
            memcpy(entries, m->entries, m->count * sizeof(*entries));
        m->entries = entries;
        m->cap = cap;
    }
    m->entries[m->count] = *identity;
    m->entries[m->count].fields = NULL;
    return &m->entries[m->count++];
}

static void managed_remove(struct managed *m, size_t index)
{
    memmove(&m->entries[index], &m->entries[index + 1], (m->count - index - 1) * sizeof(*m->entries));
    m->count--;
}

void managed_drop_empty(struct managed *m)
{
    for (size_t i = 0; i < m->count;)
        if (fieldset_is_empty(m->entries[i].fields))
            managed_remove(m, i);
        else
            i++;
}

/* ---- text ---------------------------------------------------------------------------------------------------------
 */

/* The text of a JSON string; of anything else "". */
static struct slice managed_text(struct pool *pool, struct slice json)
{
    BUF_LOCAL(scratch);
    struct slice text = scan_text(json, &scratch);

    return text.data == scratch.data ? slice_make(pool_slice_dup(pool, text), text.len) : text;
}

/* What an entry says, and its fields as they stand there. */
static void managed_scan_entry(struct pool *pool, struct slice json, struct managed_entry *ret_entry,
                               struct slice *ret_operation, struct slice *ret_type, struct slice *ret_fields)
{
    const struct {
        const char *name;
        struct slice *text;
    } texts[] = {
        {"manager", &ret_entry->manager}, {"operation", ret_operation}, {"apiVersion", &ret_entry->api_version},
        {"time", &ret_entry->time},       {"fieldsType", ret_type},     {"subresource", &ret_entry->subresource},
    };
    struct scan_cursor c = scan_open(json);
    struct slice key;
    struct slice v;

    while (scan_member(&c, &key, &v)) {
        if (slice_is(key, "fieldsV1"))
            *ret_fields = v;
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
            if (slice_is(key, texts[i].name))
                *texts[i].text = managed_text(pool, v);
    }
}

static int managed_parse_entry(struct pool *pool, struct slice json, struct managed *m, struct error *err)
{
    struct managed_entry e = {.applied = false};
    struct slice operation = SLICE_NONE;
    struct slice type = SLICE_NONE;
    struct slice fields = SLICE_NONE;
    struct managed_entry *entry;
    int r;

    managed_scan_entry(pool, json, &e, &operation, &type, &fields);
    e.applied = slice_is(operation, OPERATION_APPLY);
    if (!e.applied && !slice_is(operation, OPERATION_UPDATE))
        return error_set(err, ERROR_BAD_REQUEST, "operation must be `Apply` or `Update`");
    if (!e.api_version.len)
        return error_set(err, ERROR_BAD_REQUEST, "apiVersion must not be empty");
    if (!slice_is(type, FIELDS_TYPE))
        return error_set(err, ERROR_BAD_REQUEST, "fieldsType must be `" FIELDS_TYPE "`");
    if (fields.len && !slice_is(fields, "null") && (r = fieldset_parse(pool, fields, &e.fields, err)) < 0)
        return r;
    entry = managed_need(pool, m, &e);
    *entry = e;
    return 0;
}

int managed_parse(struct pool *pool, struct slice list, struct managed *ret_managed, struct error *err)
{
    struct scan_cursor c = scan_open(list);
    struct managed m = {0};
    struct slice entry;
    size_t count = 0;
    int r;

    while (scan_element(&c, &entry)) {
        if (++count > MANAGED_ENTRIES_MAX)
            return error_set(err, ERROR_BAD_REQUEST, "more than %d entries in managedFields", MANAGED_ENTRIES_MAX);
        if ((r = managed_parse_entry(pool, entry, &m, err)) < 0)
            return r;
    }
    *ret_managed = m;
    return 0;
}

/* By operation, time, manager, version, subresource; RFC 3339 in UTC sorts as text. */
static int managed_order(const void *a, const void *b)
{
    const struct managed_entry *x = a;
    const struct managed_entry *y = b;
    int order;

    if (x->applied != y->applied)
        return x->applied ? -1 : 1;
    if ((order = slice_compare(x->time, y->time)) || (order = slice_compare(x->manager, y->manager)) ||
        (order = slice_compare(x->api_version, y->api_version)))
        return order;
    return slice_compare(x->subresource, y->subresource);
}

static void managed_write_text(struct buf *out, const char *before, struct slice text)
{
    buf_append_str(out, before);
    json_write_string(out, text);
}

static void managed_write_entry(const struct managed_entry *e, struct buf *out)
{
    buf_append_byte(out, '{');
    if (e->manager.len) {
        managed_write_text(out, "\"manager\":", e->manager);
        buf_append_byte(out, ',');
    }
    buf_append_str(out,
                   e->applied ? "\"operation\":\"" OPERATION_APPLY "\"" : "\"operation\":\"" OPERATION_UPDATE "\"");
    managed_write_text(out, ",\"apiVersion\":", e->api_version);
    if (e->time.len)
        managed_write_text(out, ",\"time\":", e->time);
    buf_append_str(out, ",\"fieldsType\":\"" FIELDS_TYPE "\",\"fieldsV1\":");
    fieldset_write(e->fields, out);
    if (e->subresource.len)
        managed_write_text(out, ",\"subresource\":", e->subresource);
    buf_append_byte(out, '}');
}

void managed_write(struct managed *m, struct buf *out)
{
    managed_drop_empty(m);
    if (!m->count)
        return;
    qsort(m->entries, m->count, sizeof(*m->entries), managed_order);
    for (size_t i = 0; i < m->count; i++) {
        buf_append_byte(out, i ? ',' : '[');
        managed_write_entry(&m->entries[i], out);
    }
    buf_append_byte(out, ']');
}

bool managed_is_reset(const struct value *list)
{
    if (!value_is(list, VALUE_ARRAY))
        return false;
    return !value_count(list) || (value_count(list) == 1 && !value_count(value_at(list, 0)));
}

/* ---- updates ------------------------------------------------------------------------------------------------------
 */

#define NEVER(text)                                                                                                    \
    {                                                                                                                  \
        {FIELDSET_FIELD, {(text), sizeof(text) - 1}}, true, NULL                                                       \
    }

/* What nobody owns: it says which object this is, or is the server's. Sorted. */
static struct fieldset_entry never_metadata[] = {
    NEVER("creationTimestamp"), NEVER("generation"),      NEVER("managedFields"), NEVER("name"),
    NEVER("namespace"),         NEVER("resourceVersion"), NEVER("selfLink"),      NEVER("uid"),
};
static const struct fieldset never_below = {never_metadata, ARRAY_SIZE(never_metadata), 0};
static struct fieldset_entry never_root[] = {
    NEVER("apiVersion"),
    NEVER("kind"),
    {{FIELDSET_FIELD, {"metadata", 8}}, true, &never_below},
};
static const struct fieldset never = {never_root, ARRAY_SIZE(never_root), 0};

const struct fieldset *managed_ownable(struct pool *pool, const struct fieldset *fields)
{
    return fieldset_difference(pool, fields, &never);
}

void managed_take_from(struct pool *pool, struct managed *m, const struct managed_entry *except,
                       const struct fieldset_change *change)
{
    for (size_t i = 0; i < m->count; i++) {
        struct managed_entry *e = &m->entries[i];

        if (except && entry_is(e, except))
            continue;
        e->fields = fieldset_difference(pool, e->fields, &change->touched);
        e->fields = fieldset_difference(pool, e->fields, &change->removed);
    }
}

static bool entry_is_ancient(const struct managed_entry *e)
{
    return slice_is(e->manager, ANCIENT) && !e->subresource.len;
}

/* The updater at `index` takes in up to `most` of the next ones of its version, and who has the name that it gets; how
 * many it took. */
static size_t managed_fold(struct pool *pool, struct managed *m, size_t index, size_t most)
{
    const struct fieldset **sets = pool_alloc(pool, m->count * sizeof(*sets));
    struct managed_entry *first = &m->entries[index];
    size_t count = 0;

    sets[count++] = first->fields;
    for (size_t j = index + 1; j < m->count;) {
        struct managed_entry *next = &m->entries[j];

        if ((count > most && !entry_is_ancient(next)) || !slice_equal(first->api_version, next->api_version)) {
            j++;
            continue;
        }
        sets[count++] = next->fields;
        first->time = next->time;
        managed_remove(m, j);
    }
    if (count > 1) {
        first->manager = SLICE_LIT(ANCIENT);
        first->subresource = SLICE_LIT("");
        first->fields = fieldset_union_all(pool, sets, count);
    }
    return count - 1;
}

/* The oldest updater of each version takes in the next ones, until there are few enough. */
static void managed_cap(struct pool *pool, struct managed *m)
{
    size_t updates = 0;

    for (size_t i = 0; i < m->count; i++)
        updates += !m->entries[i].applied;
    if (updates <= MANAGED_UPDATES_MAX)
        return;
    qsort(m->entries, m->count, sizeof(*m->entries), managed_order);
    for (size_t i = 0; i < m->count && updates > MANAGED_UPDATES_MAX; i++)
        if (!m->entries[i].applied)
            updates -= managed_fold(pool, m, i, updates - MANAGED_UPDATES_MAX);
}

void managed_update(struct pool *pool, struct managed *m, const struct schema_type *type,
                    const struct managed_writer *who, const struct value *from, const struct value *to)
{
    struct managed_entry identity = {.manager = slice_str(who->manager),
                                     .api_version = slice_str(who->api_version),
                                     .subresource = slice_str(who->subresource)};
    const struct fieldset *taken;
    struct managed_entry *mine;
    struct fieldset_change change;

    fieldset_compare(pool, type, who->part, from, to, &change);
    managed_take_from(pool, m, NULL, &change);
    taken = managed_ownable(pool, &change.touched);
    if (!fieldset_is_empty(taken)) {
        mine = managed_need(pool, m, &identity);
        mine->fields = fieldset_union(pool, mine->fields, taken);
        mine->time = slice_str(who->now);
    }
    managed_drop_empty(m);
    managed_cap(pool, m);
}
