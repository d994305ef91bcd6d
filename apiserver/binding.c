/* SPDX-License-Identifier: Apache-2.0 */
/* Binding: a scheduler gives a pod its node. */
#include "apiserver/meta.h"
#include "apiserver/registry.h"
#include "apiserver/strategy.h"
#include "apiserver/subresource.h"
#include "apiserver/update.h"

static int binding_conflict(struct request *req, const char *why, struct error *err)
{
    struct status_details *details = pool_alloc(req->pool, sizeof(*details));

    *details = (struct status_details){req->info.name, NULL, "pods/binding", NULL};
    req->error_details = details;
    return error_set(err, ERROR_CONFLICT, "Operation cannot be fulfilled on pods/binding \"%s\": %s", req->info.name,
                     why);
}

/* The condition that tells everybody that the pod has a node. */
static void binding_set_condition(struct request *req, struct value *pod)
{
    struct value *conditions = value_need_array(value_need_object(pod, "status"), "conditions");
    struct value *condition = value_new_object();

    for (size_t i = value_count(conditions); i > 0; i--)
        if (slice_is(value_string(value_get(value_at(conditions, i - 1), "type")), "PodScheduled"))
            value_remove_at(conditions, i - 1);
    value_set_str(condition, "type", "PodScheduled");
    value_set_str(condition, "status", "True");
    value_set(condition, "lastProbeTime", value_new_null());
    value_set_str(condition, "lastTransitionTime", request_now(req));
    value_append(conditions, condition);
}

static int binding_check(struct request *req, const struct value *binding, const struct value *current,
                         struct error *err)
{
    const char *uid = meta_uid(binding);
    const char *node = value_str(value_path(current, "spec", "nodeName", NULL));

    if (meta_is_deleting(current))
        return binding_conflict(
            req, pool_printf(req->pool, "pod %s is being deleted, cannot be assigned to a host", req->info.name), err);
    if (node && *node)
        return binding_conflict(
            req, pool_printf(req->pool, "pod %s is already assigned to node \"%s\"", req->info.name, node), err);
    if (*uid && strcmp(uid, meta_uid(current)) != 0)
        return binding_conflict(req,
                                pool_printf(req->pool,
                                            "Precondition failed: UID in precondition: %s, UID in object meta: %s", uid,
                                            meta_uid(current)),
                                err);
    return 0;
}

static int binding_make(struct request *req, struct update *u, const struct value *current, struct value **ret_object,
                        struct error *err)
{
    struct value *pod CLEANUP_VALUE = NULL;
    struct value_iter it = value_iter_start(value_path(u->body, "metadata", "annotations", NULL));
    struct slice name;
    struct value *v;
    int r = binding_check(req, u->body, current, err);

    if (r < 0)
        return r;
    pod = value_copy(current);
    value_set_str(value_need_object(pod, "spec"), "nodeName", value_str(value_path(u->body, "target", "name", NULL)));
    while (value_iter_next(&it, &name, &v))
        value_set_slice(value_need_object(value_need_object(pod, "metadata"), "annotations"), name, value_copy(v));
    binding_set_condition(req, pod);
    *ret_object = STEAL(pod);
    return 0;
}

static void binding_reply_created(struct request *req)
{
    negotiate_plain(req);
    reply_json(req, 201,
               SLICE_LIT("{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\","
                         "\"code\":201}"));
}

static void binding_answer(struct request *req, struct update *u, struct slice stored, uint64_t revision)
{
    binding_reply_created(req);
}

/* The URL of a pod's binding names the pod; that of the collection leaves it to the body. */
static int binding_take(struct request *req, const struct value *binding, struct error *err)
{
    const char *kind = value_str(value_path(binding, "target", "kind", NULL));
    const char *node = value_str(value_path(binding, "target", "name", NULL));
    const char *name = meta_name(binding);

    if (*req->info.name && strcmp(name, req->info.name) != 0)
        return error_set(err, ERROR_BAD_REQUEST, "name in URL does not match name in Binding object");
    if (*meta_namespace(binding) && strcmp(meta_namespace(binding), req->info.namespace_) != 0)
        return error_set(err, ERROR_BAD_REQUEST,
                         "the namespace of the provided object does not match the namespace sent on the request");
    if (!*name)
        return error_set(err, ERROR_BAD_REQUEST, "metadata.name: Required value");
    if (kind && *kind && strcmp(kind, "Node") != 0)
        return error_set(err, ERROR_BAD_REQUEST,
                         "target.kind: Unsupported value: \"%s\": supported values: \"Node\", \"<empty>\"", kind);
    if (!node || !*node)
        return error_set(err, ERROR_BAD_REQUEST, "target.name: Required value");
    req->info.name = pool_strdup(req->pool, name);
    req->kind = req->shown = registry_need_kind("", "pods");
    req->strategy = strategy_of(req->kind);
    return 0;
}

void binding_create(struct request *req)
{
    const struct schema_kind *kind = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("Binding"));
    struct update *u = pool_alloc(req->pool, sizeof(*u));
    ERROR_LOCAL(err);

    if (negotiate_media(req, false, &err) < 0 || request_write_options(req, "CreateOptions", &err) < 0 ||
        !(u->body = request_own_value(req, request_decode_body(req, kind, &err))) ||
        binding_take(req, u->body, &err) < 0) {
        reply_error(req, &err);
        return;
    }
    u->subresource = "binding";
    u->name = req->info.name;
    u->keeps_parts = true;
    u->unmanaged = true;
    u->make = binding_make;
    u->answer = binding_answer;
    update_start(req, u);
}
