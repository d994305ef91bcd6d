/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plan: what a reconcile wants done, as data: requests in order, events to record about them, and when to look again.
 * Plan functions are pure (no clock, no I/O); the runner carries plans out.
 */
#ifndef KNARR_CONTROLLERS_PLAN_H
#define KNARR_CONTROLLERS_PLAN_H

#include "controllers/view.h"

enum action_verb {
    ACTION_CREATE,
    ACTION_UPDATE,
    ACTION_PATCH,
    ACTION_DELETE,
    ACTION_DELETE_COLLECTION,
    ACTION_STOP_UNLESS_GONE, /* GETs: ends the plan when an object of that name and `uid` is there */
};

enum action_flag {
    ACTION_MISSING_IS_FINE = 1 << 0, /* 404 counts as done */
    ACTION_EXISTS_IS_FINE = 1 << 1,  /* AlreadyExists counts as done */
    ACTION_ALWAYS = 1 << 2,          /* also after a failure before it; its own success does not hide that */
    ACTION_EVENT_WARNS = 1 << 4,     /* the event of its success is a Warning */
    ACTION_EVENT_OF_OBJECT = 1 << 3, /* its events are about its object (whose uid it has), not the plan's subject */
};

struct action {
    enum action_verb verb;
    const struct view_kind *kind;
    char *ns; /* "" = cluster-scoped */
    char *name;
    const char *sub;        /* static text or NULL */
    const char *patch_type; /* static text */
    struct buf body;
    char *uid;      /* of the object to be deleted or checked; NULL = any */
    unsigned group; /* neighbours of one non-zero group go out together; after a failure no later group starts */
    unsigned flags;
    /* Events about the plan's subject; "{name}" in a message becomes the name in the answer, "{error}" what failed. */
    const char *reason; /* NULL = none */
    char *message;
    const char *failure_reason; /* NULL = none */
    const char *failure_message;
};

struct plan {
    struct action *actions;
    size_t count;
    size_t cap;
    uint64_t again_ms; /* reconcile again after that; 0 = only when something changes */
    /* The subject of events. */
    const struct view_kind *kind;
    char *ns;
    char *name;
    char *uid;
    char *revision;
};

/* The next action; valid until the next is added. Texts are copied. */
struct action *plan_add(struct plan *plan, enum action_verb verb, const struct view_kind *kind, struct slice ns,
                        struct slice name);
/* Deletes that very object (by uid) with background propagation; gone already is fine. */
struct action *plan_delete(struct plan *plan, const struct view *v);
/* Notes on a pod why it is about to be deleted: its condition DisruptionTarget. */
struct action *plan_disruption(struct plan *plan, const struct view *pod, const char *reason, const char *message,
                               int64_t now);
void plan_about(struct plan *plan, const struct view *v);
/* Looks again after ms at the latest. */
void plan_again(struct plan *plan, uint64_t ms);
void plan_clear(struct plan *plan);

#define PLAN_LOCAL(name) struct plan name CLEANUP(plan_clear) = {0}

#define PATCH_MERGE "application/merge-patch+json"

/* Appends `"name":` and the JSON string, after a comma where the object has members already. */
void plan_member(struct buf *out, const char *name, struct slice text);
/* The same with a raw JSON value. */
void plan_member_raw(struct buf *out, const char *name, struct slice raw);
/* Appends the array of texts `list` (raw JSON) without one of them. */
void plan_list_without(struct buf *out, struct slice list, const char *text);
void plan_member_int(struct buf *out, const char *name, int64_t value);

/* What is ours in a map of texts (labels, annotations). text.data NULL = it is not there, whatever is copied. */
struct plan_own {
    const char *name;
    struct slice text;
};
/* Appends an object: what is ours, then what `from` (raw JSON, may be absent) has under other names. */
void plan_map(struct buf *out, struct slice from, const struct plan_own *own, size_t count);
/* Appends the object `wanted` as a merge patch: what `stored` has beyond it goes. */
void plan_map_patch(struct buf *out, struct slice wanted, struct slice stored);

#endif
