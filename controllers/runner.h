/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runner: what a controller is written against. A controller is one row: its name, what it watches and how a change
 * becomes keys, and a reconcile function that reads views and fills a plan. The runner keeps one informer per kind for
 * all controllers, one work queue per controller, and carries plans out.
 *
 * A key is reconciled only when every watched kind has been listed and everything its last plan wrote has been seen
 * again (a write's resourceVersion, a deleted object gone or deleting), so that a reconcile never acts on the past.
 */
#ifndef KNARR_CONTROLLERS_RUNNER_H
#define KNARR_CONTROLLERS_RUNNER_H

#include "controllers/controllers.h"
#include "controllers/plan.h"

struct run; /* one controller at work */

struct controller_watch {
    const struct view_kind *kind;
    /* Adds the keys that a change concerns; before or now is NULL when the object comes or goes. NULL = only looked at.
     */
    void (*map)(struct run *run, const struct view *before, const struct view *now);
};

#define CONTROLLER_WATCHES_MAX 6

struct controller {
    const char *name;      /* "replicaset-controller" */
    const char *account;   /* the service account, whose default role it has; NULL = of its name */
    const char *component; /* of its events */
    unsigned parallel;     /* plans under way at the same time; 0 = 1 */
    /* The first row's kind is what keys name, unless the controller makes keys of its own. */
    struct controller_watch watches[CONTROLLER_WATCHES_MAX];
    /* Every stored kind, metadata only (a kind that somebody watches: its row). NULL = no. */
    void (*map_all)(struct run *run, const struct view *before, const struct view *now);
    void (*reconcile)(struct run *run, struct slice key, struct plan *plan);
    /* Frees what run_state holds; NULL = it holds nothing. */
    void (*free_state)(void *state);
};

extern const struct controller *const controllers_table[];
extern const size_t controllers_table_count;

/* ---- for map and reconcile ---- */

/* The object itself. */
void map_own(struct run *run, const struct view *before, const struct view *now);
/* The managing controller, where it is of the first row's kind. */
void map_owner(struct run *run, const struct view *before, const struct view *now);

void run_add(struct run *run, struct slice key);
/* Whether all that the controller watches has been listed: before that keys wait, and each listed object makes its own.
 */
bool run_has_started(const struct run *run);
/* ns "" or of a cluster-scoped kind: the name alone is the key. NULL when absent. Borrowed until the next callback. */
const struct view *run_get(struct run *run, const struct view_kind *kind, struct slice ns, struct slice name);
const struct view *run_get_key(struct run *run, const struct view_kind *kind, struct slice key);
void run_each(struct run *run, const struct view_kind *kind, void (*fn)(void *arg, const struct view *v), void *arg);

struct view_list {
    const struct view *const *items; /* in no particular order */
    size_t count;
};
/* Several lists in one; items is freed by the caller. */
struct view_array {
    const struct view **items;
    size_t count;
    size_t cap;
};
void view_array_add(struct view_array *array, struct view_list more);
/* Objects of that kind with an owner reference to that uid. */
struct view_list run_owned(struct run *run, const struct view_kind *kind, struct slice uid);

/* Who may select whom, told by marks (view_marks): all that do, and a few that do not, so the caller judges. Marks lie
 * side by side, so that a thousand are looked at in a microsecond. */
/* Objects of a kind that selects, which may select the object as it was or is (NULL = it was or is not). */
void run_each_selecting(struct run *run, const struct view_kind *kind, const struct view *before,
                        const struct view *now, void (*fn)(void *arg, const struct view *v), void *arg);
/* Objects of a kind that is selected. */
void run_each_selected(struct run *run, const struct view_kind *kind, const struct view *selector,
                       void (*fn)(void *arg, const struct view *v), void *arg);
/* Objects of any kind that no controller has, without those that the selector owns (run_owned); they are added. */
void run_add_unowned(struct run *run, const struct view_kind *kind, const struct view *selector,
                     struct view_array *array);

/* What the key's last plan was refused, where an action names a failure_reason; reason NULL = nothing. Borrowed. */
struct run_refusal {
    const char *reason; /* the action's failure_reason */
    const char *message;
};
struct run_refusal run_last_refusal(struct run *run, struct slice key);
/* What a controller must remember between plans (it starts as NULL and may be lost at any time). */
void **run_state(struct run *run);
struct clock *run_clock(struct run *run);
int64_t run_now(struct run *run); /* wall clock, nanoseconds */
const struct controllers_options *run_options(struct run *run);
/* The kinds that are watched, in a fixed order: for what works on every kind. NULL after the last. */
const struct view_kind *run_kind(struct run *run, size_t index);
/* The kind that the objects of a definition of custom resources are of, by the definition's key; *ret_kind NULL = no
 * version is served. False while not all of them are listed: it is to be asked again. */
bool run_custom_kind(struct run *run, struct slice key, const struct view_kind **ret_kind);
bool run_kind_is_namespaced(struct run *run, const struct view_kind *kind);
/* The kind's row by the names of an owner reference; NULL when it is not stored here. */
const struct view_kind *run_find_kind(struct run *run, struct slice api_version, struct slice kind);

#endif
