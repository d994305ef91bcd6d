/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rollout: one Deployment as its plan is made. Steps change the working copy (sets' targets and annotations,
 * conditions); rollout_emit turns the differences into actions.
 */
#ifndef KNARR_CONTROLLERS_ROLLOUT_H
#define KNARR_CONTROLLERS_ROLLOUT_H

#include "controllers/deployment.h"

#define ROLLOUT_REVISION "deployment.kubernetes.io/revision"
#define ROLLOUT_HISTORY  "deployment.kubernetes.io/revision-history"
#define ROLLOUT_DESIRED  "deployment.kubernetes.io/desired-replicas"
#define ROLLOUT_MAX      "deployment.kubernetes.io/max-replicas"

struct rollout_set {
    const struct view *view;
    int64_t replicas; /* wanted now, and after the plan */
    int64_t actual;   /* status.replicas */
    int64_t ready;
    int64_t available;
    int64_t revision;
    int64_t created;
    struct buf annotations; /* members to set, as JSON */
    bool min_ready_differs;
};

struct rollout_condition {
    char *type;
    char *status;
    char *reason;
    char *message;
    char *updated;      /* lastUpdateTime */
    char *transitioned; /* lastTransitionTime */
};

#define ROLLOUT_CONDITIONS_MAX 16 /* four places are kept for our own */

struct rollout_counts {
    int64_t replicas;
    int64_t updated;
    int64_t ready;
    int64_t available;
    int64_t unavailable;
};

struct rollout {
    const struct deployment_view *in;
    struct plan *plan;
    struct slice spec;
    struct slice template;
    int64_t replicas;
    int64_t generation;
    int64_t min_ready;
    int64_t deadline_s;    /* -1 = none */
    int64_t history_limit; /* -1 = none */
    int64_t max_surge;
    int64_t max_unavailable;
    bool paused;
    bool rolling;
    struct rollout_set *sets; /* by age, oldest first */
    size_t set_count;
    struct rollout_set *fresh; /* the set of the current template; NULL = none yet */
    int64_t collisions;
    struct rollout_condition conditions[ROLLOUT_CONDITIONS_MAX];
    size_t condition_count;
    char now[TIME_TEXT_MAX];
};

/* rollout.c: the working copy. */
void rollout_init(struct rollout *r, const struct deployment_view *in, struct plan *plan);
void rollout_clear(struct rollout *r);
void rollout_emit_sets(struct rollout *r);
/* Sets the wanted number; tells of it with an event. False when it is that already. */
bool rollout_scale(struct rollout *r, struct rollout_set *set, int64_t replicas);
int64_t rollout_wanted(const struct rollout *r); /* pods wanted of all sets */
bool rollout_is_old(const struct rollout *r, const struct rollout_set *set);
int64_t rollout_annotation_int(const struct rollout_set *set, const char *name, int64_t fallback);
/* Marks a scaled set with the Deployment's size of now. */
void rollout_mark_size(struct rollout *r, struct rollout_set *set);

/* rollout_revision.c: revisions, the set of the current template, history. */
void rollout_sync_revision(struct rollout *r, bool create);
void rollout_clean_up(struct rollout *r);
int64_t rollout_fresh_size(const struct rollout *r);

/* rollout_steps.c: strategies. */
bool rollout_needs_scaling(const struct rollout *r);
void rollout_scale_all(struct rollout *r);
void rollout_rolling(struct rollout *r);
void rollout_recreate(struct rollout *r);

/* rollout_status.c. */
void rollout_read_conditions(struct rollout *r);
void rollout_set_condition(struct rollout *r, const char *type, const char *status, const char *reason, char *message);
void rollout_check_paused(struct rollout *r);
bool rollout_is_complete(const struct rollout *r);
/* progress: also judge how the rollout goes. */
void rollout_emit_status(struct rollout *r, bool progress);

#endif
