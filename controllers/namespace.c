/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespace deletion: a namespace that is being deleted is emptied kind by kind; when nothing is left its finalizer is
 * taken away, and the API server removes it.
 *
 *     deletionTimestamp --> delete pods --> (they go) --> delete collections of what is there --> (objects go)
 *                       --> delete events --> finalize
 *
 * Pods go first, as in upstream since 1.33, so that what they need (policies, Secrets) is there until they have ended.
 * Objects that are on their way out already (grace period, finalizers) are waited for; conditions tell which.
 */
#include "controllers/namespace.h"

#include "lib/map.h"

static const struct view_kind namespace_events = {"v1", "Event", "events", NULL};

#define NAMESPACE_FINALIZER "kubernetes"
#define NAMESPACE_TELL_MS   1000 /* between two writes of conditions: the counts change with every object that goes */
#define NAMESPACE_FAILED    "ContentDeletionFailed"

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
    action->failure_reason = NAMESPACE_FAILED;
    action->failure_message = "Deleting content failed: {error}";
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

/* ---- conditions ---- */

struct namespace_condition {
    const char *type;
    bool holds;
    const char *reason;
    const char *message;
};

static void namespace_write_content(const struct namespace_view *in, struct buf *out)
{
    bool first = true;

    for (size_t i = 0; i < in->count; i++) {
        const struct view_kind *kind = in->contents[i].kind;
        struct slice group;
        struct slice version;
        size_t left = in->contents[i].staying + in->contents[i].going;

        if (!left)
            continue;
        schema_split_api_version(slice_str(kind->api_version), &group, &version);
        buf_printf(out, "%s%s.%.*s has %zu resource instances", first ? "Some resources are remaining: " : ", ",
                   kind->plural, SLICE_ARGS(group), left);
        first = false;
    }
}

static void namespace_write_finalizers(const struct namespace_view *in, struct buf *out)
{
    for (size_t i = 0; i < in->finalizer_count; i++)
        buf_printf(out, "%s%.*s in %zu resource instances",
                   i ? ", " : "Some content in the namespace has finalizers remaining: ",
                   SLICE_ARGS(in->finalizers[i].name), in->finalizers[i].count);
}

/* Whether the condition is there as it should be; ret_since: when its status came, where that is the same. */
static bool namespace_condition_same(const struct namespace_view *in, const struct namespace_condition *c,
                                     struct slice *ret_since)
{
    struct scan_cursor at = scan_open(view_raw(in->ns, NAMESPACE_CONDITIONS));
    struct slice raw;

    *ret_since = SLICE_NONE;
    while (scan_element(&at, &raw)) {
        BUF_LOCAL(scratch);

        if (!scan_text_is(scan_get(raw, "type"), c->type))
            continue;
        if (scan_text_is(scan_get(raw, "status"), c->holds ? "True" : "False"))
            *ret_since = view_unquote(scan_get(raw, "lastTransitionTime"));
        return ret_since->len && scan_text_is(scan_get(raw, "reason"), c->reason) &&
               slice_is(scan_text(scan_get(raw, "message"), &scratch), c->message);
    }
    return false;
}

static void namespace_write_conditions(const struct namespace_view *in, const struct namespace_condition *conditions,
                                       size_t count, struct buf *out)
{
    char now[TIME_TEXT_MAX];

    time_format_seconds(in->now, now);
    for (size_t i = 0; i < count; i++) {
        const struct namespace_condition *c = &conditions[i];
        struct slice since;

        if (namespace_condition_same(in, c, &since))
            continue;
        buf_append_str(out, out->len ? ",{" : "{");
        plan_member(out, "type", slice_str(c->type));
        plan_member(out, "status", c->holds ? SLICE_LIT("True") : SLICE_LIT("False"));
        plan_member(out, "lastTransitionTime", since.len ? since : slice_str(now));
        plan_member(out, "reason", slice_str(c->reason));
        plan_member(out, "message", slice_str(c->message));
        buf_append_byte(out, '}');
    }
}

/* Tells what keeps the namespace; while all goes its way that would only be noise. */
static void namespace_plan_conditions(const struct namespace_view *in, struct plan *plan)
{
    BUF_LOCAL(content);
    BUF_LOCAL(finalizers);
    BUF_LOCAL(list);
    struct action *action;

    namespace_write_content(in, &content);
    namespace_write_finalizers(in, &finalizers);
    const struct namespace_condition conditions[] = {
        {"NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered", "All resources successfully discovered"},
        {"NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions",
         "All legacy kube types successfully parsed"},
        {"NamespaceDeletionContentFailure", in->failure, in->failure ? NAMESPACE_FAILED : "ContentDeleted",
         in->failure ? in->failure : "All content successfully deleted, may be waiting on finalization"},
        {"NamespaceContentRemaining", content.len, content.len ? "SomeResourcesRemain" : "ContentRemoved",
         content.len ? buf_cstr(&content) : "All content successfully removed"},
        {"NamespaceFinalizersRemaining", finalizers.len,
         finalizers.len ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
         finalizers.len ? buf_cstr(&finalizers) : "All content-preserving finalizers finished"},
    };

    namespace_write_conditions(in, conditions, ARRAY_SIZE(conditions), &list);
    if (!list.len)
        return;
    if (!in->may_tell) {
        plan_again(plan, NAMESPACE_TELL_MS);
        return;
    }
    action = plan_add(plan, ACTION_PATCH, &view_namespaces, SLICE_NONE, view_text(in->ns, VIEW_NAME));
    action->sub = "status";
    action->patch_type = "application/strategic-merge-patch+json";
    action->flags = ACTION_MISSING_IS_FINE;
    buf_printf(&action->body, "{\"status\":{\"phase\":\"Terminating\",\"conditions\":[%s]}}", buf_cstr(&list));
}

/* ---- plan ---- */

/* Deletes what is there; of pods and the rest, the rest only when no pod is left. Returns how many objects are left. */
static size_t namespace_plan_contents(const struct namespace_view *in, struct plan *plan)
{
    size_t left = 0;
    size_t pods = 0;

    for (size_t i = 0; i < in->count; i++) {
        left += in->contents[i].staying + in->contents[i].going;
        if (in->contents[i].kind == &view_pods)
            pods = in->contents[i].staying + in->contents[i].going;
    }
    for (size_t i = 0; i < in->count; i++)
        if (in->contents[i].staying && (!pods || in->contents[i].kind == &view_pods))
            namespace_plan_collection(plan, in->ns, in->contents[i].kind);
    return left;
}

void namespace_plan(const struct namespace_view *in, struct plan *plan)
{
    const struct view *ns = in->ns;

    if (!view_deleting(ns) || !namespace_has_finalizer(ns))
        return;
    plan_about(plan, ns);
    if (!slice_is(view_text(ns, NAMESPACE_PHASE), "Terminating")) {
        struct action *action = plan_add(plan, ACTION_PATCH, &view_namespaces, SLICE_NONE, view_text(ns, VIEW_NAME));

        action->sub = "status";
        action->flags = ACTION_MISSING_IS_FINE;
        buf_append_str(&action->body, "{\"status\":{\"phase\":\"Terminating\"}}");
    }
    if (namespace_plan_contents(in, plan)) { /* their going brings the next plan */
        if (!plan->count || in->failure)
            namespace_plan_conditions(in, plan);
        return;
    }
    namespace_plan_collection(plan, ns, &namespace_events);
    namespace_plan_finalize(plan, ns);
}

/* ---- reconcile ---- */

#define NAMESPACE_FINALIZERS_MAX 16 /* different ones that are told of */

struct namespace_counter {
    struct slice ns;
    struct namespace_content *content;
    struct namespace_finalizer finalizers[NAMESPACE_FINALIZERS_MAX];
    size_t finalizer_count;
};

static void namespace_count_finalizer(struct namespace_counter *counter, struct slice name)
{
    size_t i = 0;

    while (i < counter->finalizer_count && !slice_equal(counter->finalizers[i].name, name))
        i++;
    if (i == NAMESPACE_FINALIZERS_MAX)
        return;
    if (i == counter->finalizer_count)
        counter->finalizers[counter->finalizer_count++] = (struct namespace_finalizer){name, 0};
    counter->finalizers[i].count++;
}

static void namespace_count(void *arg, const struct view *v)
{
    struct namespace_counter *counter = arg;
    struct scan_cursor at = scan_open(view_raw(v, VIEW_FINALIZERS));
    struct slice name;

    if (!slice_equal(view_text(v, VIEW_NAMESPACE), counter->ns))
        return;
    if (view_deleting(v))
        counter->content->going++;
    else
        counter->content->staying++;
    while (scan_element(&at, &name))
        namespace_count_finalizer(counter, view_unquote(name));
}

/* When the conditions of a namespace were written last, by name. */
static struct map *namespace_told(struct run *run)
{
    void **state = run_state(run);

    if (!*state)
        *state = mem_zalloc(sizeof(struct map));
    return *state;
}

static void namespace_free_told(void *state)
{
    if (state)
        map_clear(state, free);
    free(state);
}

/* Also notes that they are being written now, when they may. */
static bool namespace_may_tell(struct run *run, struct slice key)
{
    int64_t now = clock_monotonic_ns(run_clock(run));
    int64_t *last = map_get(namespace_told(run), key);

    if (last && now - *last < NAMESPACE_TELL_MS * NS_PER_MS)
        return false;
    if (last)
        *last = now;
    else
        (void)map_put(namespace_told(run), key, mem_dup(&now, sizeof(now)));
    return true;
}

static void namespace_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    const struct view *ns = run_get_key(run, &view_namespaces, key);
    struct namespace_content *contents CLEANUP_FREE = NULL;
    struct namespace_counter counter = {.ns = key};
    struct run_refusal refusal = run_last_refusal(run, key);
    struct namespace_view in = {.ns = ns, .now = run_now(run)};
    size_t cap = 0;

    if (!ns || !view_deleting(ns)) {
        free(map_remove(namespace_told(run), key));
        return;
    }
    for (size_t i = 0; run_kind(run, i); i++) {
        if (!run_kind_is_namespaced(run, run_kind(run, i)))
            continue;
        contents = mem_grow(contents, &cap, in.count + 1, sizeof(*contents));
        contents[in.count] = (struct namespace_content){.kind = run_kind(run, i)};
        counter.content = &contents[in.count++];
        run_each(run, counter.content->kind, namespace_count, &counter);
    }
    in.contents = contents;
    in.finalizers = counter.finalizers;
    in.finalizer_count = counter.finalizer_count;
    in.failure = refusal.reason ? refusal.message : NULL;
    in.may_tell = namespace_may_tell(run, key);
    namespace_plan(&in, plan);
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
    .free_state = namespace_free_told,
};
