/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a container is probed, and what its answers add up to. Pure: time is passed in, nothing is started here. The
 * thresholds are the kubelet's: a result counts once it has come so often in a row, until then the one before holds.
 */
#ifndef KNARR_AGENT_PROBE_H
#define KNARR_AGENT_PROBE_H

#include "api/value.h"

enum probe_kind { PROBE_STARTUP, PROBE_LIVENESS, PROBE_READINESS, PROBE_KINDS };

enum probe_result {
    PROBE_UNKNOWN,
    PROBE_GOOD,
    PROBE_BAD,
};

struct probe_spec {
    uint64_t delay_ms; /* after the container's start */
    uint64_t period_ms;
    uint64_t timeout_ms;
    unsigned success; /* that many in a row */
    unsigned failure;
    int64_t grace_s; /* of the kill that a failure brings; -1 = the pod's */
};

/*     IDLE -> WAITING <-> ASKING -> HELD       liveness, startup: failed for good, until the next container
 *                                \> DONE       startup: succeeded, never asked again
 *     any -> IDLE                              the container is gone, or is being ended (startup, liveness)
 */
enum probe_state { PROBE_IDLE, PROBE_WAITING, PROBE_ASKING, PROBE_HELD, PROBE_DONE };

struct probe {
    enum probe_kind kind;
    enum probe_state state;
    enum probe_result result; /* what holds */
    enum probe_result last;   /* the answer before, and how often it came in a row */
    unsigned run;
    uint64_t due_ms;
    uint64_t shift_ms; /* moves the rhythm once, so that containers that start together are not asked together */
    unsigned words;    /* events it may still cause; see probe_may_speak */
    uint64_t words_ms; /* when they became so many */
};

/* "Liveness"...: as events name it. */
const char *probe_kind_name(enum probe_kind kind);
/* The probe of a container's spec; NULL when it has none. */
const struct value *probe_find(const struct value *container, enum probe_kind kind);
void probe_spec_read(const struct value *probe, struct probe_spec *ret_spec);

/* A container runs: asked first at `first_ms`, the second time a period and `shift_ms` later. `known` is what was known
 * of it before this agent started; PROBE_UNKNOWN for a new container. */
void probe_begin(struct probe *p, enum probe_kind kind, uint64_t first_ms, uint64_t shift_ms, enum probe_result known);
void probe_stop(struct probe *p);
/* Is it time to ask? If not, *next becomes the earlier of itself and the time when it will be (0 = none). */
bool probe_due(const struct probe *p, uint64_t now_ms, uint64_t *next);
/* It is being asked. */
void probe_asked(struct probe *p, const struct probe_spec *spec, uint64_t now_ms);
/* The answer; PROBE_UNKNOWN = there was none, and it does not count. True when what holds has changed. */
bool probe_answered(struct probe *p, const struct probe_spec *spec, enum probe_result answer);

/* Is an answer worth an event? As many as client-go lets one object have: 25, and one more every five minutes. Counts.
 */
bool probe_may_speak(struct probe *p, uint64_t now_ms);

#endif
