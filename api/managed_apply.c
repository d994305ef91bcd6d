/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An Apply, step by step: what the configuration sets; the object with it merged in; without what this manager set
 * before and does not set now, unless others own it; and whether anything that others own would change by it.
 */
#include "api/apply.h"
#include "api/codec.h"
#include "api/managed_internal.h"
#include "api/places.h"

#define CONFLICTS_SHOWN_MAX 256

/* kubectl's own annotation: the configuration of its client-side apply, kept current for who goes back to that. */
#define LAST_APPLIED     "kubectl.kubernetes.io/last-applied-configuration"
#define LAST_APPLIED_BY  "kubectl"
#define LAST_APPLIED_MAX (256u << 10)

static struct managed_entry apply_identity(const struct managed_writer *who)
{
    return (struct managed_entry){.manager = slice_str(who->manager),
                                  .api_version = slice_str(who->api_version),
                                  .subresource = slice_str(who->subresource),
                                  .applied = true};
}

/* ---- conflicts ----------------------------------------------------------------------------------------------------
 */

/* `"m1"`, `"x" with subresource "scale" using apps/v1`. */
static void conflict_write_manager(struct buf *out, const struct managed_entry *e)
{
    struct value *name CLEANUP_VALUE = value_new_string(e->manager);

    value_write(name, out);
    if (e->subresource.len)
        buf_printf(out, " with subresource \"%.*s\"", SLICE_ARGS(e->subresource));
    if (!e->applied)
        buf_printf(out, " using %.*s", SLICE_ARGS(e->api_version));
}

struct conflict_report {
    struct buf manager; /* as written */
    struct buf text;    /* all managers with their paths */
    struct buf first;   /* what stands there when there is only one */
    size_t count;
    struct error *causes; /* NULL while the text is written */
};

static void conflict_add(void *arg, const char *path)
{
    struct conflict_report *r = arg;

    if (!r->count++)
        buf_printf(&r->first, "conflict with %s: %s", buf_cstr(&r->manager), path);
    if (r->count > CONFLICTS_SHOWN_MAX)
        return;
    if (r->causes)
        error_add_cause(r->causes, "FieldManagerConflict", path, "conflict with %s", buf_cstr(&r->manager));
    else
        buf_printf(&r->text, "\n- %s", path);
}

static void conflict_each(struct conflict_report *r, const struct managed *m, const struct fieldset *const *sets)
{
    r->count = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (fieldset_is_empty(sets[i]))
            continue;
        buf_reset(&r->manager);
        conflict_write_manager(&r->manager, &m->entries[i]);
        if (!r->causes)
            buf_printf(&r->text, "%sconflicts with %s:", r->text.len ? "\n" : "", buf_cstr(&r->manager));
        fieldset_each(sets[i], conflict_add, r);
    }
}

/* `sets` beside the entries. */
static int conflict_report(const struct managed *m, const struct fieldset *const *sets, struct error *err)
{
    struct conflict_report r = {0};

    conflict_each(&r, m, sets);
    if (r.count == 1)
        (void)error_set(err, ERROR_CONFLICT, "Apply failed with 1 conflict: %s", buf_cstr(&r.first));
    else
        (void)error_set(err, ERROR_CONFLICT, "Apply failed with %zu conflicts: %s", r.count, buf_cstr(&r.text));
    r.causes = err;
    conflict_each(&r, m, sets);
    buf_free(&r.manager);
    buf_free(&r.text);
    buf_free(&r.first);
    return -(int)ERROR_CONFLICT;
}

/* ---- client-side apply --------------------------------------------------------------------------------------------
 */

static struct slice last_applied(const struct value *object)
{
    return value_string(value_path(object, "metadata", "annotations", LAST_APPLIED, NULL));
}

/* What client-side apply set, and is still as it set it: kubectl takes that over from itself without a conflict. */
static const struct fieldset *last_applied_fields(struct pool *pool, const struct managed_apply *a)
{
    struct value *config = value_parse(last_applied(a->live), NULL);
    struct value *object CLEANUP_VALUE = NULL;
    const struct fieldset *set = NULL;
    struct fieldset_change change;

    if (!config)
        return NULL;
    pool_on_free(pool, (void (*)(void *))value_free, config); /* the set borrows its names */
    if (!value_is(config, VALUE_OBJECT))
        return NULL;
    apply_drop_nulls(a->kind->type, config);
    object = value_copy(config);
    if (fieldset_of(pool, a->kind->type, config, &set, NULL) < 0 ||
        codec_normalise(a->kind, object, CODEC_IGNORE, NULL, NULL) < 0)
        return NULL;
    fieldset_compare(pool, a->kind->type, FIELDSET_ALL, a->live, object, &change);
    set = fieldset_difference(pool, set, &change.touched);
    return fieldset_difference(pool, set, &change.removed);
}

static void last_applied_keep(const struct managed_apply *a, struct value *object)
{
    struct value *config CLEANUP_VALUE = NULL;
    struct value *annotations;
    BUF_LOCAL(text);

    if (!last_applied(object).data)
        return;
    config = value_copy(a->config);
    annotations = value_need_object(value_need_object(config, "metadata"), "annotations");
    (void)value_remove(annotations, LAST_APPLIED);
    value_write(config, &text);
    buf_append_byte(&text, '\n');
    if (text.len > LAST_APPLIED_MAX)
        buf_reset(&text);
    value_set(value_path(object, "metadata", "annotations", NULL), LAST_APPLIED, value_new_string(buf_slice(&text)));
}

/* ---- apply --------------------------------------------------------------------------------------------------------
 */

/* What others own and would be changed by it. */
static int apply_check_conflicts(struct pool *pool, const struct managed *m, const struct managed_writer *who,
                                 const struct managed_apply *a, const struct fieldset *set,
                                 const struct fieldset_change *change, struct error *err)
{
    /* A zero that is set explicitly may leave the object without the field: that is a change of it as well. */
    const struct fieldset *changed =
        fieldset_union(pool, &change->touched, fieldset_intersection(pool, &change->removed, set));
    const struct fieldset **sets = pool_alloc(pool, (m->count + 1) * sizeof(*sets));
    struct managed_entry mine = apply_identity(who);
    const struct fieldset *allowed = NULL;
    bool any = false;

    if (!strcmp(who->manager, LAST_APPLIED_BY) && last_applied(a->live).data)
        allowed = last_applied_fields(pool, a);
    for (size_t i = 0; i < m->count; i++) {
        if (&m->entries[i] == managed_find(m, &mine))
            continue;
        sets[i] = fieldset_intersection(pool, m->entries[i].fields, changed);
        sets[i] = fieldset_difference(pool, sets[i], allowed);
        any = any || !fieldset_is_empty(sets[i]);
    }
    return any ? conflict_report(m, sets, err) : 0;
}

/* The configuration merged in, and what it leaves out now taken out. */
static int apply_make(struct pool *pool, const struct managed *m, const struct managed_writer *who,
                      const struct managed_apply *a, const struct fieldset *set, struct value **ret_object,
                      struct error *err)
{
    struct value *object CLEANUP_VALUE = apply_merge(a->kind->type, a->live, a->config);
    struct managed_entry identity = apply_identity(who);
    const struct managed_entry *mine = managed_find(m, &identity);
    const struct fieldset **owned = pool_alloc(pool, (m->count + 1) * sizeof(*owned));
    int r;

    for (size_t i = 0; i < m->count; i++)
        owned[i] = &m->entries[i] == mine ? set : m->entries[i].fields;
    if (mine)
        apply_prune(a->kind->type, object, mine->fields, fieldset_union_all(pool, owned, m->count));
    if ((r = codec_normalise(a->kind, object, CODEC_IGNORE, NULL, err)) < 0)
        return r;
    *ret_object = STEAL(object);
    return 0;
}

int managed_apply(struct pool *pool, struct managed *m, const struct managed_writer *who, const struct managed_apply *a,
                  struct value **ret_object, struct error *err)
{
    struct value *object CLEANUP_VALUE = NULL;
    struct managed_entry identity = apply_identity(who);
    const struct fieldset *set = NULL;
    struct managed_entry *mine;
    struct fieldset_change change;
    int r = fieldset_of(pool, a->kind->type, a->config, &set, err);

    if (r < 0)
        return error_wrap(err, "failed to create typed patch object (%s/%s; %s, Kind=%s)", a->namespace_, a->name,
                          who->api_version, a->kind->kind);
    if (who->only)
        set = places_own(pool, set, who->only);
    if ((r = apply_make(pool, m, who, a, set, &object, err)) < 0)
        return r;
    fieldset_compare(pool, a->kind->type, who->part, a->live, object, &change);
    if (!a->force && (r = apply_check_conflicts(pool, m, who, a, set, &change, err)) < 0)
        return r;
    if (m->count >= MANAGED_ENTRIES_MAX && !managed_find(m, &identity))
        return error_set(err, ERROR_BAD_REQUEST, "the object has %d managers already", MANAGED_ENTRIES_MAX);
    managed_take_from(pool, m, &identity, &change);
    mine = managed_need(pool, m, &identity);
    mine->api_version = identity.api_version;
    set = managed_ownable(pool, set);
    if (!fieldset_equal(mine->fields, set))
        mine->time = slice_str(who->now);
    mine->fields = set;
    managed_drop_empty(m);
    if (!strcmp(who->manager, LAST_APPLIED_BY))
        last_applied_keep(a, object);
    *ret_object = STEAL(object);
    return 0;
}

void managed_touch(struct managed *m, const struct managed_writer *who)
{
    struct managed_entry identity = apply_identity(who);
    struct managed_entry *mine = managed_find(m, &identity);

    if (mine)
        mine->time = slice_str(who->now);
}
