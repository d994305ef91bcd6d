/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespace deletion: a namespace that is being deleted is emptied kind by kind; when nothing is left its finalizer is
 * taken away, and the API server removes it.
 *
 *     deletionTimestamp --> delete collections of what is there --> (objects go) --> delete events --> finalize
 *
 * Objects that are on their way out already (grace period, finalizers) are waited for.
 */
#include "controllers/namespace.h"

static const struct view_kind namespace_events = {"v1", "Event", "events", NULL};

#define NAMESPACE_FINALIZER "kubernetes"

static bool namespace_has_finalizer(const struct view *ns)
{
    struct scan_cursor at = scan_open(view_raw(ns, NAMESPACE_FINALIZERS));
    struct slice value;

    while (scan_element(&at, &value))
        if (scan_text_is(value, NAMESPACE_FINALIZER))
            return true;
    return false;
}

static void namespace_plan_collection(struct plan *plan, const struct view *ns, const struct view_kind *kind)
{
    struct action *action = plan_add(plan, ACTION_DELETE_COLLECTION, kind, view_text(ns, VIEW_NAME), SLICE_NONE);

    action->flags = ACTION_MISSING_IS_FINE;
    buf_append_str(&action->body,
                   "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"propagationPolicy\":\"Background\"}");
}

static void namespace_plan_finalize(struct plan *plan, const struct view *ns)
{
    struct action *action = plan_add(plan, ACTION_UPDATE, &view_namespaces, SLICE_NONE, view_text(ns, VIEW_NAME));

    action->sub = "finalize";
    action->flags = ACTION_MISSING_IS_FINE;
    buf_append_str(&action->body, "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{");
    plan_member(&action->body, "name", view_text(ns, VIEW_NAME));
    plan_member(&action->body, "uid", view_text(ns, VIEW_UID));
    plan_member(&action->body, "resourceVersion", view_text(ns, VIEW_REVISION));
    buf_append_str(&action->body, "},\"spec\":{\"finalizers\":");
    plan_list_without(&action->body, view_raw(ns, NAMESPACE_FINALIZERS), NAMESPACE_FINALIZER);
    buf_append_str(&action->body, "}}");
}

void namespace_plan(const struct view *ns, const struct namespace_content *contents, size_t count, struct plan *plan)
{
    size_t left = 0;

    if (!view_deleting(ns) || !namespace_has_finalizer(ns))
        return;
    if (!slice_is(view_text(ns, NAMESPACE_PHASE), "Terminating")) {
        struct action *action = plan_add(plan, ACTION_PATCH, &view_namespaces, SLICE_NONE, view_text(ns, VIEW_NAME));

        action->sub = "status";
        action->flags = ACTION_MISSING_IS_FINE;
        buf_append_str(&action->body, "{\"status\":{\"phase\":\"Terminating\"}}");
    }
    for (size_t i = 0; i < count; i++) {
        left += contents[i].staying + contents[i].going;
        if (contents[i].staying)
            namespace_plan_collection(plan, ns, contents[i].kind);
    }
    if (left)
        return; /* their going brings the next plan */
    namespace_plan_collection(plan, ns, &namespace_events);
    namespace_plan_finalize(plan, ns);
}

/* ---- reconcile ---- */

struct namespace_counter {
    struct slice ns;
    struct namespace_content *content;
};

static void namespace_count(void *arg, const struct view *v)
{
    const struct namespace_counter *counter = arg;

    if (!slice_equal(view_text(v, VIEW_NAMESPACE), counter->ns))
        return;
    if (view_deleting(v))
        counter->content->going++;
    else
        counter->content->staying++;
}

static void namespace_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    const struct view *ns = run_get_key(run, &view_namespaces, key);
    struct namespace_content *contents CLEANUP_FREE = NULL;
    size_t count = 0;
    size_t cap = 0;

    if (!ns || !view_deleting(ns))
        return;
    for (size_t i = 0; run_kind(run, i); i++) {
        struct namespace_counter counter = {.ns = key};

        if (!run_kind_is_namespaced(run, run_kind(run, i)))
            continue;
        contents = mem_grow(contents, &cap, count + 1, sizeof(*contents));
        contents[count] = (struct namespace_content){.kind = run_kind(run, i)};
        counter.content = &contents[count++];
        run_each(run, counter.content->kind, namespace_count, &counter);
    }
    namespace_plan(ns, contents, count, plan);
}

/* Anything that changes in a namespace on its way out. */
static void namespace_map_all(struct run *run, const struct view *before, const struct view *now)
{
    const struct view *v = now ? now : before;
    const struct view *ns;

    if (!view_text(v, VIEW_NAMESPACE).len)
        return;
    ns = run_get_key(run, &view_namespaces, view_text(v, VIEW_NAMESPACE));
    if (ns && view_deleting(ns))
        run_add(run, view_text(v, VIEW_NAMESPACE));
}

const struct controller namespace_controller = {
    .name = "namespace-controller",
    .parallel = 4,
    .watches = {{&view_namespaces, map_own}},
    .map_all = namespace_map_all,
    .reconcile = namespace_reconcile,
};
