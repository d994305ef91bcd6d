/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/probe.h"

#define WORDS_MAX     25
#define WORDS_STEP_MS 300000

const char *probe_kind_name(enum probe_kind kind)
{
    static const char *const names[PROBE_KINDS] = {"Startup", "Liveness", "Readiness"};

    return names[kind];
}

const struct value *probe_find(const struct value *container, enum probe_kind kind)
{
    static const char *const members[PROBE_KINDS] = {"startupProbe", "livenessProbe", "readinessProbe"};

    return value_get(container, members[kind]);
}

/* The API server has filled the defaults in; a 0 that got through reads as the default. */
static uint64_t number(const struct value *probe, const char *name, int64_t fallback)
{
    int64_t n = value_int(value_get(probe, name));

    return (uint64_t)(n > 0 ? n : fallback);
}

void probe_spec_read(const struct value *probe, struct probe_spec *ret_spec)
{
    const struct value *grace = value_get(probe, "terminationGracePeriodSeconds");

    *ret_spec = (struct probe_spec){
        .delay_ms = number(probe, "initialDelaySeconds", 0) * 1000,
        .period_ms = number(probe, "periodSeconds", 10) * 1000,
        .timeout_ms = number(probe, "timeoutSeconds", 1) * 1000,
        .success = (unsigned)number(probe, "successThreshold", 1),
        .failure = (unsigned)number(probe, "failureThreshold", 3),
        .grace_s = value_is(grace, VALUE_INT) ? value_int(grace) : -1,
    };
}

void probe_begin(struct probe *p, enum probe_kind kind, uint64_t first_ms, uint64_t shift_ms, enum probe_result known)
{
    /* Until it has answered a container counts as alive, but not as ready. */
    static const enum probe_result initial[PROBE_KINDS] = {PROBE_UNKNOWN, PROBE_GOOD, PROBE_BAD};

    *p = (struct probe){.kind = kind,
                        .state = kind == PROBE_STARTUP && known == PROBE_GOOD ? PROBE_DONE : PROBE_WAITING,
                        .result = known == PROBE_UNKNOWN ? initial[kind] : known,
                        .due_ms = first_ms,
                        .shift_ms = shift_ms,
                        .words = WORDS_MAX,
                        .words_ms = first_ms};
}

void probe_stop(struct probe *p)
{
    p->state = PROBE_IDLE;
}

bool probe_due(const struct probe *p, uint64_t now_ms, uint64_t *next)
{
    if (p->state != PROBE_WAITING)
        return false;
    if (p->due_ms <= now_ms)
        return true;
    if (!*next || p->due_ms < *next)
        *next = p->due_ms;
    return false;
}

void probe_asked(struct probe *p, const struct probe_spec *spec, uint64_t now_ms)
{
    p->state = PROBE_ASKING;
    p->due_ms += spec->period_ms;
    /* Late by more than a period: what was missed is not made up for. */
    if (p->due_ms <= now_ms)
        p->due_ms = now_ms + spec->period_ms;
    p->due_ms += p->shift_ms;
    p->shift_ms = 0;
}

bool probe_answered(struct probe *p, const struct probe_spec *spec, enum probe_result answer)
{
    enum probe_result before = p->result;

    if (p->state != PROBE_ASKING)
        return false;
    p->state = PROBE_WAITING;
    if (answer == PROBE_UNKNOWN)
        return false;
    p->run = p->last == answer ? p->run + 1 : 1;
    p->last = answer;
    if (p->run < (answer == PROBE_GOOD ? spec->success : spec->failure))
        return false;
    p->result = answer;
    if (answer == PROBE_GOOD && p->kind == PROBE_STARTUP)
        p->state = PROBE_DONE;
    if (answer == PROBE_BAD && p->kind != PROBE_READINESS)
        p->state = PROBE_HELD;
    return p->result != before;
}

bool probe_may_speak(struct probe *p, uint64_t now_ms)
{
    for (; p->words < WORDS_MAX && p->words_ms + WORDS_STEP_MS <= now_ms; p->words_ms += WORDS_STEP_MS)
        p->words++;
    if (p->words == WORDS_MAX)
        p->words_ms = now_ms;
    if (!p->words)
        return false;
    p->words--;
    return true;
}
