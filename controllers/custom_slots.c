/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slot for every kind that users have defined: garbage collection and the emptying of namespaces see their objects as
 * all others.
 *
 *     established --> slot with an informer --not established, or gone--> slot without one
 *                       ^----------------------defined again---------------'
 *
 * A slot is never freed before the end, because plans under way point to its kind; one of the same names is used again.
 */
#include "controllers/runner_internal.h"

#include "api/custom.h"
#include "api/value.h"

/* What is kept of a definition: a version that can be asked for; NULL = there is none. */
struct definition {
    struct custom_kind *head;
};

static void definition_free(void *item)
{
    struct definition *d = item;

    custom_kind_unref(d->head);
    free(d);
}

/* The stored version when it is served, else any; when none is, of one that is deleted the stored one, which the server
 * shows to who empties it. */
static const struct value *definition_version(const struct value *object)
{
    const struct value *versions = value_path(object, "spec", "versions", NULL);
    bool deleting = value_path(object, "metadata", "deletionTimestamp", NULL);
    const struct value *found = NULL;
    const struct value *stored = NULL;

    for (size_t i = 0; i < value_count(versions); i++) {
        const struct value *v = value_at(versions, i);

        if (value_bool(value_get(v, "served")) && (!found || value_bool(value_get(v, "storage"))))
            found = v;
        if (value_bool(value_get(v, "storage")))
            stored = v;
    }
    return found || !deleting ? found : stored;
}

static void *definition_project(void *arg, struct slice key, struct slice json)
{
    struct value *object CLEANUP_VALUE = value_parse(json, NULL);
    struct definition *d = mem_zalloc(sizeof(*d));
    const struct value *version = object && custom_is_established(object) ? definition_version(object) : NULL;

    (void)arg;
    (void)key;
    d->head = version ? custom_kind_head(object, version) : NULL;
    return d;
}

static struct slot *custom_slot_find(struct controllers *c, const struct schema_kind *schema)
{
    for (size_t i = 0; i < c->slot_count; i++) {
        const struct schema_kind *s = c->slots[i]->schema;

        if (c->slots[i]->custom && !strcmp(s->group, schema->group) && !strcmp(s->plural, schema->plural) &&
            !strcmp(s->version, schema->version) && !strcmp(s->kind, schema->kind) &&
            s->namespaced == schema->namespaced)
            return c->slots[i];
    }
    return NULL;
}

static void custom_slot_open(struct controllers *c, struct custom_kind *head)
{
    struct slot *slot = custom_slot_find(c, custom_kind_schema(head));

    if (!slot) {
        slot = controllers_add_slot(c, custom_kind_schema(head));
        slot->custom = custom_kind_ref(head);
        for (size_t i = 0; i < c->run_count; i++)
            if (c->runs[i].row->map_all)
                slot_listen(slot, &c->runs[i], c->runs[i].row->map_all);
    }
    if (!slot->informer)
        slot_start(slot);
}

/* Its objects went before it; what another version took over is seen there. */
static void custom_slot_close(struct controllers *c, struct custom_kind *head)
{
    struct slot *slot = custom_slot_find(c, custom_kind_schema(head));

    if (!slot || !slot->informer)
        return;
    informer_free(slot->informer);
    slot->informer = NULL;
    slot_index_free(slot);
    selection_free(slot);
}

static void definition_changed(void *arg, struct slice key, const void *before, const void *now)
{
    const struct definition *was = before;
    const struct definition *is = now;

    (void)key;
    if (was && was->head &&
        (!is || !is->head ||
         strcmp(custom_kind_schema(was->head)->version, custom_kind_schema(is->head)->version) != 0))
        custom_slot_close(arg, was->head);
    if (is && is->head)
        custom_slot_open(arg, is->head);
}

bool run_custom_kind(struct run *run, struct slice key, const struct view_kind **ret_kind)
{
    struct controllers *c = run->controllers;
    const struct definition *d = informer_has_synced(c->definitions) ? informer_get(c->definitions, key) : NULL;
    const struct slot *slot = d && d->head ? custom_slot_find(c, custom_kind_schema(d->head)) : NULL;

    *ret_kind = slot ? slot->kind : NULL;
    return d && (!slot || (slot->informer && informer_has_synced(slot->informer)));
}

void custom_slots_start(struct controllers *c)
{
    const struct schema_kind *kind = schema_find_resource(SLICE_LIT("apiextensions.k8s.io"), SLICE_LIT("v1"),
                                                          SLICE_LIT("customresourcedefinitions"));

    c->definitions = informer_start(c->client, &(struct informer_options){
                                                   .kind = kind,
                                                   .project = definition_project,
                                                   .free_item = definition_free,
                                                   .changed = definition_changed,
                                                   .arg = c,
                                               });
}
