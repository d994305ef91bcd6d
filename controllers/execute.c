/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries plans out. A job is one plan under way for one key:
 *
 *     send a group --> all answered --> next group ... --> answer the work queue
 *                            \--one failed: only actions marked ALWAYS follow
 *
 * Each accepted write leaves a wait in the key's barrier, so that the key is reconciled again only when the informers
 * show what was written. That takes the place of counted expectations: the store's revisions are one dense order, so
 * "seen up to the write's revision" is exact.
 *
 * Invariants: a job is in run->jobs; in_flight calls of it are with the client; it is freed when its queue is answered.
 */
#include "controllers/runner_internal.h"

#include <assert.h>

#include "lib/log.h"

struct wait {
    struct slot *slot;
    uint64_t revision; /* seen up to here, or */
    char *key;         /* this object */
    char *uid;         /* with this uid is gone or on its way */
};

struct barrier {
    struct wait *waits;
    size_t count;
    size_t cap;
};

struct job {
    struct list link;
    struct run *run;
    char *key;
    struct plan plan;
    size_t next;
    struct list calls;
    unsigned in_flight; /* of them */
    bool stopped;       /* by ACTION_STOP_UNLESS_GONE */
    struct error failure;
    const char *refusal; /* failure_reason of the first action that was refused */
    char *refusal_message;
};

struct job_call {
    struct job *job;
    struct list link; /* in job->calls */
    size_t action;
};

static void barrier_free(void *arg)
{
    struct barrier *barrier = arg;

    for (size_t i = 0; i < barrier->count; i++) {
        free(barrier->waits[i].key);
        free(barrier->waits[i].uid);
    }
    free(barrier->waits);
    free(barrier);
}

static bool wait_is_over(const struct wait *wait)
{
    const struct view *v;

    if (!wait->uid)
        return informer_revision(wait->slot->informer) >= wait->revision;
    v = informer_get(wait->slot->informer, slice_str(wait->key));
    return !v || !slice_is(view_text(v, VIEW_UID), wait->uid) || view_deleting(v);
}

bool execute_caught_up(struct run *run, struct slice key)
{
    struct barrier *barrier = map_get(&run->barriers, key);

    if (!barrier)
        return true;
    for (size_t i = 0; i < barrier->count; i++)
        if (!wait_is_over(&barrier->waits[i]))
            return false;
    barrier_free(map_remove(&run->barriers, key));
    return true;
}

static void barrier_add(struct job *job, const struct action *action, struct slice answer)
{
    struct slot *slot = controllers_slot(job->run->controllers, action->kind);
    struct barrier *barrier = map_get(&job->run->barriers, slice_str(job->key));
    struct wait wait = {.slot = slot};

    if (!slot || !slot->informer)
        return;
    if (action->verb == ACTION_DELETE) {
        wait.key = mem_printf("%s%s%s", action->ns, *action->ns ? "/" : "", action->name);
        wait.uid = mem_strdup(action->uid ? action->uid : "");
    } else if (!slice_to_uint64(view_unquote(scan_get(answer, "metadata.resourceVersion")), &wait.revision)) {
        return;
    }
    if (!barrier) {
        barrier = mem_zalloc(sizeof(*barrier));
        (void)map_put(&job->run->barriers, slice_str(job->key), barrier);
    }
    barrier->waits = mem_grow(barrier->waits, &barrier->cap, barrier->count + 1, sizeof(wait));
    barrier->waits[barrier->count++] = wait;
}

/* ---- events ---- */

/* Appends text with the first `mark` replaced. */
static void message_write(struct buf *out, const char *text, const char *mark, struct slice with)
{
    const char *at = strstr(text, mark);

    if (!at) {
        buf_append_str(out, text);
        return;
    }
    buf_append(out, text, (size_t)(at - text));
    buf_append_slice(out, with);
    buf_append_str(out, at + strlen(mark));
}

static struct event_object job_event_object(const struct job *job, const struct action *action)
{
    const struct plan *plan = &job->plan;

    if (action->flags & ACTION_EVENT_OF_OBJECT)
        return (struct event_object){.api_version = action->kind->api_version,
                                     .kind = action->kind->kind,
                                     .namespace_ = action->ns,
                                     .name = action->name,
                                     .uid = action->uid};
    if (!plan->name)
        return (struct event_object){0};
    return (struct event_object){.api_version = plan->kind->api_version,
                                 .kind = plan->kind->kind,
                                 .namespace_ = plan->ns,
                                 .name = plan->name,
                                 .uid = plan->uid,
                                 .resource_version = plan->revision};
}

static void job_event(struct job *job, const struct action *action, bool warning, const char *reason, const char *text,
                      const char *mark, struct slice with)
{
    const struct event_object object = job_event_object(job, action);
    BUF_LOCAL(message);

    if (!reason || !object.name)
        return;
    message_write(&message, text ? text : "", mark, with);
    event_record(job->run->recorder, &object, warning, reason, "%s", buf_cstr(&message));
}

/* ---- jobs ---- */

static void refusal_free(void *arg)
{
    struct run_refusal *refusal = arg;

    free((char *)refusal->message);
    free(refusal);
}

struct run_refusal run_last_refusal(struct run *run, struct slice key)
{
    const struct run_refusal *refusal = map_get(&run->refusals, key);

    return refusal ? *refusal : (struct run_refusal){NULL, NULL};
}

/* Remembers what this plan was refused, and forgets what an earlier one was. */
static void job_keep_refusal(struct job *job)
{
    struct run_refusal *refusal = map_remove(&job->run->refusals, slice_str(job->key));

    if (refusal)
        refusal_free(refusal);
    if (!job->refusal)
        return;
    refusal = mem_zalloc(sizeof(*refusal));
    refusal->reason = job->refusal;
    refusal->message = STEAL(job->refusal_message);
    (void)map_put(&job->run->refusals, slice_str(job->key), refusal);
}

static void job_free(struct job *job)
{
    list_remove(&job->link);
    list_for_each_safe (it, next, &job->calls)
        free(container_of(it, struct job_call, link));
    plan_clear(&job->plan);
    error_clear(&job->failure);
    free(job->refusal_message);
    free(job->key);
    free(job);
}

static void job_finish(struct job *job)
{
    struct run *run = job->run;
    bool failed = error_is_set(&job->failure);

    if (failed)
        log_write(job->failure.code == ERROR_CONFLICT ? LOG_DEBUG : LOG_WARNING, run->row->name, "%s: %s; trying again",
                  job->key, error_text(&job->failure));
    job_keep_refusal(job);
    work_queue_done(run->queue, slice_str(job->key), failed);
    if (job->plan.again_ms)
        work_queue_add_after(run->queue, slice_str(job->key), job->plan.again_ms);
    job_free(job);
}

/* A refusal that no repetition changes: the namespace is going away. */
static bool job_is_hopeless(const struct error *err)
{
    for (size_t i = 0; i < err->cause_count; i++)
        if (err->causes[i].reason && !strcmp(err->causes[i].reason, "NamespaceTerminating"))
            return true;
    return false;
}

static bool action_tolerates(const struct action *action, const struct error *err)
{
    return (err->code == ERROR_NOT_FOUND && (action->flags & ACTION_MISSING_IS_FINE)) ||
           (err->code == ERROR_ALREADY_EXISTS && (action->flags & ACTION_EXISTS_IS_FINE));
}

static void job_step(struct job *job);

static void job_on_checked(struct job *job, const struct action *action, struct slice body, const struct error *err)
{
    if (!err)
        job->stopped = !action->uid || slice_is(view_unquote(scan_get(body, "metadata.uid")), action->uid);
    else if (err->code != ERROR_NOT_FOUND && !error_is_set(&job->failure))
        error_copy(&job->failure, err);
}

static void job_on_refused(struct job *job, const struct action *action, const struct error *err)
{
    if (action_tolerates(action, err))
        return;
    if (job_is_hopeless(err)) {
        job->stopped = true;
        return;
    }
    job_event(job, action, true, action->failure_reason, action->failure_message, "{error}",
              slice_str(error_text(err)));
    if (action->failure_reason && !job->refusal) {
        job->refusal = action->failure_reason;
        job->refusal_message = mem_strdup(error_text(err));
    }
    if (error_is_set(&job->failure))
        return;
    error_copy(&job->failure, err);
    error_wrap(&job->failure, "%s %s/%s", action->kind->kind, action->ns, action->name);
}

static void job_on_answer(void *arg, int status, struct slice body, const struct error *err)
{
    struct job_call *call = arg;
    struct job *job = call->job;
    const struct action *action = &job->plan.actions[call->action];

    (void)status;
    list_remove(&call->link);
    free(call);
    if (action->verb == ACTION_STOP_UNLESS_GONE) {
        job_on_checked(job, action, body, err);
    } else if (err) {
        job_on_refused(job, action, err);
    } else {
        barrier_add(job, action, body);
        job_event(job, action, action->flags & ACTION_EVENT_WARNS, action->reason, action->message, "{name}",
                  view_unquote(scan_get(body, "metadata.name")));
    }
    if (!--job->in_flight)
        job_step(job);
}

/* Kinds that are not watched can be written to all the same. */
static const struct schema_kind *action_schema(struct run *run, const struct action *action)
{
    struct slot *slot = controllers_slot(run->controllers, action->kind);
    struct slice group;
    struct slice version;

    if (slot)
        return slot->schema;
    schema_split_api_version(slice_str(action->kind->api_version), &group, &version);
    return schema_find_kind(group, version, slice_str(action->kind->kind));
}

static void job_send(struct job *job, size_t index)
{
    static const char *const methods[] = {
        [ACTION_CREATE] = "POST",
        [ACTION_UPDATE] = "PUT",
        [ACTION_PATCH] = "PATCH",
        [ACTION_DELETE] = "DELETE",
        [ACTION_DELETE_COLLECTION] = "DELETE",
        [ACTION_STOP_UNLESS_GONE] = "GET",
    };
    const struct action *action = &job->plan.actions[index];
    const struct schema_kind *schema = action_schema(job->run, action);
    bool collection = action->verb == ACTION_CREATE || action->verb == ACTION_DELETE_COLLECTION;
    char *path CLEANUP_FREE = client_path(schema, action->ns, collection ? NULL : action->name, action->sub);
    struct job_call *call = mem_zalloc(sizeof(*call));

    assert(schema); /* the rows of views.c are built-in kinds; a test walks them */
    call->job = job;
    call->action = index;
    list_append(&job->calls, &call->link);
    job->in_flight++;
    (void)client_send(job->run->client,
                      &(struct client_request){
                          .method = methods[action->verb],
                          .path = path,
                          .content_type = action->patch_type,
                          .body = buf_slice(&action->body),
                          .timeout_ms = 30000,
                      },
                      job_on_answer, call);
}

/* Sends the next group that is to be sent, or ends the job. */
static void job_step(struct job *job)
{
    while (job->next < job->plan.count && !job->in_flight) {
        const struct action *first = &job->plan.actions[job->next];
        size_t end = job->next + 1;

        while (first->group && end < job->plan.count && job->plan.actions[end].group == first->group)
            end++;
        for (; job->next < end; job->next++)
            if ((!job->stopped && !error_is_set(&job->failure)) || (job->plan.actions[job->next].flags & ACTION_ALWAYS))
                job_send(job, job->next);
    }
    if (!job->in_flight)
        job_finish(job);
}

void execute_plan(struct run *run, struct slice key, struct plan *plan)
{
    struct job *job = mem_zalloc(sizeof(*job));

    job->run = run;
    job->key = slice_dup(key);
    job->plan = *plan;
    memset(plan, 0, sizeof(*plan));
    list_init(&job->calls);
    list_append(&run->jobs, &job->link);
    job_step(job);
}

void execute_free(struct run *run)
{
    list_for_each_safe (it, next, &run->jobs)
        job_free(container_of(it, struct job, link));
    map_clear(&run->barriers, barrier_free);
    map_clear(&run->refusals, refusal_free);
}
