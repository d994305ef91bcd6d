/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Garbage collection, level-triggered per object: an object is looked at when it comes, changes, or an owner of it
 * goes.
 *
 *     has owners, none is left                 -> delete (after a look at the live API that they are gone)
 *     some owners are left                     -> drop the references to those that are gone
 *     deleting, finalizer foregroundDeletion   -> delete dependents; drop the finalizer when no blocking one is left
 *     deleting, finalizer orphan               -> take the reference out of dependents, then drop the finalizer
 *
 * Keys are "apiVersion|kind|ns/name".
 */
#include "controllers/garbage_collector.h"

#define GARBAGE_FOREGROUND "foregroundDeletion"
#define GARBAGE_ORPHAN     "orphan"
#define GARBAGE_STRATEGIC  "application/strategic-merge-patch+json"

/* ---- plan ---- */

static bool garbage_is_custom(const struct view *object)
{
    struct slice group;
    struct slice version;

    schema_split_api_version(slice_str(object->kind->api_version), &group, &version);
    return !schema_find_kind(group, version, slice_str(object->kind->kind));
}

/* Objects of kinds that users define take no strategic patch: the list as it should be, at this revision only. */
static void garbage_write_left(struct buf *out, const struct view *object, const struct slice *uids, size_t count)
{
    struct scan_cursor at = scan_open(view_raw(object, VIEW_OWNERS));
    struct slice raw;
    char before = '[';

    while (scan_element(&at, &raw)) {
        bool gone = false;

        for (size_t i = 0; i < count; i++)
            gone = gone || slice_equal(view_unquote(scan_get(raw, "uid")), uids[i]);
        if (gone)
            continue;
        buf_append_byte(out, before);
        buf_append_slice(out, raw);
        before = ',';
    }
    buf_append_str(out, before == '[' ? "[]" : "]");
}

/* A patch that takes references to these owners out of the object. */
static void garbage_plan_unlink(struct plan *plan, const struct view *object, const struct slice *uids, size_t count)
{
    struct action *action =
        plan_add(plan, ACTION_PATCH, object->kind, view_text(object, VIEW_NAMESPACE), view_text(object, VIEW_NAME));

    action->patch_type = garbage_is_custom(object) ? PATCH_MERGE : GARBAGE_STRATEGIC;
    action->flags = ACTION_MISSING_IS_FINE;
    action->group = 1;
    buf_append_str(&action->body, "{\"metadata\":{");
    plan_member(&action->body, "uid", view_text(object, VIEW_UID));
    if (garbage_is_custom(object)) {
        plan_member(&action->body, "resourceVersion", view_text(object, VIEW_REVISION));
        buf_append_str(&action->body, ",\"ownerReferences\":");
        garbage_write_left(&action->body, object, uids, count);
        buf_append_str(&action->body, "}}");
        return;
    }
    buf_append_str(&action->body, ",\"ownerReferences\":[");
    for (size_t i = 0; i < count; i++) {
        buf_append_str(&action->body, i ? ",{\"$patch\":\"delete\"" : "{\"$patch\":\"delete\"");
        plan_member(&action->body, "uid", uids[i]);
        buf_append_byte(&action->body, '}');
    }
    buf_append_str(&action->body, "]}}");
}

static void garbage_plan_drop_finalizer(struct plan *plan, const struct view *object, const char *name)
{
    struct action *action =
        plan_add(plan, ACTION_PATCH, object->kind, view_text(object, VIEW_NAMESPACE), view_text(object, VIEW_NAME));

    action->flags = ACTION_MISSING_IS_FINE;
    buf_append_str(&action->body, "{\"metadata\":{");
    plan_member(&action->body, "uid", view_text(object, VIEW_UID));
    plan_member(&action->body, "resourceVersion", view_text(object, VIEW_REVISION));
    buf_append_str(&action->body, ",\"finalizers\":");
    plan_list_without(&action->body, view_raw(object, VIEW_FINALIZERS), name);
    buf_append_str(&action->body, "}}");
}

/* An object that is being deleted and waits for us. */
static void garbage_plan_deleting(const struct garbage_view *in, struct plan *plan)
{
    struct slice uid = view_text(in->object, VIEW_UID);
    size_t blocking = 0;

    if (view_has_finalizer(in->object, GARBAGE_ORPHAN)) {
        for (size_t i = 0; i < in->dependent_count; i++)
            garbage_plan_unlink(plan, in->dependents[i], &uid, 1);
        garbage_plan_drop_finalizer(plan, in->object, GARBAGE_ORPHAN);
        return;
    }
    if (!view_has_finalizer(in->object, GARBAGE_FOREGROUND))
        return;
    for (size_t i = 0; i < in->dependent_count; i++) {
        struct scan_cursor at = scan_open(view_raw(in->dependents[i], VIEW_OWNERS));
        struct view_owner owner;

        while (view_next_owner(&at, &owner))
            blocking += owner.block && slice_equal(owner.uid, uid);
    }
    if (!blocking)
        garbage_plan_drop_finalizer(plan, in->object, GARBAGE_FOREGROUND);
}

static bool garbage_waits_for_dependents(const struct view *v)
{
    return view_deleting(v) && view_has_finalizer(v, GARBAGE_FOREGROUND);
}

/* How the object's own dependents are treated when it goes. Its owners wait for it: where one of its dependents waits,
 * too, they may be waiting for each other, and nobody would ever go. */
static const char *garbage_policy(const struct garbage_view *in, bool waiting)
{
    bool circle = false;

    if (view_has_finalizer(in->object, GARBAGE_ORPHAN))
        return "Orphan";
    for (size_t i = 0; i < in->dependent_count; i++)
        circle = circle || garbage_waits_for_dependents(in->dependents[i]);
    if (view_has_finalizer(in->object, GARBAGE_FOREGROUND) || (waiting && in->dependent_count && !circle))
        return "Foreground";
    return "Background";
}

/* Somebody may wonder why it went. */
static void garbage_tell(struct action *action, const struct garbage_owner *owner)
{
    action->flags |= ACTION_EVENT_OF_OBJECT | ACTION_EVENT_WARNS;
    action->reason = "OwnerRefInvalidNamespace";
    action->message =
        mem_printf("ownerRef [%.*s/%.*s, namespace: %s, name: %.*s, uid: %.*s] does not exist in namespace \"%s\"",
                   SLICE_ARGS(owner->ref.api_version), SLICE_ARGS(owner->ref.kind), action->ns,
                   SLICE_ARGS(owner->ref.name), SLICE_ARGS(owner->ref.uid), action->ns);
}

static void garbage_plan_delete(const struct garbage_view *in, bool waiting, struct plan *plan)
{
    struct action *action;

    for (size_t i = 0; i < in->owner_count; i++) {
        const struct garbage_owner *owner = &in->owners[i];

        if (owner->state != GARBAGE_OWNER_GONE)
            continue;
        action = plan_add(plan, ACTION_STOP_UNLESS_GONE, owner->kind, owner->ns, owner->ref.name);
        action->uid = slice_dup(owner->ref.uid);
    }
    action = plan_delete(plan, in->object);
    buf_reset(&action->body);
    buf_append_str(&action->body, "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":{");
    plan_member(&action->body, "uid", view_text(in->object, VIEW_UID));
    buf_append_str(&action->body, "}");
    plan_member(&action->body, "propagationPolicy", slice_str(garbage_policy(in, waiting)));
    buf_append_byte(&action->body, '}');
    for (size_t i = 0; i < in->owner_count && !action->reason; i++)
        if (in->owners[i].elsewhere)
            garbage_tell(action, &in->owners[i]);
}

void garbage_plan(const struct garbage_view *in, struct plan *plan)
{
    struct slice *gone CLEANUP_FREE = mem_calloc(in->owner_count ? in->owner_count : 1, sizeof(*gone));
    size_t gone_count = 0;
    size_t here = 0;
    size_t waiting = 0;

    if (view_deleting(in->object)) {
        garbage_plan_deleting(in, plan);
        return;
    }
    for (size_t i = 0; i < in->owner_count; i++) {
        enum garbage_owner_state state = in->owners[i].state;

        here += state == GARBAGE_OWNER_HERE || state == GARBAGE_OWNER_UNKNOWN;
        waiting += state == GARBAGE_OWNER_WAITS;
        if (state == GARBAGE_OWNER_GONE || state == GARBAGE_OWNER_WAITS)
            gone[gone_count++] = in->owners[i].ref.uid;
    }
    if (!gone_count)
        return;
    if (!here) {
        garbage_plan_delete(in, waiting > 0, plan);
        return;
    }
    for (size_t i = 0; i < in->owner_count; i++)
        if (in->owners[i].state == GARBAGE_OWNER_GONE) {
            struct action *action =
                plan_add(plan, ACTION_STOP_UNLESS_GONE, in->owners[i].kind, in->owners[i].ns, in->owners[i].ref.name);

            action->uid = slice_dup(in->owners[i].ref.uid);
        }
    garbage_plan_unlink(plan, in->object, gone, gone_count);
}

/* ---- reconcile ---- */

static void garbage_add(struct run *run, const struct view *v)
{
    BUF_LOCAL(key);

    buf_printf(&key, "%s|%s|", v->kind->api_version, v->kind->kind);
    view_key(v, &key);
    run_add(run, buf_slice(&key));
}

static void garbage_add_dependents(struct run *run, const struct view *owner)
{
    for (size_t i = 0; run_kind(run, i); i++) {
        struct view_list list = run_owned(run, run_kind(run, i), view_text(owner, VIEW_UID));

        for (size_t k = 0; k < list.count; k++)
            garbage_add(run, list.items[k]);
    }
}

static bool garbage_waits(const struct view *v)
{
    return garbage_waits_for_dependents(v) || (view_deleting(v) && view_has_finalizer(v, GARBAGE_ORPHAN));
}

struct garbage_search {
    struct slice uid;
    bool found;
};

static void garbage_search(void *arg, const struct view *v)
{
    struct garbage_search *search = arg;

    search->found = search->found || slice_equal(view_text(v, VIEW_UID), search->uid);
}

/* The object as it stands for an owner reference, by name and uid. */
static const struct view *garbage_find_owner(struct run *run, const struct view *object, struct garbage_owner *owner)
{
    const struct view *v;

    owner->kind = run_find_kind(run, owner->ref.api_version, owner->ref.kind);
    owner->state = GARBAGE_OWNER_UNKNOWN;
    if (!owner->kind)
        return NULL;
    owner->ns = run_kind_is_namespaced(run, owner->kind) ? view_text(object, VIEW_NAMESPACE) : SLICE_NONE;
    /* What belongs to no namespace cannot have an owner in one: a mistake in the reference, and no reason to delete. */
    if (run_kind_is_namespaced(run, owner->kind) && !owner->ns.len)
        return NULL;
    v = run_get(run, owner->kind, owner->ns, owner->ref.name);
    if (!v || !slice_equal(view_text(v, VIEW_UID), owner->ref.uid)) {
        owner->state = GARBAGE_OWNER_GONE;
        return NULL;
    }
    owner->state = garbage_waits_for_dependents(v) ? GARBAGE_OWNER_WAITS : GARBAGE_OWNER_HERE;
    return v;
}

static void garbage_map(struct run *run, const struct view *before, const struct view *now)
{
    const struct view *v = now ? now : before;
    struct scan_cursor at = scan_open(before ? view_raw(before, VIEW_OWNERS) : SLICE_NONE);
    struct garbage_owner owner = {0};

    if (!now || (garbage_waits(now) && !(before && garbage_waits(before))))
        garbage_add_dependents(run, v);
    if (now && (garbage_waits(now) || view_raw(now, VIEW_OWNERS).len > 2))
        garbage_add(run, now);
    /* An owner in the foreground waited for this one, until it went or named the owner no longer. */
    while (view_next_owner(&at, &owner.ref)) {
        const struct view *waiting = garbage_find_owner(run, before, &owner);

        if (waiting && owner.state == GARBAGE_OWNER_WAITS)
            garbage_add(run, waiting);
    }
}

static const struct view *garbage_get(struct run *run, struct slice key)
{
    struct slice version;
    struct slice kind;
    const struct view_kind *row;

    if (!slice_split(&key, '|', &version) || !slice_split(&key, '|', &kind))
        return NULL;
    row = run_find_kind(run, version, kind);
    return row ? run_get_key(run, row, key) : NULL;
}

static void garbage_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    struct garbage_view in = {.object = garbage_get(run, key)};
    struct garbage_owner *owners CLEANUP_FREE = NULL;
    struct view_array dependents = {0};
    struct garbage_owner owner = {0};
    struct scan_cursor at;
    size_t cap = 0;

    if (!in.object)
        return;
    at = scan_open(view_raw(in.object, VIEW_OWNERS));
    while (view_next_owner(&at, &owner.ref)) {
        struct garbage_search search = {.uid = owner.ref.uid};

        (void)garbage_find_owner(run, in.object, &owner);
        if (owner.state == GARBAGE_OWNER_GONE && run_kind_is_namespaced(run, owner.kind))
            run_each(run, owner.kind, garbage_search, &search);
        owner.elsewhere = search.found;
        owners = mem_grow(owners, &cap, in.owner_count + 1, sizeof(*owners));
        owners[in.owner_count++] = owner;
    }
    for (size_t i = 0; run_kind(run, i); i++)
        view_array_add(&dependents, run_owned(run, run_kind(run, i), view_text(in.object, VIEW_UID)));
    in.owners = owners;
    in.dependents = dependents.items;
    in.dependent_count = dependents.count;
    garbage_plan(&in, plan);
    free(dependents.items);
}

const struct controller garbage_collector = {
    .name = "generic-garbage-collector",
    .parallel = 8,
    .map_all = garbage_map,
    .reconcile = garbage_reconcile,
};
