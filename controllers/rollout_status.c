/* SPDX-License-Identifier: Apache-2.0 */
/* What a Deployment's status says: counts and conditions, with upstream's reasons and sentences. */
#include "controllers/rollout.h"

#include <stdio.h>

static char *rollout_text(struct slice condition, const char *name)
{
    char *text = scan_text_dup(scan_get(condition, name));

    return text ? text : mem_strdup("");
}

void rollout_read_conditions(struct rollout *r)
{
    struct scan_cursor at = scan_open(scan_get(view_raw(r->in->deployment, DEPLOYMENT_STATUS), "conditions"));
    struct slice condition;

    while (r->condition_count < ROLLOUT_CONDITIONS_MAX - 4 && scan_element(&at, &condition))
        r->conditions[r->condition_count++] = (struct rollout_condition){
            .type = rollout_text(condition, "type"),
            .status = rollout_text(condition, "status"),
            .reason = rollout_text(condition, "reason"),
            .message = rollout_text(condition, "message"),
            .updated = rollout_text(condition, "lastUpdateTime"),
            .transitioned = rollout_text(condition, "lastTransitionTime"),
        };
}

static struct rollout_condition *rollout_find_condition(struct rollout *r, const char *type)
{
    for (size_t i = 0; i < r->condition_count; i++)
        if (!strcmp(r->conditions[i].type, type))
            return &r->conditions[i];
    return NULL;
}

static void rollout_drop_condition(struct rollout *r, const char *type)
{
    struct rollout_condition *c = rollout_find_condition(r, type);

    if (!c)
        return;
    free(c->type);
    free(c->status);
    free(c->reason);
    free(c->message);
    free(c->updated);
    free(c->transitioned);
    memmove(c, c + 1, (size_t)(&r->conditions[--r->condition_count] - c) * sizeof(*c));
}

/* Puts the condition at the list's end with a new time; keeps the time of transition while the status stays. */
static void rollout_renew_condition(struct rollout *r, const char *type, const char *status, const char *reason,
                                    char *message)
{
    struct rollout_condition *old = rollout_find_condition(r, type);
    const char *since = old && !strcmp(old->status, status) ? old->transitioned : r->now;
    struct rollout_condition fresh = {
        .type = mem_strdup(type),
        .status = mem_strdup(status),
        .reason = mem_strdup(reason),
        .message = message,
        .updated = mem_strdup(r->now),
        .transitioned = mem_strdup(since),
    };

    rollout_drop_condition(r, type);
    r->conditions[r->condition_count++] = fresh;
}

void rollout_set_condition(struct rollout *r, const char *type, const char *status, const char *reason, char *message)
{
    const struct rollout_condition *old = rollout_find_condition(r, type);

    if (old && !strcmp(old->status, status) && !strcmp(old->reason, reason))
        free(message);
    else
        rollout_renew_condition(r, type, status, reason, message);
}

void rollout_check_paused(struct rollout *r)
{
    const struct rollout_condition *c = rollout_find_condition(r, "Progressing");
    bool said = c && !strcmp(c->reason, "DeploymentPaused");

    /* Once timed out it stays so, and without a deadline nobody waits. */
    if (r->deadline_s < 0 || (c && !strcmp(c->reason, "ProgressDeadlineExceeded")))
        return;
    if (r->paused && !said)
        rollout_set_condition(r, "Progressing", "Unknown", "DeploymentPaused", mem_strdup("Deployment is paused"));
    else if (!r->paused && said)
        rollout_set_condition(r, "Progressing", "Unknown", "DeploymentResumed", mem_strdup("Deployment is resumed"));
}

/* ---- counts ---- */

static struct rollout_counts rollout_count(const struct rollout *r)
{
    struct rollout_counts counts = {0};
    int64_t wanted = rollout_wanted(r);

    for (size_t i = 0; i < r->set_count; i++) {
        counts.replicas += r->sets[i].actual;
        counts.ready += r->sets[i].ready;
        counts.available += r->sets[i].available;
    }
    counts.updated = r->fresh ? r->fresh->actual : 0;
    counts.unavailable = wanted > counts.available ? wanted - counts.available : 0;
    return counts;
}

static struct rollout_counts rollout_counts_before(const struct rollout *r)
{
    struct slice status = view_raw(r->in->deployment, DEPLOYMENT_STATUS);

    return (struct rollout_counts){
        .replicas = scan_int(scan_get(status, "replicas"), 0),
        .updated = scan_int(scan_get(status, "updatedReplicas"), 0),
        .ready = scan_int(scan_get(status, "readyReplicas"), 0),
        .available = scan_int(scan_get(status, "availableReplicas"), 0),
        .unavailable = scan_int(scan_get(status, "unavailableReplicas"), 0),
    };
}

static bool rollout_counts_complete(const struct rollout *r, const struct rollout_counts *c)
{
    return c->updated == r->replicas && c->replicas == r->replicas && c->available == r->replicas;
}

/* As the last status that was written says, so that history is cleaned up only after a rollout has been seen whole. */
bool rollout_is_complete(const struct rollout *r)
{
    struct slice status = view_raw(r->in->deployment, DEPLOYMENT_STATUS);
    struct rollout_counts before = rollout_counts_before(r);

    return rollout_counts_complete(r, &before) && scan_int(scan_get(status, "observedGeneration"), 0) >= r->generation;
}

/* ---- progress ---- */

static bool rollout_progresses(const struct rollout *r, const struct rollout_counts *now)
{
    struct rollout_counts before = rollout_counts_before(r);

    return now->updated > before.updated || now->replicas - now->updated < before.replicas - before.updated ||
           now->ready > before.ready || now->available > before.available;
}

static char *rollout_says(const struct rollout *r, const char *what)
{
    if (r->fresh)
        return mem_printf("ReplicaSet \"%.*s\" %s", SLICE_ARGS(view_text(r->fresh->view, VIEW_NAME)), what);
    return mem_printf("Deployment \"%.*s\" %s", SLICE_ARGS(view_text(r->in->deployment, VIEW_NAME)), what);
}

/* Milliseconds until the deadline is passed; 0 = it is; -1 = it does not count now. */
static int64_t rollout_deadline_ms(struct rollout *r)
{
    const struct rollout_condition *c = rollout_find_condition(r, "Progressing");
    int64_t since;
    int64_t due;

    if (!c || r->deadline_s < 0 || !strcmp(c->reason, "NewReplicaSetAvailable"))
        return -1;
    if (!strcmp(c->reason, "ProgressDeadlineExceeded"))
        return 0;
    if (!time_parse(slice_str(c->updated), &since))
        return -1;
    due = since + r->deadline_s * NS_PER_S;
    return due < r->in->now ? 0 : (due - r->in->now) / NS_PER_MS + 1;
}

static void rollout_judge_progress(struct rollout *r, const struct rollout_counts *counts)
{
    const struct rollout_condition *c = rollout_find_condition(r, "Progressing");
    int64_t left;

    if (r->deadline_s < 0) {
        rollout_drop_condition(r, "Progressing");
        return;
    }
    if (counts->replicas == counts->updated && c && !strcmp(c->reason, "NewReplicaSetAvailable"))
        return;
    if (rollout_counts_complete(r, counts)) {
        rollout_set_condition(r, "Progressing", "True", "NewReplicaSetAvailable",
                              rollout_says(r, "has successfully progressed."));
        return;
    }
    if (rollout_progresses(r, counts)) {
        rollout_renew_condition(r, "Progressing", "True", "ReplicaSetUpdated", rollout_says(r, "is progressing."));
    } else if (rollout_deadline_ms(r) == 0) {
        rollout_set_condition(r, "Progressing", "False", "ProgressDeadlineExceeded",
                              rollout_says(r, "has timed out progressing."));
    }
    left = rollout_deadline_ms(r);
    if (left > 0)
        plan_again(r->plan, (uint64_t)left + 1000);
}

/* The failure that a set reports; the current set's counts first. */
static struct slice rollout_find_failure(const struct rollout *r)
{
    for (size_t round = 0; round < 2; round++)
        for (size_t i = 0; i < r->set_count; i++) {
            struct scan_cursor at = scan_open(scan_get(view_raw(r->sets[i].view, RS_STATUS), "conditions"));
            struct slice condition;

            if (rollout_is_old(r, &r->sets[i]) != (round == 1))
                continue;
            while (scan_element(&at, &condition))
                if (scan_text_is(scan_get(condition, "type"), "ReplicaFailure") &&
                    scan_text_is(scan_get(condition, "status"), "True"))
                    return condition;
        }
    return SLICE_NONE;
}

static void rollout_report_failure(struct rollout *r)
{
    struct slice failure = rollout_find_failure(r);
    char *reason CLEANUP_FREE = NULL;

    if (!failure.len) {
        rollout_drop_condition(r, "ReplicaFailure");
        return;
    }
    reason = rollout_text(failure, "reason");
    rollout_set_condition(r, "ReplicaFailure", "True", reason, rollout_text(failure, "message"));
}

/* ---- writing ---- */

static void rollout_write_conditions(const struct rollout *r, struct buf *out)
{
    buf_append_byte(out, '[');
    for (size_t i = 0; i < r->condition_count; i++) {
        const struct rollout_condition *c = &r->conditions[i];

        buf_append_str(out, i ? ",{" : "{");
        plan_member(out, "type", slice_str(c->type));
        plan_member(out, "status", slice_str(c->status));
        plan_member(out, "lastUpdateTime", slice_str(c->updated));
        plan_member(out, "lastTransitionTime", slice_str(c->transitioned));
        plan_member(out, "reason", slice_str(c->reason));
        plan_member(out, "message", slice_str(c->message));
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ']');
}

/* Whether the stored conditions are these. */
static bool rollout_conditions_same(struct rollout *r)
{
    struct rollout stored = {.in = r->in};
    bool same;

    rollout_read_conditions(&stored);
    same = stored.condition_count == r->condition_count;
    for (size_t i = 0; same && i < r->condition_count; i++) {
        const struct rollout_condition *a = &stored.conditions[i];
        const struct rollout_condition *b = &r->conditions[i];

        same = !strcmp(a->type, b->type) && !strcmp(a->status, b->status) && !strcmp(a->reason, b->reason) &&
               !strcmp(a->message, b->message) && !strcmp(a->updated, b->updated) &&
               !strcmp(a->transitioned, b->transitioned);
    }
    rollout_clear(&stored);
    return same;
}

/* Whether the Deployment bears the revision of its current set; *ret_text is what it should bear. */
static bool rollout_revision_same(const struct rollout *r, char ret_text[24])
{
    struct slice annotations = view_raw(r->in->deployment, DEPLOYMENT_ANNOTATIONS);

    if (!r->fresh)
        return true;
    (void)snprintf(ret_text, 24, "%lld", (long long)r->fresh->revision);
    return slice_is(view_unquote(view_member(annotations, ROLLOUT_REVISION)), ret_text);
}

/* The revision annotation goes with the status, as upstream writes it: a write of the main resource that changes
 * annotations would count as a new generation. */
static void rollout_write_status(struct rollout *r, const struct rollout_counts *now)
{
    const struct {
        const char *name;
        int64_t value;
    } rows[] = {
        {"observedGeneration", r->generation}, {"replicas", now->replicas},
        {"updatedReplicas", now->updated},     {"readyReplicas", now->ready},
        {"availableReplicas", now->available}, {"unavailableReplicas", now->unavailable},
        {"collisionCount", r->collisions},
    };
    struct slice status = view_raw(r->in->deployment, DEPLOYMENT_STATUS);
    struct action *action;
    char revision[24];
    bool revision_same = rollout_revision_same(r, revision);
    bool same = revision_same && rollout_conditions_same(r);

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        same = same && scan_int(scan_get(status, rows[i].name), 0) == rows[i].value;
    if (same)
        return;
    action = plan_add(r->plan, ACTION_PATCH, &view_deployments, view_text(r->in->deployment, VIEW_NAMESPACE),
                      view_text(r->in->deployment, VIEW_NAME));
    action->sub = "status";
    action->flags = ACTION_ALWAYS | ACTION_MISSING_IS_FINE;
    buf_append_str(&action->body, "{\"metadata\":{");
    plan_member(&action->body, "uid", view_text(r->in->deployment, VIEW_UID));
    if (!revision_same) {
        buf_append_str(&action->body, ",\"annotations\":{");
        plan_member(&action->body, ROLLOUT_REVISION, slice_str(revision));
        buf_append_byte(&action->body, '}');
    }
    buf_append_str(&action->body, "},\"status\":{");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].value)
            plan_member_int(&action->body, rows[i].name, rows[i].value);
        else
            plan_member_raw(&action->body, rows[i].name, SLICE_LIT("null"));
    {
        BUF_LOCAL(conditions);

        rollout_write_conditions(r, &conditions);
        plan_member_raw(&action->body, "conditions", buf_slice(&conditions));
    }
    buf_append_str(&action->body, "}}");
}

void rollout_emit_status(struct rollout *r, bool progress)
{
    struct rollout_counts counts = rollout_count(r);

    if (counts.available >= r->replicas - r->max_unavailable)
        rollout_set_condition(r, "Available", "True", "MinimumReplicasAvailable",
                              mem_strdup("Deployment has minimum availability."));
    else
        rollout_set_condition(r, "Available", "False", "MinimumReplicasUnavailable",
                              mem_strdup("Deployment does not have minimum availability."));
    if (progress) {
        rollout_judge_progress(r, &counts);
        rollout_report_failure(r);
    }
    rollout_write_status(r, &counts);
}
