/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A definition of custom resources that is being deleted is held by a finalizer until its objects are gone:
 *
 *     deletionTimestamp --> delete collections, namespace by namespace --> (objects go) --> drop the finalizer
 *
 * One whose names another has is written again, without a change, when the other is gone or has other names: the server
 * then looks anew whether they are free.
 */
#include "controllers/rows.h"

#define CUSTOM_FINALIZER "customresourcecleanup.apiextensions.k8s.io"

/* ---- plan ---- */

static void custom_plan_collection(struct plan *plan, const struct view_kind *kind, struct slice ns)
{
    struct action *action = plan_add(plan, ACTION_DELETE_COLLECTION, kind, ns, SLICE_NONE);

    action->flags = ACTION_MISSING_IS_FINE;
    buf_append_str(&action->body,
                   "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"propagationPolicy\":\"Background\"}");
}

/* A patch of the definition, begun: members of its metadata follow. */
static struct action *custom_plan_patch(struct plan *plan, const struct view *definition)
{
    struct action *action =
        plan_add(plan, ACTION_PATCH, &view_definitions, SLICE_NONE, view_text(definition, VIEW_NAME));

    action->patch_type = PATCH_MERGE;
    action->flags = ACTION_MISSING_IS_FINE;
    buf_append_str(&action->body, "{\"metadata\":{");
    plan_member(&action->body, "uid", view_text(definition, VIEW_UID));
    return action;
}

static void custom_plan_finish(struct plan *plan, const struct view *definition)
{
    struct action *action = custom_plan_patch(plan, definition);

    plan_member(&action->body, "resourceVersion", view_text(definition, VIEW_REVISION));
    buf_append_str(&action->body, ",\"finalizers\":");
    plan_list_without(&action->body, view_raw(definition, VIEW_FINALIZERS), CUSTOM_FINALIZER);
    buf_append_str(&action->body, "}}");
}

/* Whether it waits for names. */
static bool custom_lacks_names(const struct view *definition)
{
    struct slice condition = view_raw(definition, DEFINITION_NAMES_ACCEPTED);

    return scan_text_is(scan_get(condition, "status"), "False");
}

static void custom_plan_names(struct plan *plan, const struct view *definition)
{
    struct action *action = custom_plan_patch(plan, definition);

    buf_append_str(&action->body, "}}");
}

void custom_finalizer_plan(const struct view *definition, const struct view_kind *kind,
                           const struct view *const *objects, size_t count, struct plan *plan)
{
    if (!view_deleting(definition) && custom_lacks_names(definition))
        custom_plan_names(plan, definition);
    if (!view_deleting(definition) || !view_has_finalizer(definition, CUSTOM_FINALIZER))
        return;
    if (!count) {
        custom_plan_finish(plan, definition);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        bool told = view_deleting(objects[i]);

        for (size_t k = 0; k < plan->count && !told; k++)
            told = slice_is(view_text(objects[i], VIEW_NAMESPACE), plan->actions[k].ns);
        if (!told)
            custom_plan_collection(plan, kind, view_text(objects[i], VIEW_NAMESPACE));
    }
}

/* ---- reconcile ---- */

static void custom_collect(void *arg, const struct view *v)
{
    view_array_add(arg, (struct view_list){&v, 1});
}

static void custom_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    const struct view *definition = run_get_key(run, &view_definitions, key);
    const struct view_kind *kind = NULL;
    struct view_array objects = {0};

    if (!definition)
        return;
    plan_about(plan, definition);
    if (view_deleting(definition) && !run_custom_kind(run, key, &kind)) {
        plan_again(plan, 100);
        return;
    }
    if (kind)
        run_each(run, kind, custom_collect, &objects);
    custom_finalizer_plan(definition, kind, objects.items, objects.count, plan);
    free(objects.items);
}

struct custom_search {
    struct run *run;
    const struct view *object;
};

static void custom_map_definition(void *arg, const struct view *definition)
{
    struct custom_search *s = arg;
    BUF_LOCAL(key);

    if (!view_deleting(definition) || !slice_is(view_text(definition, DEFINITION_PLURAL), s->object->kind->plural))
        return;
    view_key(definition, &key);
    run_add(s->run, buf_slice(&key));
}

/* An object that goes may be the last one. */
static void custom_map_all(struct run *run, const struct view *before, const struct view *now)
{
    struct custom_search search = {run, before};

    if (before && !now)
        run_each(run, &view_definitions, custom_map_definition, &search);
}

static void custom_map_waiting(void *arg, const struct view *definition)
{
    struct custom_search *s = arg;

    if (custom_lacks_names(definition) &&
        slice_equal(view_text(definition, DEFINITION_GROUP), view_text(s->object, DEFINITION_GROUP)))
        run_add(s->run, view_text(definition, VIEW_NAME));
}

/* Itself, and whom the names that it leaves may serve. */
static void custom_map_names(struct run *run, const struct view *before, const struct view *now)
{
    struct custom_search search = {run, before};

    map_own(run, before, now);
    if (before && (!now || !slice_equal(view_raw(before, DEFINITION_ACCEPTED), view_raw(now, DEFINITION_ACCEPTED))))
        run_each(run, &view_definitions, custom_map_waiting, &search);
}

const struct controller custom_finalizer = {
    .name = "custom-resource-finalizer",
    .parallel = 4,
    .watches = {{&view_definitions, custom_map_names}},
    .map_all = custom_map_all,
    .reconcile = custom_reconcile,
};
