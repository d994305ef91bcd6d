/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Revisions: which ReplicaSet has the current template, what number it bears, and which old ones are kept. The number
 * stands in annotations that `kubectl rollout history` and `undo` read.
 */
#include "controllers/rollout.h"

#include <stdio.h>

#include "api/value.h"
#include "controllers/adopt.h"
#include "controllers/template.h"

#define ROLLOUT_HISTORY_MAX 2000 /* bytes of the annotation */

static const char *const rollout_not_copied[] = {
    "kubectl.kubernetes.io/last-applied-configuration",
    ROLLOUT_REVISION,
    ROLLOUT_HISTORY,
    ROLLOUT_DESIRED,
    ROLLOUT_MAX,
    "deprecated.deployment.rollback.to",
};

static bool rollout_copies(struct slice name)
{
    for (size_t i = 0; i < ARRAY_SIZE(rollout_not_copied); i++)
        if (slice_is(name, rollout_not_copied[i]))
            return false;
    return true;
}

static struct slice rollout_annotations(const struct rollout *r)
{
    return view_raw(r->in->deployment, DEPLOYMENT_ANNOTATIONS);
}

/* The oldest set with the current template. */
static void rollout_find_fresh(struct rollout *r, struct slice canonical)
{
    for (size_t i = 0; i < r->set_count && !r->fresh; i++) {
        BUF_LOCAL(other);

        template_canonical(view_raw(r->sets[i].view, RS_TEMPLATE), &other);
        if (slice_equal(buf_slice(&other), canonical))
            r->fresh = &r->sets[i];
    }
}

static int64_t rollout_last_revision(const struct rollout *r)
{
    int64_t last = 0;

    for (size_t i = 0; i < r->set_count; i++)
        if (rollout_is_old(r, &r->sets[i]) && r->sets[i].revision > last)
            last = r->sets[i].revision;
    return last;
}

int64_t rollout_fresh_size(const struct rollout *r)
{
    int64_t wanted = rollout_wanted(r);
    int64_t most = r->replicas + r->max_surge;
    int64_t now = r->fresh ? r->fresh->replicas : 0;
    int64_t more;

    if (!r->rolling)
        return r->replicas;
    if (wanted >= most)
        return now;
    more = most - wanted;
    if (more > r->replicas - now)
        more = r->replicas - now;
    return now + more;
}

/* ---- the set that is there ---- */

static void rollout_bump_revision(struct rollout_set *set, int64_t revision)
{
    struct slice history = view_unquote(view_member(view_raw(set->view, RS_ANNOTATIONS), ROLLOUT_HISTORY));
    BUF_LOCAL(text);

    if (set->revision >= revision)
        return;
    if (set->revision) {
        buf_append_slice(&text, history);
        buf_printf(&text, "%s%lld", text.len ? "," : "", (long long)set->revision);
        while (text.len > ROLLOUT_HISTORY_MAX && slice_find(buf_slice(&text), ',') >= 0)
            buf_consume(&text, (size_t)slice_find(buf_slice(&text), ',') + 1);
        plan_member(&set->annotations, ROLLOUT_HISTORY, buf_slice(&text));
    }
    buf_reset(&text);
    buf_printf(&text, "%lld", (long long)revision);
    plan_member(&set->annotations, ROLLOUT_REVISION, buf_slice(&text));
    set->revision = revision;
}

static void rollout_copy_annotations(struct rollout *r, struct rollout_set *set)
{
    struct scan_cursor at = scan_open(rollout_annotations(r));
    struct slice name;
    struct slice value;

    while (scan_member(&at, &name, &value)) {
        char *text CLEANUP_FREE = slice_dup(name);

        if (rollout_copies(name) && !slice_equal(view_member(view_raw(set->view, RS_ANNOTATIONS), text), value))
            plan_member_raw(&set->annotations, text, value);
    }
}

/* ---- the set to be made ---- */

static struct value *rollout_labels_with_hash(struct slice labels, const char *hash)
{
    struct value *object = labels.len ? value_parse(labels, NULL) : NULL;

    if (!value_is(object, VALUE_OBJECT)) {
        value_free(object);
        object = value_new_object();
    }
    value_set_str(object, TEMPLATE_HASH_LABEL, hash);
    return object;
}

/* {"labels":...,annotations} of the new ReplicaSet. */
static struct value *rollout_new_metadata(const struct rollout *r, struct slice name, const char *hash,
                                          int64_t revision)
{
    struct value *metadata = value_new_object();
    struct value *annotations = value_need_object(metadata, "annotations");
    struct scan_cursor at = scan_open(rollout_annotations(r));
    const struct {
        const char *name;
        int64_t value;
    } marks[] = {
        {ROLLOUT_DESIRED, r->replicas}, {ROLLOUT_MAX, r->replicas + r->max_surge}, {ROLLOUT_REVISION, revision}};
    struct slice key;
    struct slice raw;

    while (scan_member(&at, &key, &raw))
        if (rollout_copies(key))
            value_set_slice(annotations, key, value_parse(raw, NULL));
    for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
        char text[24];

        (void)snprintf(text, sizeof(text), "%lld", (long long)marks[i].value);
        value_set_str(annotations, marks[i].name, text);
    }
    value_set(metadata, "name", value_new_string(name));
    value_set(metadata, "namespace", value_new_string(view_text(r->in->deployment, VIEW_NAMESPACE)));
    value_set(metadata, "labels", rollout_labels_with_hash(scan_get(r->template, "metadata.labels"), hash));
    {
        struct value *owners = value_need_array(metadata, "ownerReferences");
        BUF_LOCAL(owner);

        adopt_write_owner(&owner, r->in->deployment);
        value_append(owners, value_parse(buf_slice(&owner), NULL));
    }
    return metadata;
}

static struct value *rollout_new_spec(const struct rollout *r, const char *hash, int64_t replicas)
{
    struct value *spec = value_new_object();
    struct value *selector = value_parse(scan_get(r->spec, "selector"), NULL);
    struct value *template = value_parse(r->template, NULL);

    value_set(spec, "replicas", value_new_int(replicas));
    if (r->min_ready)
        value_set(spec, "minReadySeconds", value_new_int(r->min_ready));
    value_set_str(value_need_object(selector, "matchLabels"), TEMPLATE_HASH_LABEL, hash);
    value_set_str(value_need_object(value_need_object(template, "metadata"), "labels"), TEMPLATE_HASH_LABEL, hash);
    value_set(spec, "selector", selector);
    value_set(spec, "template", template);
    return spec;
}

/* Writes the new ReplicaSet; the next plan sees it and goes on. */
static void rollout_create(struct rollout *r, struct slice canonical)
{
    struct slice deployment = view_text(r->in->deployment, VIEW_NAME);
    int64_t replicas = rollout_fresh_size(r);
    struct value *object CLEANUP_VALUE = value_new_object();
    char hash[TEMPLATE_HASH_MAX];
    char *name CLEANUP_FREE = NULL;
    struct action *action;

    template_hash(canonical, r->collisions, hash);
    name = mem_printf("%.*s-%s", SLICE_ARGS(deployment), hash);
    if (r->in->find && r->in->find(r->in->arg, slice_str(name))) {
        /* The name is taken by another template or owner: count it, so that the next hash differs. */
        r->collisions++;
        return;
    }
    value_set_str(object, "apiVersion", "apps/v1");
    value_set_str(object, "kind", "ReplicaSet");
    value_set(object, "metadata", rollout_new_metadata(r, slice_str(name), hash, rollout_last_revision(r) + 1));
    value_set(object, "spec", rollout_new_spec(r, hash, replicas));
    action = plan_add(r->plan, ACTION_CREATE, &view_replicasets, view_text(r->in->deployment, VIEW_NAMESPACE),
                      slice_str(name));
    value_write(object, &action->body);
    if (replicas) {
        action->reason = "ScalingReplicaSet";
        action->message = mem_printf("Scaled up replica set %s from 0 to %lld", name, (long long)replicas);
    }
    action->failure_reason = "ReplicaSetCreateError";
    action->failure_message = "Failed to create new replica set: {error}";
    if (r->deadline_s >= 0)
        rollout_set_condition(r, "Progressing", "True", "NewReplicaSetCreated",
                              mem_printf("Created new replica set \"%s\"", name));
}

static bool rollout_has_progressing(const struct rollout *r)
{
    for (size_t i = 0; i < r->condition_count; i++)
        if (!strcmp(r->conditions[i].type, "Progressing"))
            return true;
    return false;
}

void rollout_sync_revision(struct rollout *r, bool create)
{
    BUF_LOCAL(canonical);

    template_canonical(r->template, &canonical);
    rollout_find_fresh(r, buf_slice(&canonical));
    if (!r->fresh) {
        if (create)
            rollout_create(r, buf_slice(&canonical));
        return;
    }
    rollout_copy_annotations(r, r->fresh);
    rollout_bump_revision(r->fresh, rollout_last_revision(r) + 1);
    r->fresh->min_ready_differs = view_int(r->fresh->view, RS_MIN_READY, 0) != r->min_ready;
    if (r->deadline_s >= 0 && !rollout_has_progressing(r))
        rollout_set_condition(
            r, "Progressing", "True", "FoundNewReplicaSet",
            mem_printf("Found new replica set \"%.*s\"", SLICE_ARGS(view_text(r->fresh->view, VIEW_NAME))));
}

/* ---- history ---- */

static int rollout_by_revision(const void *a, const void *b)
{
    const struct rollout_set *x = *(const struct rollout_set *const *)a;
    const struct rollout_set *y = *(const struct rollout_set *const *)b;

    if (x->revision != y->revision)
        return x->revision < y->revision ? -1 : 1;
    return slice_compare(view_text(x->view, VIEW_NAME), view_text(y->view, VIEW_NAME));
}

void rollout_clean_up(struct rollout *r)
{
    struct rollout_set **old CLEANUP_FREE = mem_calloc(r->set_count ? r->set_count : 1, sizeof(struct rollout_set *));
    size_t count = 0;

    if (r->history_limit < 0)
        return;
    for (size_t i = 0; i < r->set_count; i++)
        if (rollout_is_old(r, &r->sets[i]) && !view_deleting(r->sets[i].view))
            old[count++] = &r->sets[i];
    if (count <= (size_t)r->history_limit)
        return;
    qsort(old, count, sizeof(struct rollout_set *), rollout_by_revision);
    for (size_t i = 0; i < count - (size_t)r->history_limit; i++) {
        int64_t observed = scan_int(scan_get(view_raw(old[i]->view, RS_STATUS), "observedGeneration"), 0);

        if (!old[i]->actual && !old[i]->replicas && view_int(old[i]->view, VIEW_GENERATION, 0) <= observed)
            (void)plan_delete(r->plan, old[i]->view);
    }
}
