/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API sees of a pod. One request at a time; what changes meanwhile goes out in the next one. A strategic merge
 * patch, so that conditions of others stay theirs, of all that is ours, with the pod's uid as precondition: a new pod
 * of the same name is never written to.
 */
#include "agent/pod_internal.h"

#include "agent/pod_spec.h"
#include "api/scan.h"
#include "lib/log.h"

#define DELAY_FIRST_MS 500
#define DELAY_MAX_MS   8000

static const struct schema_kind *pod_kind(void)
{
    return schema_find_resource(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("pods"));
}

/* While its postStart hook runs, a container is shown as it was before its start. */
static void facts_of_container(const struct pod *pod, const struct pod_container *c, struct container_facts *f)
{
    const struct runtime_container *current = c->state == CONTAINER_POST_START ? NULL : c->current;
    const struct runtime_container *last = c->last;
    unsigned made = c->next_attempt ? c->next_attempt - 1 : 0;

    const struct value *spec = pod_container_spec(pod, c);
    const char *image = object_text(spec, "image");

    *f = (struct container_facts){
        .name = c->name,
        .image = image ? image : "",
        .kind = c->kind,
        .sidecar = pod_container_is_sidecar(c),
        .current = current,
        .last = last,
        .allocated = c->allocated,
        .actual = c->actual,
        .restarts = current              ? current->attempt
                    : c->current && last ? last->attempt
                                         : made,
        .starting = !pod_probe_passed(c, PROBE_STARTUP),
        .unready = !pod_probe_passed(c, PROBE_READINESS),
        .waiting_reason = c->state == CONTAINER_ENDED || c->state == CONTAINER_RUNNING ? NULL : c->waiting_reason,
        .waiting_message = c->waiting_message,
    };
}

static struct value *status_compute(const struct pod *pod)
{
    struct container_facts *containers CLEANUP_FREE = mem_calloc(pod->count + 1, sizeof(*containers));
    const struct value *before = pod->status ? pod->status : value_get(pod->object->tree, "status");
    /* A final phase is said when nothing runs any more. */
    bool expired = pod->expired && (pod->state > POD_STOPPING || pod_containers_at_rest(pod));
    struct status_facts facts = {
        .containers = containers,
        .count = pod->refused ? 0 : pod->count,
        .sandbox_ready = pod->sandbox_ready && pod->state <= POD_RUNNING,
        .finished = pod->state > POD_STOPPING || pod->complete,
        .pod_ip = pod->facts.pod_ip,
        .host_ip = pod->agent->config.node_ip,
        .reason = expired ? "DeadlineExceeded" : pod->refused,
        .message = expired ? "Pod was active on the node longer than the specified deadline" : pod->refused_message,
        .now_ns = clock_wall_ns(pod->agent->clock),
        .start_ns = pod->start_ns,
    };

    for (size_t i = 0; i < pod->count; i++)
        facts_of_container(pod, pod->containers[i], &containers[i]);
    pod_resize_facts(pod, &facts);
    return pod_status_make(pod->object->tree, before, &facts);
}

static bool phase_is_final(const struct value *object)
{
    struct slice phase = value_string(value_path(object, "status", "phase", NULL));

    return slice_is(phase, "Succeeded") || slice_is(phase, "Failed");
}

static void publish_later(struct pod *pod)
{
    pod->publish_delay_ms = pod->publish_delay_ms ? pod->publish_delay_ms * 2 : DELAY_FIRST_MS;
    if (pod->publish_delay_ms > DELAY_MAX_MS)
        pod->publish_delay_ms = DELAY_MAX_MS;
    pod->publish_after_ms = pod_now_ms(pod) + pod->publish_delay_ms;
}

/* "resourceVersion":"7" of an answer; 0 = it has none. */
static uint64_t published_revision(struct slice object)
{
    struct slice raw = scan_get(object, "metadata.resourceVersion");
    uint64_t revision = 0;

    if (raw.len > 2)
        (void)slice_to_uint64(slice_make(raw.data + 1, raw.len - 2), &revision);
    return revision;
}

static const struct value *find_condition(const struct value *list, const char *type)
{
    for (size_t i = 0; i < value_count(list); i++)
        if (slice_is(value_string(value_get(value_at(list, i), "type")), type))
            return value_at(list, i);
    return NULL;
}

static const struct value *ready_condition(const struct value *status)
{
    return find_condition(value_get(status, "conditions"), "Ready");
}

/* Whether somebody said otherwise since we did: the control plane calls the pods of a node that it does not hear of
 * not ready, and it is for the node to take that back. */
static bool publish_was_overruled(const struct pod *pod)
{
    const struct value *o = pod->object->tree;
    const struct value *theirs = ready_condition(value_get(o, "status"));
    uint64_t revision = 0;

    if (!pod->sent_revision || !theirs ||
        !slice_to_uint64(value_string(value_path(o, "metadata", "resourceVersion", NULL)), &revision))
        return false;
    return revision > pod->sent_revision &&
           !value_equal(value_get(theirs, "status"), value_get(ready_condition(pod->status), "status"));
}

static void published(void *arg, int status, struct slice body, const struct error *err)
{
    struct pod *pod = arg;
    const struct value *o = pod->object->tree;

    pod->call = NULL;
    if (err && err->code != ERROR_NOT_FOUND && err->code != ERROR_CONFLICT) {
        log_warning("agent", "status of pod %s/%s was not taken: %s; trying again", pod_namespace(o), pod_name(o),
                    error_text(err));
        buf_reset(&pod->sent); /* it may have been taken all the same */
        publish_later(pod);
    } else {
        /* Not found and conflict: another pod by now, or none; the watch tells. */
        buf_reset(&pod->sent);
        buf_append_slice(&pod->sent, buf_slice(&pod->sending));
        pod->sent_revision = err ? 0 : published_revision(body);
        pod->publish_after_ms = 0;
        pod->publish_delay_ms = 0;
    }
    pod_tick(pod);
}

/* Conditions of ours that hold no more are told to go: others' stay in the list. */
static void patch_drop_conditions(struct value *status, const struct pod *pod)
{
    static const char *const passing[] = {"PodResizePending", "PodResizeInProgress"};
    const struct value *there = value_path(pod->object->tree, "status", "conditions", NULL);
    struct value *list = value_get(status, "conditions");

    for (size_t n = 0; n < ARRAY_SIZE(passing); n++) {
        struct value *drop;

        if (find_condition(list, passing[n]) ||
            (!find_condition(there, passing[n]) && slice_find_text(buf_slice(&pod->sent), slice_str(passing[n])) < 0))
            continue;
        drop = value_new_object();
        value_set_str(drop, "$patch", "delete");
        value_set_str(drop, "type", passing[n]);
        value_append(list, drop);
    }
}

/* A merge would keep what is absent, and what was in a list before. */
static void patch_complete(struct value *status)
{
    static const char *const vanishing[] = {"reason", "message"};
    static const char *const lists[] = {"podIPs", "hostIPs"};
    const struct value *conditions = value_get(status, "conditions");

    for (size_t n = 0; n < ARRAY_SIZE(vanishing); n++) {
        if (!value_get(status, vanishing[n]))
            value_set(status, vanishing[n], value_new_null());
        for (size_t i = 0; i < value_count(conditions); i++)
            if (!value_get(value_at(conditions, i), vanishing[n]))
                value_set(value_at(conditions, i), vanishing[n], value_new_null());
    }
    for (size_t n = 0; n < ARRAY_SIZE(lists); n++) {
        struct value *list = value_get(status, lists[n]);
        struct value *directive;

        if (!list)
            continue;
        directive = value_new_object();
        value_set_str(directive, "$patch", "replace");
        value_append(list, directive);
    }
}

static void publish_send(struct pod *pod)
{
    struct value *patch CLEANUP_VALUE = value_new_object();
    struct value *status = value_copy(pod->status);
    const struct value *o = pod->object->tree;
    BUF_LOCAL(body);

    patch_complete(status);
    patch_drop_conditions(status, pod);
    value_set_str(value_need_object(patch, "metadata"), "uid", pod_uid(o));
    value_set(patch, "status", status);
    value_write(patch, &body);
    pod->call = client_patch(pod->agent->client, pod_kind(), pod_namespace(o), pod_name(o), "status",
                             "application/strategic-merge-patch+json", buf_slice(&body), published, pod);
}

/* Nothing more will be said; a deletion that waited for that goes on in the next tick. */
static uint64_t publish_final(struct pod *pod)
{
    if (pod->final_sent)
        return 0;
    pod->final_sent = true;
    return pod_now_ms(pod);
}

uint64_t pod_publish(struct pod *pod)
{
    struct value *status;
    BUF_LOCAL(text);

    if (pod->vanished || phase_is_final(pod->object->tree))
        return publish_final(pod);
    status = status_compute(pod);
    value_write(status, &text);
    value_free(pod->status);
    pod->status = status;
    if (pod->call)
        return 0;
    if (slice_equal(buf_slice(&text), buf_slice(&pod->sent)) && !publish_was_overruled(pod)) {
        return pod->state > POD_STOPPING ? publish_final(pod) : 0;
    }
    if (pod->publish_after_ms > pod_now_ms(pod))
        return pod->publish_after_ms;
    buf_reset(&pod->sending);
    buf_append_slice(&pod->sending, buf_slice(&text));
    publish_send(pod);
    return 0;
}

static void deleted(void *arg, int status, struct slice body, const struct error *err)
{
    struct pod *pod = arg;
    const struct value *o = pod->object->tree;

    pod->call = NULL;
    if (!err || err->code == ERROR_NOT_FOUND || err->code == ERROR_CONFLICT) {
        pod->vanished = true;
    } else {
        log_warning("agent", "pod %s/%s was not deleted: %s; trying again", pod_namespace(o), pod_name(o),
                    error_text(err));
        publish_later(pod);
    }
    pod_tick(pod);
}

void pod_send_delete(struct pod *pod)
{
    const struct value *o = pod->object->tree;
    struct value *options CLEANUP_VALUE = value_new_object();
    BUF_LOCAL(body);

    if (pod->publish_after_ms > pod_now_ms(pod))
        return;
    value_set_str(options, "apiVersion", "v1");
    value_set_str(options, "kind", "DeleteOptions");
    value_set(options, "gracePeriodSeconds", value_new_int(0));
    value_set_str(value_need_object(options, "preconditions"), "uid", pod_uid(o));
    value_write(options, &body);
    pod->call =
        client_delete(pod->agent->client, pod_kind(), pod_namespace(o), pod_name(o), buf_slice(&body), deleted, pod);
}
