/* SPDX-License-Identifier: Apache-2.0 */
/* The list of managers, and what a write by Update does to it. Invariant: no two entries have the same identity, and
 * none is empty once it is written. */
#include "api/managed_internal.h"

#include <stdlib.h>

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

static int managed_parse_entry(struct pool *pool, const struct value *v, struct managed *m, struct error *err)
{
    struct slice operation = value_string(value_get(v, "operation"));
    const struct value *fields = value_get(v, "fieldsV1");
    struct managed_entry e = {.manager = value_string(value_get(v, "manager")),
                              .api_version = value_string(value_get(v, "apiVersion")),
                              .subresource = value_string(value_get(v, "subresource")),
                              .time = value_string(value_get(v, "time")),
                              .applied = slice_is(operation, OPERATION_APPLY)};
    struct managed_entry *entry;
    int r;

    if (!e.applied && !slice_is(operation, OPERATION_UPDATE))
        return error_set(err, ERROR_BAD_REQUEST, "operation must be `Apply` or `Update`");
    if (!e.api_version.len)
        return error_set(err, ERROR_BAD_REQUEST, "apiVersion must not be empty");
    if (!slice_is(value_string(value_get(v, "fieldsType")), FIELDS_TYPE))
        return error_set(err, ERROR_BAD_REQUEST, "fieldsType must be `" FIELDS_TYPE "`");
    if (!value_is(fields, VALUE_NULL) && (r = fieldset_parse(pool, fields, &e.fields, err)) < 0)
        return r;
    entry = managed_need(pool, m, &e);
    *entry = e;
    return 0;
}

int managed_parse(struct pool *pool, const struct value *list, struct managed *ret_managed, struct error *err)
{
    struct managed m = {0};
    int r = 0;

    if (value_count(list) > MANAGED_ENTRIES_MAX)
        return error_set(err, ERROR_BAD_REQUEST, "more than %d entries in managedFields", MANAGED_ENTRIES_MAX);
    for (size_t i = 0; r == 0 && value_is(list, VALUE_ARRAY) && i < value_count(list); i++)
        r = managed_parse_entry(pool, value_at(list, i), &m, err);
    if (r == 0)
        *ret_managed = m;
    return r;
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

static struct value *managed_write_entry(const struct managed_entry *e)
{
    struct value *v = value_new_object();

    if (e->manager.len)
        value_set(v, "manager", value_new_string(e->manager));
    value_set_str(v, "operation", e->applied ? OPERATION_APPLY : OPERATION_UPDATE);
    value_set(v, "apiVersion", value_new_string(e->api_version));
    if (e->time.len)
        value_set(v, "time", value_new_string(e->time));
    value_set_str(v, "fieldsType", FIELDS_TYPE);
    value_set(v, "fieldsV1", fieldset_write(e->fields));
    if (e->subresource.len)
        value_set(v, "subresource", value_new_string(e->subresource));
    return v;
}

struct value *managed_write(struct managed *m)
{
    struct value *list;

    managed_drop_empty(m);
    if (!m->count)
        return NULL;
    qsort(m->entries, m->count, sizeof(*m->entries), managed_order);
    list = value_new_array();
    for (size_t i = 0; i < m->count; i++)
        value_append(list, managed_write_entry(&m->entries[i]));
    return list;
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

/* The updater at `index` takes in up to `most` of the next ones of its version; how many it took. */
static size_t managed_fold(struct pool *pool, struct managed *m, size_t index, size_t most)
{
    const struct fieldset **sets = pool_alloc(pool, m->count * sizeof(*sets));
    struct managed_entry *first = &m->entries[index];
    size_t count = 0;

    sets[count++] = first->fields;
    for (size_t j = index + 1; j < m->count && count <= most;) {
        struct managed_entry *next = &m->entries[j];

        if (!slice_equal(first->api_version, next->api_version)) {
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
