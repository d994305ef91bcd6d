/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pod's machine, shared by pod.c (states), pod_steps.c (what it needs itself), pod_container.c, pod_start.c,
 * pod_end.c, pod_probe.c, pod_resize*.c (its containers) and pod_publish.c (what the API sees).
 *
 *     REFERENCES -> VOLUMES -> SANDBOX -> RUNNING -> STOPPING -> CLEANING -> FINISHED -> CLEANING -> DELETING -> GONE
 *         ^  |         |          |                     ^            \__________________________________^
 *         |  +---------+----------+--------------------/|     a failure before RUNNING goes back to REFERENCES
 *         +------------+----------+                           after a back-off; a deletion goes to STOPPING from any
 *
 * Invariants: at most one job of the pod itself on the pool (`job`), and one start of a container (`starting`). All
 * decisions are taken in pod_tick, which runs after every event and may be called at any time.
 */
#ifndef KNARR_AGENT_POD_INTERNAL_H
#define KNARR_AGENT_POD_INTERNAL_H

#include "agent/backoff.h"
#include "agent/container.h"
#include "agent/handler.h"
#include "agent/pod.h"
#include "agent/pod_spec.h"
#include "agent/pod_status.h"
#include "agent/probe.h"
#include "agent/references.h"
#include "agent/resize.h"

#define SERVICES_MS 50 /* until Services are listed, which they nearly always are */

enum pod_state {
    POD_REFERENCES,
    POD_VOLUMES,
    POD_SANDBOX,
    POD_RUNNING,
    POD_STOPPING,
    POD_CLEANING,
    POD_FINISHED,
    POD_DELETING,
    POD_GONE,
    POD_STATES
};

/*     WAITING -> REFERENCES -> IMAGE -> STARTING -> POST_START -> RUNNING -> ENDING -> ENDED -> WAITING (restart)
 *        ^           |           |         | \_________________^      ^
 *        +-----------+-----------+---------+            \____________/  it ends, or is ended, during its hook
 *          failure, after a back-off
 *
 * Ephemeral containers are added while the pod is on its way or RUNNING, and begin at once, beside init containers too.
 * They run once: no restart, no hooks, no probes. The pod's readiness, its phase and its completion do not know them.
 */
enum container_state {
    CONTAINER_WAITING,
    CONTAINER_REFERENCES, /* its ConfigMaps and Secrets are being read */
    CONTAINER_IMAGE,      /* its image is being found or pulled, then its target waited for */
    CONTAINER_STARTING,   /* a pool thread makes it */
    CONTAINER_POST_START, /* it runs, and so does its hook; the pod's next container waits for that */
    CONTAINER_RUNNING,
    CONTAINER_ENDING, /* it has ended; a pool thread reads how */
    CONTAINER_ENDED,  /* for good; an ephemeral container always, so for it there is no way back from here */
};

/* How a container that runs is ended; see pod_end.c.
 *
 *     NOT -> HOOK -> TURN -> TERM -> KILL
 *         \_________^
 */
enum stop_step {
    STOP_NOT,
    STOP_HOOK, /* its preStop runs */
    STOP_TURN, /* a sidecar waits until those that it serves have ended */
    STOP_TERM, /* it was asked to end */
    STOP_KILL, /* and made to */
};

/* Why one container is ended though its pod is not. */
enum stop_cause { STOP_BY_NONE, STOP_BY_CHANGE, STOP_BY_RESIZE, STOP_BY_LIVENESS, STOP_BY_STARTUP, STOP_BY_HOOK };

struct pod_probe {
    struct pod_container *container;
    bool wanted; /* the spec has it; the rest means nothing else */
    struct probe_spec spec;
    struct probe machine;
    struct handler *call; /* while it is asked */
};

/* The object's tree, shared with pool threads that read it. */
struct pod_tree {
    int refs; /* on the loop */
    struct value *tree;
};

struct pod_container {
    struct pod *pod;
    char *name;
    enum container_kind kind;
    size_t index; /* in its list of the spec */
    enum container_state state;
    struct runtime_container *current;
    struct runtime_container *last;
    /* Resources that the node has set aside for it, and those that it was given when it was started or since; both are
     * there but for ephemeral containers, `actual` once it was started. */
    struct value *allocated;
    struct value *actual;
    bool lost; /* `current` is what the API server told of it: nothing of it is here, and its id may be anybody's */
    unsigned next_attempt;
    struct runtime_watch *watch;
    struct images_request *request;
    struct image *image;
    struct backoff restart;
    struct backoff pull;
    uint64_t start_after_ms; /* monotonic */
    enum stop_step stop;
    enum stop_cause cause;
    uint64_t stop_ms;     /* when its ending began */
    uint64_t term_ms;     /* when it was asked to end */
    int64_t grace_s;      /* of a `cause`; -1 = the pod's */
    struct handler *hook; /* postStart or preStop, while it runs */
    struct pod_probe probes[PROBE_KINDS];
    char *waiting_reason; /* NULL = none */
    char *waiting_message;
    char *pending_reason; /* replaces the reason at announce_ms: ErrImagePull becomes ImagePullBackOff */
    char *pending_message;
    uint64_t announce_ms;
};

/* How far a change of the pod's resources is; see pod_resize.c. Both may hold: one is carried out, the next one waits.
 */
struct pod_resize {
    enum resize_verdict pending; /* RESIZE_FITS = nothing waits */
    char *why;
    int64_t pending_generation; /* of the object that asks for it */
    int64_t pending_since_ns;
    bool in_progress; /* not everything has what is allocated */
    int64_t generation;
    char *error;       /* why it cannot be carried out now; NULL = it can */
    bool in_use;       /* ... which is that memory is in use */
    uint64_t retry_ms; /* not before */
    bool job;
    struct cgroup_limits group; /* what the pod's group has */
};

struct pod {
    struct agent *agent;
    struct pod_tree *object;
    struct pod_tree *allocated; /* the object with the resources that this node has set aside; often `object` itself */
    struct pod_resize resize;
    enum pod_state state;
    bool job;
    bool starting;
    bool vanished;
    bool abandoned;
    bool stop;           /* wanted: deleted, vanished, complete or refused */
    bool complete;       /* every container has done its work */
    const char *refused; /* reason: this node does not run it, whatever its containers; NULL = it does */
    char *refused_message;
    bool expired;     /* activeDeadlineSeconds are over */
    uint64_t stop_ms; /* when the ending of its containers began; 0 = it did not */
    int64_t start_ns;
    uint64_t retry_ms; /* a failed preparation is tried again then; 0 = now */
    struct backoff backoff;
    struct loop_timer *timer;
    struct references_fetch *fetch;
    struct pod_container *fetch_for; /* NULL = for the pod's volumes */
    struct references *refs;
    uint64_t refs_ms;    /* when they were read */
    uint64_t refresh_ms; /* when volumes are brought up to date again; 0 = never */
    struct sandbox sandbox;
    bool sandbox_ready;
    bool start_counted;                /* in the metrics */
    bool initialized;                  /* all init containers have done their part, once */
    struct pod_container **containers; /* by kind; what is added to a pod that runs comes last */
    size_t count;
    size_t cap;
    size_t pending; /* callbacks that will still come: jobs, signals */
    char *dir;      /* home/agent/pods/UID */
    char *cgroup;
    struct pod_facts facts;
    /* publishing */
    struct client_call *call;
    struct value *status;   /* as computed last */
    struct buf sent;        /* the status the API server has acknowledged */
    uint64_t sent_revision; /* of the object as it is with it */
    struct buf sending;
    bool final_sent; /* the status after the end has been acknowledged, or cannot be */
    uint64_t publish_after_ms;
    uint64_t publish_delay_ms;
    void (*gone)(void *arg, struct pod *pod);
    void *gone_arg;
};

/* pod.c */
void pod_tick(struct pod *pod);
/* Ends the program when there is no way in the drawing. */
void pod_move(struct pod *pod, enum pod_state to);
void pod_event(struct pod *pod, const struct pod_container *c, bool warning, const char *reason, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
uint64_t pod_now_ms(const struct pod *pod);
/* Work for the pool with the pod kept alive. */
void pod_work(struct pod *pod, void (*work)(void *arg), void (*done)(void *arg), void *arg);
void pod_work_done(struct pod *pod);               /* first line of every `done` */
struct pod_tree *pod_tree_new(struct value *tree); /* takes it over */
struct pod_tree *pod_tree_hold(struct pod_tree *t);
void pod_tree_free(struct pod_tree *t);

/* pod_steps.c */
/* Each does what can be done in its state now, and returns when it wants to be called again (0 = on events). */
uint64_t pod_tick_references(struct pod *pod);
uint64_t pod_tick_volumes(struct pod *pod);
uint64_t pod_tick_sandbox(struct pod *pod);
uint64_t pod_tick_cleaning(struct pod *pod);
/* While it is RUNNING: files of volumes follow their sources. */
uint64_t pod_tick_refresh(struct pod *pod);
/* Reads what the pod refers to; pod_containers_references follows when `c` is set. One at a time. */
void pod_references_read(struct pod *pod, struct pod_container *c);

/* pod_container.c */
void pod_containers_make(struct pod *pod);
/* Gives up watches and requests: no callback follows but those of jobs. */
void pod_containers_detach(struct pod *pod);
void pod_containers_free(struct pod *pod);
/* Starts what may start now; returns the time of the next thing due (0 = none). Sets pod->complete. */
uint64_t pod_containers_tick(struct pod *pod);
void pod_container_adopt(struct pod *pod, struct runtime_container *c);
/* All have been adopted: takes up where they are. */
void pod_containers_resume(struct pod *pod);
void pod_containers_changed(struct pod *pod);
const struct value *pod_container_spec(const struct pod *pod, const struct pod_container *c);
bool pod_container_is_sidecar(const struct pod_container *c);
/* It has a process. */
bool pod_container_is_up(const struct pod_container *c);
/* None is up, or on its way up or down. */
bool pod_containers_at_rest(const struct pod *pod);
/* Why it waits; NULL = no reason of its own. */
void pod_container_set_waiting(struct pod_container *c, const char *reason, const char *message);
/* Takes a new attempt over; the one before stays as `last`. */
void pod_container_set_current(struct pod_container *c, struct runtime_container *fresh);
/* *next becomes the earlier of the two; 0 = none. */
void pod_earliest(uint64_t *next, uint64_t at);

/* pod_start.c */
void pod_containers_references(struct pod *pod, struct pod_container *c, const struct error *err);
/* Does what can be done for one container now. */
void pod_container_tick(struct pod_container *c, uint64_t *next);

/* pod_end.c */
/* It is up: learn of its end. */
void pod_container_watch(struct pod_container *c);
/* It does not run any more: read how it ended. */
void pod_container_ending(struct pod_container *c);
/* `current` has ended and its end is known: wait for a restart, or stay. */
void pod_container_ended(struct pod_container *c);
/* Goes on with the ending of one that is up. `turn`: nobody needs it any more. */
void pod_container_stop(struct pod_container *c, bool turn, uint64_t *next);
/* This one alone is to be ended, for a cause; the next tick begins. grace_s -1 = the pod's. */
void pod_container_condemn(struct pod_container *c, enum stop_cause cause, int64_t grace_s);
/* Ends what runs; true when nothing does any more. */
bool pod_containers_stop(struct pod *pod, uint64_t *ret_next_ms);

/* pod_probe.c */
/* It is RUNNING now, and probed from now on. `adopted`: it ran before this agent did. */
void pod_container_run(struct pod_container *c, bool adopted);
void pod_probes_tick(struct pod_container *c, uint64_t *next);
/* Liveness and startup; readiness too when `all`. */
void pod_probes_stop(struct pod_container *c, bool all);
/* What holds of the probe in this run of the container is good; so it is when there is no such probe. */
bool pod_probe_passed(const struct pod_container *c, enum probe_kind kind);
bool pod_container_started(const struct pod_container *c);
/* Starts lifecycle.NAME; false when the container has none. `done` gets the container. */
bool pod_hook_start(struct pod_container *c, const char *name, handler_done *done);

/* pod_resize.c */
void pod_resize_container_make(struct pod_container *c);
/* `current` is another one; `adopted`: it ran before this agent did. */
void pod_resize_container_set(struct pod_container *c, bool adopted);
void pod_resize_container_free(struct pod_container *c);
/* All have been adopted. */
void pod_resize_begin(struct pod *pod);
void pod_resize_changed(struct pod *pod);
/* What the pod's group must allow as long as not all of its containers have what is allocated. */
void pod_resize_group(const struct pod *pod, struct cgroup_limits *ret_limits);
void pod_resize_facts(const struct pod *pod, struct status_facts *facts);
void pod_resize_free(struct pod *pod);
bool pod_container_is_resizable(const struct pod_container *c);
/* An event, of what is asked for or of what is allocated; `error` NULL = all is well. */
void pod_resize_say(struct pod *pod, bool asked, const char *reason, const char *what, const char *error);

/* pod_resize_apply.c */
/* Carries out what is allocated; returns when it wants to be called again (0 = on events). */
uint64_t pod_resize_tick(struct pod *pod);

/* pod_publish.c */
/* Sends the status when it differs from what was sent. Returns when it wants to be called again (0 = on events). */
uint64_t pod_publish(struct pod *pod);
/* DELETE with grace 0; then POD_GONE. */
void pod_send_delete(struct pod *pod);

#endif
