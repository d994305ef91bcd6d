/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eviction: a deletion that a PodDisruptionBudget may refuse. The budget's count and the pod's deletion are one
 * transaction on the condition that both are as they were read, so two evictions cannot share one allowance, and a
 * deletion that fails takes nothing from the budget.
 */
#include "api/selector.h"
#include "apiserver/delete.h"
#include "apiserver/meta.h"
#include "apiserver/registry.h"
#include "apiserver/subresource.h"

#define EVICTION_UNCONFIRMED_MAX 2000 /* entries of disruptedPods, as upstream */
#define EVICTION_RETRY_S         10

struct eviction_budget {
    struct value *object; /* NULL = none selects the pod */
    uint64_t revision;
    const struct value *labels; /* of the pod */
    size_t count;
};

static bool eviction_selects(const struct value *budget, const struct value *labels)
{
    const struct value *raw = value_path(budget, "spec", "selector", NULL);
    struct selector *selector = NULL;
    bool selects = raw && selector_from_object(raw, &selector, NULL) == 0 && selector_matches_labels(selector, labels);

    selector_free(selector);
    return selects;
}

static int eviction_visit(void *arg, const struct store_item *item)
{
    struct eviction_budget *found = arg;
    struct value *object = object_decode(item->value, item->mod_revision, NULL);

    if (!object || !eviction_selects(object, found->labels)) {
        value_free(object);
        return 0;
    }
    value_free(found->object);
    found->object = object;
    found->revision = item->mod_revision;
    found->count++;
    return 0;
}

static int eviction_find_budget(struct write *w, const struct value *pod, struct eviction_budget *ret,
                                struct error *err)
{
    const struct schema_kind *kind = registry_need_kind("policy", "poddisruptionbudgets");
    struct store_range range = {.prefix = registry_prefix(w->pool, kind, meta_namespace(pod)), .skip_count = true};
    struct store_range_result result;

    ret->labels = value_path(pod, "metadata", "labels", NULL);
    if (store_list(w->front->server->store, &range, eviction_visit, ret, &result, err) < 0)
        return -(int)err->code;
    if (ret->count > 1)
        return error_set(err, ERROR_INTERNAL,
                         "This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
                         "support.");
    if (ret->object)
        (void)value_remove(value_get(ret->object, "metadata"), "resourceVersion");
    return 0;
}

static const char *eviction_pod_phase(const struct value *pod)
{
    const char *phase = value_str(value_path(pod, "status", "phase", NULL));

    return phase ? phase : "";
}

/* What does not run, or is on its way out already, needs nobody's leave. */
static bool eviction_is_free(const struct value *pod)
{
    const char *phase = eviction_pod_phase(pod);

    return !strcmp(phase, "Succeeded") || !strcmp(phase, "Failed") || !strcmp(phase, "Pending") ||
           meta_is_deleting(pod);
}

static struct value *eviction_condition(struct value *status, const char *type)
{
    struct value *list = value_need_array(status, "conditions");

    for (size_t i = 0; i < value_count(list); i++)
        if (slice_is(value_string(value_get(value_at(list, i), "type")), type))
            return value_at(list, i);
    return NULL;
}

static bool eviction_pod_is_ready(const struct value *pod)
{
    const struct value *list = value_path(pod, "status", "conditions", NULL);

    for (size_t i = 0; i < value_count(list); i++)
        if (slice_is(value_string(value_get(value_at(list, i), "type")), "Ready"))
            return slice_is(value_string(value_get(value_at(list, i), "status")), "True");
    return false;
}

/* A pod that is not healthy takes nothing from the budget where the budget's policy lets it go. */
static bool eviction_is_unhealthy(const struct value *budget, const struct value *pod)
{
    const struct value *status = value_get(budget, "status");
    int64_t desired = value_int(value_get(status, "desiredHealthy"));
    struct slice policy = value_string(value_path(budget, "spec", "unhealthyPodEvictionPolicy", NULL));

    if (eviction_pod_is_ready(pod))
        return false;
    return slice_is(policy, "AlwaysAllow") ||
           (desired > 0 && value_int(value_get(status, "currentHealthy")) >= desired);
}

static int eviction_refuse(struct error *err, int retry_after, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int eviction_refuse(struct error *err, int retry_after, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    char *why CLEANUP_FREE = mem_vprintf(fmt, args);
    va_end(args);
    (void)error_set(err, ERROR_TOO_MANY_REQUESTS, "Cannot evict pod as it would violate the pod's disruption budget.");
    error_add_cause(err, "DisruptionBudget", NULL, "%s", why);
    err->retry_after_seconds = retry_after;
    return -(int)ERROR_TOO_MANY_REQUESTS;
}

static int eviction_check_budget(const struct value *budget, struct error *err)
{
    const struct value *status = value_get(budget, "status");
    int64_t allowed = value_int(value_get(status, "disruptionsAllowed"));
    const char *name = meta_name(budget);

    if (value_int(value_get(status, "observedGeneration")) <
        value_int(value_path(budget, "metadata", "generation", NULL)))
        return eviction_refuse(err, EVICTION_RETRY_S,
                               "The disruption budget %s is still being processed by the server.", name);
    if (allowed < 0 || value_count(value_get(status, "disruptedPods")) > EVICTION_UNCONFIRMED_MAX)
        return error_set(err, ERROR_FORBIDDEN, "poddisruptionbudgets.policy \"%s\" is forbidden: %s", name,
                         allowed < 0
                             ? "pdb disruptions allowed is negative"
                             : "DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    if (!allowed)
        return eviction_refuse(err, 0, "The disruption budget %s needs %lld healthy pods and has %lld currently", name,
                               (long long)value_int(value_get(status, "desiredHealthy")),
                               (long long)value_int(value_get(status, "currentHealthy")));
    return 0;
}

/* One less may go from now on; the controller takes the entry out when it has seen the pod go. */
static void eviction_take_one(struct request *req, struct value *budget, const char *pod)
{
    struct value *status = value_need_object(budget, "status");
    int64_t allowed = value_int(value_get(status, "disruptionsAllowed")) - 1;
    struct value *condition = eviction_condition(status, "DisruptionAllowed");

    value_set(status, "disruptionsAllowed", value_new_int(allowed));
    value_set_str(value_need_object(status, "disruptedPods"), pod, request_now(req));
    if (!allowed && condition && !slice_is(value_string(value_get(condition, "status")), "False")) {
        value_set_str(condition, "status", "False");
        value_set_str(condition, "reason", "InsufficientPods");
        value_set_str(condition, "lastTransitionTime", request_now(req));
    }
}

/* So that whoever looks at the pod knows why it ended. */
static void eviction_mark_pod(struct request *req, struct value *pod)
{
    struct value *status = value_need_object(pod, "status");
    struct value *condition = eviction_condition(status, "DisruptionTarget");

    if (!condition) {
        condition = value_new_object();
        value_set_str(condition, "type", "DisruptionTarget");
        value_append(value_need_array(status, "conditions"), condition);
    }
    value_set_str(condition, "status", "True");
    value_set(condition, "lastProbeTime", value_new_null());
    value_set_str(condition, "lastTransitionTime", request_now(req));
    value_set_str(condition, "reason", "EvictionByEvictionAPI");
    value_set_str(condition, "message", "Eviction API: evicting");
}

/* The last word before the pod is deleted; see delete_options. */
static int eviction_allow(struct write *w, struct value *pod, struct error *err)
{
    struct eviction_budget budget = {0};
    int r = 0;

    if (eviction_is_free(pod))
        return 0;
    r = eviction_find_budget(w, pod, &budget, err);
    if (r == 0 && budget.object) {
        const struct schema_kind *kind = registry_need_kind("policy", "poddisruptionbudgets");

        (void)write_require(w, registry_key(w->pool, kind, meta_namespace(pod), meta_name(budget.object)),
                            budget.revision);
        if (!eviction_is_unhealthy(budget.object, pod) && (r = eviction_check_budget(budget.object, err)) == 0) {
            eviction_take_one(w->req, budget.object, meta_name(pod));
            r = write_put_object(w, kind, budget.object, err);
        }
    }
    if (r == 0)
        eviction_mark_pod(w->req, pod);
    value_free(budget.object);
    return r;
}

static int eviction_plan(struct write *w, struct error *err)
{
    return delete_plan_one(w, w->arg, w->req->info.namespace_, w->req->info.name, err);
}

static void eviction_done(struct write *w)
{
    struct request *req = w->req;

    negotiate_plain(req);
    reply_json(req, 201,
               SLICE_LIT("{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\","
                         "\"code\":201}"));
}

static const struct write_ops eviction_ops = {eviction_plan, eviction_done, NULL};

void eviction_create(struct request *req)
{
    const struct schema_kind *kind = schema_find_kind(SLICE_LIT("policy"), SLICE_LIT("v1"), SLICE_LIT("Eviction"));
    struct delete_options *o = pool_alloc(req->pool, sizeof(*o));
    struct value *body;
    ERROR_LOCAL(err);

    if (negotiate_media(req, false, &err) < 0 || request_write_options(req, "CreateOptions", &err) < 0 ||
        !(body = request_own_value(req, request_decode_body(req, kind, &err))) ||
        delete_take_options(req, value_get(body, "deleteOptions"), o, &err) < 0) {
        reply_error(req, &err);
        return;
    }
    if (*meta_name(body) && strcmp(meta_name(body), req->info.name) != 0) {
        reply_error_text(req, ERROR_BAD_REQUEST, "name in URL does not match name in Eviction object");
        return;
    }
    o->last_word = eviction_allow;
    write_start(req, &eviction_ops, o);
}
