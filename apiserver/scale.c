/* SPDX-License-Identifier: Apache-2.0 */
/* The scale subresource of every kind whose schema says where its replicas are. */
#include "api/managed.h"
#include "api/object.h"
#include "api/scan.h"
#include "api/selector.h"
#include "api/version.h"
#include "apiserver/manage.h"
#include "apiserver/meta.h"
#include "apiserver/registry.h"
#include "apiserver/subresource.h"

/* The value at ".spec.replicas". */
static struct value *scale_at(const struct value *object, const char *path)
{
    struct value *v = NULL;
    struct slice rest = slice_str(path ? path : "");
    struct slice part;
    bool first = true;

    while (rest.len && slice_split(&rest, '.', &part)) {
        if (!part.len)
            continue;
        v = value_get_slice(first ? object : v, part);
        first = false;
    }
    return v;
}

static void scale_set_selector(struct value *status, const struct value *selector)
{
    struct selector *s = NULL;
    BUF_LOCAL(text);

    if (value_is(selector, VALUE_STRING)) {
        value_set(status, "selector", value_copy(selector));
        return;
    }
    if (!selector || selector_from_object(selector, &s, NULL) < 0)
        return;
    selector_write(s, &text);
    selector_free(s);
    value_set(status, "selector", value_new_string(buf_slice(&text)));
}

/* The object in which the last part of ".spec.replicas" is to be; *ret_name is that part. Makes what is missing. */
static struct value *scale_need_parent(struct value *object, const char *path, const char **ret_name)
{
    struct value *at = object;

    path += *path == '.';
    for (const char *dot; (dot = strchr(path, '.')) != NULL; path = dot + 1) {
        char *part CLEANUP_FREE = mem_strndup(path, (size_t)(dot - path));

        at = value_need_object(at, part);
    }
    *ret_name = path;
    return at;
}

static void scale_set(struct value *object, const char *path, int64_t replicas)
{
    const char *name;
    struct value *parent = scale_need_parent(object, path, &name);

    value_set(parent, name, value_new_int(replicas));
}

/* The one field at a path. */
static const struct fieldset *scale_field(struct pool *pool, const char *path)
{
    struct fieldset *below = NULL;
    const char *start = path + (*path == '.');
    const char *end = start + strlen(start);

    while (end > start) {
        struct fieldset *here = pool_alloc(pool, sizeof(*here));
        struct fieldset_step step = {.kind = FIELDSET_FIELD};
        const char *at = end;

        while (at > start && at[-1] != '.')
            at--;
        step.text = slice_make(at, (size_t)(end - at));
        fieldset_add(pool, here, step, !below, below);
        below = here;
        end = at > start ? at - 1 : start;
    }
    return below;
}

/* Who set the replicas, as the Scale's own managers. */
static void scale_set_managers(struct value *metadata, const struct schema_kind *kind, struct slice managers)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    const struct fieldset *replicas = scale_field(pool, kind->scale->spec_replicas);
    const struct fieldset *own = scale_field(pool, ".spec.replicas");
    struct managed managed = {0};
    BUF_LOCAL(list);

    if (managed_parse(pool, managers, &managed, NULL) < 0)
        return;
    for (size_t i = 0; i < managed.count; i++) {
        const struct fieldset *his = fieldset_intersection(pool, managed.entries[i].fields, replicas);

        managed.entries[i].fields = fieldset_is_empty(his) ? his : own;
        managed.entries[i].api_version = SLICE_LIT("autoscaling/v1");
    }
    managed_write(&managed, &list);
    if (list.len)
        value_set(metadata, "managedFields", value_parse(buf_slice(&list), NULL));
}

/* `managers`: the object's list, as text. */
static struct value *scale_of(const struct schema_kind *kind, const struct value *object, struct slice managers)
{
    static const char *const copied[] = {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"};
    struct value *scale = value_new_object();
    struct value *metadata;
    struct value *status;
    int64_t replicas = value_int(scale_at(object, kind->scale->spec_replicas));

    value_set_str(scale, "kind", "Scale");
    value_set_str(scale, "apiVersion", "autoscaling/v1");
    metadata = value_need_object(scale, "metadata");
    for (size_t i = 0; i < ARRAY_SIZE(copied); i++) {
        const struct value *v = value_path(object, "metadata", copied[i], NULL);

        if (v)
            value_set(metadata, copied[i], value_copy(v));
    }
    scale_set_managers(metadata, kind, managers);
    if (replicas)
        value_set(value_need_object(scale, "spec"), "replicas", value_new_int(replicas));
    else
        (void)value_need_object(scale, "spec");
    status = value_need_object(scale, "status");
    value_set(status, "replicas", value_new_int(value_int(scale_at(object, kind->scale->status_replicas))));
    scale_set_selector(status, scale_at(object, kind->scale->selector));
    return scale;
}

static const struct schema_kind *scale_kind(void)
{
    return schema_find_kind(SLICE_LIT("autoscaling"), SLICE_LIT("v1"), SLICE_LIT("Scale"));
}

static void scale_reply(struct request *req, struct slice stored, uint64_t revision)
{
    ERROR_LOCAL(err);
    struct slice managers;
    struct value *object CLEANUP_VALUE = object_decode_apart(stored, revision, &managers, &err);
    struct value *scale CLEANUP_VALUE = NULL;

    if (!object) {
        reply_error(req, &err);
        return;
    }
    scale = scale_of(req->kind, object, managers);
    if (req->media == MEDIA_TABLE) {
        BUF_LOCAL(bytes);

        (void)value_remove(value_get(scale, "metadata"), "resourceVersion");
        value_write(scale, &bytes);
        reply_table(req, 200, scale_kind(), buf_slice(&bytes), revision);
        return;
    }
    negotiate_plain(req);
    reply_value(req, 200, NULL, scale);
}

static void scale_answer(struct request *req, struct update *u, struct slice stored, uint64_t revision)
{
    scale_reply(req, stored, revision);
}

/* Who asks for the scale of what is not there is told of "deployments/scale"; a write speaks of the deployment. */
static void scale_missing(struct request *req)
{
    struct status_details *details = pool_alloc(req->pool, sizeof(*details));
    const char *group = req->kind->group;
    ERROR_LOCAL(err);

    *details =
        (struct status_details){req->info.name, group, pool_printf(req->pool, "%s/scale", req->kind->plural), NULL};
    req->error_details = details;
    (void)error_set(&err, ERROR_NOT_FOUND, "%s%s%s \"%s\" not found", details->kind, *group ? "." : "", group,
                    req->info.name);
    reply_error(req, &err);
}

/* Of what users define, upstream shows no scale before somebody has said how many there are to be. */
static int scale_check_replicas(const struct request *req, struct slice stored, struct error *err)
{
    const char *path = req->kind->scale->spec_replicas;

    if (!req->kind->custom || scan_get(stored, path + (*path == '.')).len)
        return 0;
    (void)error_set(err, ERROR_INTERNAL, "Internal error occurred: the spec replicas field \"%s\" does not exist",
                    path);
    error_add_cause(err, "", "", "the spec replicas field \"%s\" does not exist", path);
    return -(int)ERROR_INTERNAL;
}

void scale_get(struct request *req)
{
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    struct slice shown;
    BUF_LOCAL(scratch);
    ERROR_LOCAL(err);

    if (negotiate_media(req, false, &err) < 0) {
        reply_error(req, &err);
        return;
    }
    if (registry_get(req->server->store, req->shown, req->info.namespace_, req->info.name, &item, &err) < 0) {
        err.code == ERROR_NOT_FOUND ? scale_missing(req) : reply_error(req, &err);
        return;
    }
    shown = req->kind->custom ? version_show(req->shown, buf_slice(&item.value), &scratch) : buf_slice(&item.value);
    if (scale_check_replicas(req, shown, &err) < 0)
        reply_error(req, &err);
    else
        scale_reply(req, shown, item.revision);
}

static int scale_check(struct request *req, const struct value *scale, struct error *err)
{
    int64_t replicas = value_int(value_path(scale, "spec", "replicas", NULL));
    struct status_details *details;

    if (replicas >= 0 || req->kind->custom) /* of what users define, the object is judged */
        return 0;
    details = pool_alloc(req->pool, sizeof(*details));
    *details = (struct status_details){req->info.name, "autoscaling", "Scale", NULL};
    req->error_details = details;
    (void)error_set(err, ERROR_INVALID,
                    "Scale.autoscaling \"%s\" is invalid: spec.replicas: Invalid value: %lld: must be greater than or "
                    "equal to 0",
                    req->info.name, (long long)replicas);
    error_add_cause(err, "FieldValueInvalid", "spec.replicas",
                    "Invalid value: %lld: must be greater than or equal to 0", (long long)replicas);
    return -(int)ERROR_INVALID;
}

/* What the Scale says, put into a copy of the object it is of. Name, uid and revision go along to be checked there. */
static int scale_apply(struct request *req, const struct value *scale, const struct value *current,
                       struct value **ret_object, struct error *err)
{
    static const char *const carried[] = {"name", "namespace", "uid", "resourceVersion"};
    struct value *object CLEANUP_VALUE = NULL;
    struct value *metadata;
    int r = scale_check(req, scale, err);

    if (r < 0)
        return r;
    object = value_copy(current);
    metadata = value_need_object(object, "metadata");
    for (size_t i = 0; i < ARRAY_SIZE(carried); i++) {
        const struct value *v = value_path(scale, "metadata", carried[i], NULL);

        (void)value_remove(metadata, carried[i]);
        if (v)
            value_set(metadata, carried[i], value_copy(v));
    }
    scale_set(object, req->kind->scale->spec_replicas, value_int(value_path(scale, "spec", "replicas", NULL)));
    *ret_object = STEAL(object);
    return 0;
}

static int scale_make_put(struct request *req, struct update *u, const struct value *current, struct value **ret_object,
                          struct error *err)
{
    return scale_apply(req, u->body, current, ret_object, err);
}

/* A configuration of a Scale, as one of the object it is of. */
static int scale_make_apply(struct request *req, struct update *u, const struct value *current,
                            struct value **ret_object, struct error *err)
{
    const struct value *replicas = value_path(u->body, "spec", "replicas", NULL);
    struct pool *pool CLEANUP_POOL = pool_new();
    struct value *config CLEANUP_VALUE = NULL;
    const struct fieldset *fields;
    int r = fieldset_of(pool, scale_kind()->type, u->body, &fields, err);

    if (r < 0 || (r = scale_check(req, u->body, err)) < 0)
        return r;
    config = value_new_object();
    value_set(config, "apiVersion", value_copy(value_get(current, "apiVersion")));
    value_set(config, "kind", value_copy(value_get(current, "kind")));
    if (value_get(u->body, "metadata"))
        value_set(config, "metadata", value_copy(value_get(u->body, "metadata")));
    if (replicas)
        scale_set(config, req->kind->scale->spec_replicas, value_int(replicas));
    return manage_apply(req, u, config, current, ret_object, err);
}

static int scale_make_patch(struct request *req, struct update *u, const struct value *current,
                            struct value **ret_object, struct error *err)
{
    struct value *scale CLEANUP_VALUE = NULL;
    struct value *patched CLEANUP_VALUE = NULL;
    int r;

    if (u->applies)
        return scale_make_apply(req, u, current, ret_object, err);
    scale = scale_of(req->kind, current, u->managers);
    r = update_patch(req, u, scale_kind(), scale, SLICE_NONE, &patched, err);
    return r < 0 ? r : scale_apply(req, patched, current, ret_object, err);
}

static struct update *scale_begin(struct request *req)
{
    struct update *u = pool_alloc(req->pool, sizeof(*u));

    u->subresource = "scale";
    u->name = req->info.name;
    u->keeps_parts = true;
    u->answer = scale_answer;
    return u;
}

void scale_update(struct request *req)
{
    struct update *u = scale_begin(req);
    ERROR_LOCAL(err);

    u->make = scale_make_put;
    if (negotiate_media(req, false, &err) < 0 || request_write_options(req, "UpdateOptions", &err) < 0 ||
        !(u->body = request_own_value(req, request_decode_body(req, scale_kind(), &err))) ||
        meta_check_identity(req, u->body, &err) < 0)
        reply_error(req, &err);
    else
        update_start(req, u);
}

void scale_patch(struct request *req)
{
    struct update *u = scale_begin(req);
    ERROR_LOCAL(err);

    u->make = scale_make_patch;
    if (negotiate_media(req, false, &err) < 0 || update_take_patch(req, u, scale_kind(), &err) < 0)
        reply_error(req, &err);
    else
        update_start(req, u);
}
