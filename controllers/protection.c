/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims and volumes that are in use outlive their deletion: a finalizer, which the API server puts on when they are
 * made, is taken off when nothing uses them any more.
 *
 *     protected --deleted--> waits --no pod uses the claim; the volume is not bound--> finalizer off, gone
 *         ^-- one from before there were finalizers, or whose user took it off: it is put on
 *
 * A claim is in use while a pod names it that has a node, whether or not it has ended: only its node could tell that
 * the volume is let go of, and it tells by removing the pod. An ephemeral volume's claim belongs to its pod; a pod that
 * is shut down for good lets go of it, or the two could wait for each other for ever. As upstream.
 */
#include "controllers/rows.h"

#define CLAIM_FINALIZER  "kubernetes.io/pvc-protection"
#define VOLUME_FINALIZER "kubernetes.io/pv-protection"

/* ---- plan ---- */

void protection_plan(const struct view *object, const char *finalizer, bool used, struct plan *plan)
{
    bool has = view_has_finalizer(object, finalizer);
    bool deleting = view_deleting(object);
    struct action *action;

    if (has != deleting || (deleting && used))
        return;
    action =
        plan_add(plan, ACTION_PATCH, object->kind, view_text(object, VIEW_NAMESPACE), view_text(object, VIEW_NAME));
    action->flags = ACTION_MISSING_IS_FINE;
    buf_append_str(&action->body, "{\"metadata\":{");
    plan_member(&action->body, "uid", view_text(object, VIEW_UID));
    plan_member(&action->body, "resourceVersion", view_text(object, VIEW_REVISION));
    if (deleting) {
        action->patch_type = PATCH_MERGE;
        buf_append_str(&action->body, ",\"finalizers\":");
        plan_list_without(&action->body, view_raw(object, VIEW_FINALIZERS), finalizer);
    } else {
        action->patch_type = "application/strategic-merge-patch+json";
        buf_printf(&action->body, ",\"finalizers\":[\"%s\"]", finalizer);
    }
    buf_append_str(&action->body, "}}");
}

/* ---- which pods use a claim ---- */

/* Done with by its node, or deleted by force. */
static bool pod_is_shut_down(const struct view *pod)
{
    return view_deleting(pod) && view_int(pod, POD_DELETION_GRACE, -1) == 0;
}

/* Appends the name of the claim that a pod's volume is. Returns whether it was made for the volume. */
static bool volume_write_claim(const struct view *pod, struct slice volume, struct buf *out)
{
    struct slice named = view_unquote(scan_get(volume, "persistentVolumeClaim.claimName"));

    if (named.len) {
        buf_append_slice(out, named);
        return false;
    }
    buf_append_slice(out, view_text(pod, VIEW_NAME));
    buf_append_byte(out, '-');
    buf_append_slice(out, view_unquote(scan_get(volume, "name")));
    return true;
}

/* One that was made for a volume is its pod's while that lives. */
static bool volume_is_claim(const struct view *pod, struct slice volume, const struct view *claim)
{
    struct view_owner owner;
    BUF_LOCAL(name);
    bool own = volume_write_claim(pod, volume, &name);

    return slice_equal(buf_slice(&name), view_text(claim, VIEW_NAME)) &&
           (!own || (!pod_is_shut_down(pod) && view_controller(claim, &owner) &&
                     slice_equal(owner.uid, view_text(pod, VIEW_UID))));
}

bool protection_pod_uses(const struct view *pod, const struct view *claim)
{
    struct scan_cursor at = scan_open(view_raw(pod, POD_CLAIMS));
    struct slice volume;

    if (!view_raw(pod, POD_CLAIMS).len || !view_text(pod, POD_NODE).len ||
        !slice_equal(view_text(pod, VIEW_NAMESPACE), view_text(claim, VIEW_NAMESPACE)))
        return false;
    while (scan_element(&at, &volume))
        if (volume_is_claim(pod, volume, claim))
            return true;
    return false;
}

/* ---- reconcile ---- */

struct claim_search {
    const struct view *claim;
    bool used;
};

static void claim_look(void *arg, const struct view *pod)
{
    struct claim_search *search = arg;

    search->used = search->used || protection_pod_uses(pod, search->claim);
}

static void claim_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    struct claim_search search = {.claim = run_get_key(run, &view_claims, key)};

    if (!search.claim)
        return;
    if (view_deleting(search.claim))
        run_each(run, &view_pods, claim_look, &search);
    protection_plan(search.claim, CLAIM_FINALIZER, search.used, plan);
}

static void volume_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    const struct view *volume = run_get_key(run, &view_volumes, key);

    if (volume)
        protection_plan(volume, VOLUME_FINALIZER, slice_is(view_text(volume, VOLUME_PHASE), "Bound"), plan);
}

/* The claims that a pod which has let go of them may have held. */
static void claim_add_of(struct run *run, const struct view *pod)
{
    struct scan_cursor at = scan_open(view_raw(pod, POD_CLAIMS));
    struct slice volume;

    while (view_raw(pod, POD_CLAIMS).len && scan_element(&at, &volume)) {
        BUF_LOCAL(key);

        buf_append_slice(&key, view_text(pod, VIEW_NAMESPACE));
        buf_append_byte(&key, '/');
        (void)volume_write_claim(pod, volume, &key);
        run_add(run, buf_slice(&key));
    }
}

static void claim_map_pod(struct run *run, const struct view *before, const struct view *now)
{
    bool gone = before && (!now || !slice_equal(view_text(before, VIEW_UID), view_text(now, VIEW_UID)));

    if (gone)
        claim_add_of(run, before);
    if (now && pod_is_shut_down(now))
        claim_add_of(run, now);
}

const struct controller claim_protection = {
    .name = "persistentvolumeclaim-protection-controller",
    .account = "pvc-protection-controller",
    .parallel = 4,
    .watches = {{&view_claims, map_own}, {&view_pods, claim_map_pod}},
    .reconcile = claim_reconcile,
};

const struct controller volume_protection = {
    .name = "persistentvolume-protection-controller",
    .account = "pv-protection-controller",
    .parallel = 4,
    .watches = {{&view_volumes, map_own}},
    .reconcile = volume_reconcile,
};
