/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/update.h"

#include "api/object.h"
#include "api/places.h"
#include "api/validate.h"
#include "api/version.h"
#include "apiserver/admission.h"
#include "apiserver/authz.h"
#include "apiserver/create.h"
#include "apiserver/manage.h"
#include "apiserver/meta.h"
#include "apiserver/registry.h"
#include "apiserver/strategy.h"

const char *update_writes(const struct request *req, const struct update *u)
{
    return req->sub && !strcmp(req->sub->name, u->subresource) ? req->sub->writes : NULL;
}

/* All but what is at `places` is as it was. */
static void update_only(struct value *object, const struct value *old, const char *places)
{
    struct value *outcome CLEANUP_VALUE = value_copy(old);
    struct value_iter it = value_iter_start(object);
    struct slice member;
    struct value *v;

    places_take(outcome, object, places);
    while (value_iter_next(&it, &member, &v))
        if (!value_get_slice(outcome, member))
            value_iter_remove(&it);
    it = value_iter_start(outcome);
    while (value_iter_next(&it, &member, &v))
        value_set_slice(object, member, value_copy(v));
}

/* What a status write leaves alone of the metadata too, as upstream's strategies: all of it, or one member. It is so of
 * all kinds that users define. */
static const struct {
    const char *group;
    const char *plural;
    const char *member; /* NULL = all */
} update_kept[] = {
    {"", "pods", "ownerReferences"},
    {"apiextensions.k8s.io", "customresourcedefinitions", NULL},
    {"apiregistration.k8s.io", "apiservices", NULL},
    {"apps", "deployments", "labels"},
    {"flowcontrol.apiserver.k8s.io", "flowschemas", NULL},
    {"flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", NULL},
    {"resource.k8s.io", "resourceclaims", NULL},
};

static void update_keep_member(struct value *object, const struct value *old, const char *name)
{
    const struct value *was = value_get(old, name);

    if (was)
        value_set(object, name, value_copy(was));
    else
        (void)value_remove(object, name);
}

static void update_keep_metadata(const struct request *req, struct value *object, const struct value *old)
{
    const struct schema_kind *kind = req->kind;

    if (kind->custom)
        update_keep_member(object, old, "metadata");
    for (size_t i = 0; i < ARRAY_SIZE(update_kept); i++) {
        if (strcmp(update_kept[i].group, kind->group) != 0 || strcmp(update_kept[i].plural, kind->plural) != 0)
            continue;
        if (update_kept[i].member)
            update_keep_member(value_get(object, "metadata"), value_get(old, "metadata"), update_kept[i].member);
        else
            update_keep_member(object, old, "metadata");
    }
}

/* Main writes leave the status alone, status writes leave all but metadata and status alone. */
static void update_split(const struct request *req, const struct update *u, struct value *object,
                         const struct value *old)
{
    struct value_iter it;
    struct slice name;
    struct value *v;

    if (u->keeps_parts || !req->kind->has_status)
        return;
    if (update_writes(req, u)) {
        update_only(object, old, update_writes(req, u));
        return;
    }
    if (!*u->subresource) {
        update_keep_member(object, old, "status");
        return;
    }
    update_keep_metadata(req, object, old);
    it = value_iter_start(old);
    while (value_iter_next(&it, &name, &v))
        if (!slice_is(name, "status") && !slice_is(name, "metadata"))
            value_set_slice(object, name, value_copy(v));
}

/* Deletion waits only for what holds the object; when the last of it is let go, the write is the deletion. */
static bool update_finishes_deletion(const struct request *req, const struct value *object)
{
    if (!meta_is_deleting(object) || meta_finalizer_count(object))
        return false;
    if ((req->strategy->flags & STRATEGY_SPEC_FINALIZERS) &&
        value_count(value_path(object, "spec", "finalizers", NULL)))
        return false;
    if (req->strategy->flags & STRATEGY_GRACEFUL)
        return value_int(value_path(object, "metadata", "deletionGracePeriodSeconds", NULL)) == 0;
    return true;
}

static int update_no_new_finalizers(const struct request *req, const struct value *object, const struct value *old,
                                    struct error *err)
{
    const char *finalizer = meta_is_deleting(old)
                                ? validate_new_finalizer(value_path(object, "metadata", "finalizers", NULL),
                                                         value_path(old, "metadata", "finalizers", NULL))
                                : NULL;

    if (!finalizer)
        return 0;
    (void)error_set(err, ERROR_INVALID,
                    "%s%s%s \"%s\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if "
                    "the object is being deleted, found new finalizers []string{\"%s\"}",
                    req->kind->kind, *req->kind->group ? "." : "", req->kind->group, meta_name(old), finalizer);
    error_add_cause(err, "FieldValueForbidden", "metadata.finalizers",
                    "Forbidden: no new finalizers can be added if the object is being deleted, found new "
                    "finalizers []string{\"%s\"}",
                    finalizer);
    return -(int)ERROR_INVALID;
}

/* May be WRITE_WAIT. */
static int update_prepare(struct write *w, struct value *object, const struct value *old, uint64_t revision,
                          struct error *err)
{
    struct request *req = w->req;
    const struct update *u = w->arg;
    struct value *said CLEANUP_VALUE = value_take(value_get(object, "metadata"), "managedFields");
    struct admission admission = {.req = req,
                                  .write = w,
                                  .operation = ADMISSION_UPDATE,
                                  .namespace_ = req->info.namespace_,
                                  .name = u->name,
                                  .subresource = u->subresource,
                                  .object = object,
                                  .old = old};
    int r;

    if ((r = meta_prepare_update(req, object, old, revision, err)) < 0)
        return r;
    update_split(req, u, object, old);
    if (req->strategy->prepare_update && (r = req->strategy->prepare_update(req, object, old, u->subresource, err)) < 0)
        return r;
    default_apply(req->kind, object);
    if (!u->applies)
        manage_update(req, u, object, old, said);
    if ((r = admission_mutate(&admission, err)) != 0 || (r = update_no_new_finalizers(req, object, old, err)) < 0 ||
        (r = validate_object(req->kind, object, old, u->subresource, err)) < 0)
        return r;
    admission.ends = update_finishes_deletion(req, object);
    if ((r = admission_validate(&admission, err)) != 0)
        return r;
    if (req->strategy->allocate && !*u->subresource && (r = req->strategy->allocate(w, object, old, err)) != 0)
        return r;
    /* A status is not what somebody wants. */
    if (!*u->subresource || !strcmp(u->subresource, "scale") || update_writes(req, u))
        meta_set_generation(req, object, old);
    return 0;
}

/* Leaves what is to be done in the plan. `old` is without resourceVersion here. */
static int update_decide(struct write *w, struct value *object, const struct value *old,
                         const struct registry_item *item, struct error *err)
{
    struct request *req = w->req;
    const struct update *u = w->arg;
    struct slice key = registry_key(w->pool, req->kind, req->info.namespace_, u->name);
    BUF_LOCAL(header);

    if (!u->reads_anew && slice_equal(buf_slice(u->list), u->managers) && value_equal(object, old) &&
        !update_finishes_deletion(req, object)) {
        buf_append_slice(&w->value, buf_slice(&item->value));
        w->revision = item->revision;
        return WRITE_NOTHING;
    }
    object_encode(req->kind, object, buf_slice(u->list), &w->value, &header);
    if (w->value.len + header.len > STORE_VALUE_MAX)
        return error_set(err, ERROR_TOO_LARGE, "the object is too large to be stored");
    w->revision = item->revision;
    if (req->dry_run)
        return WRITE_NOTHING;
    w->deleted = update_finishes_deletion(req, object);
    w->ends = meta_is_deleting(object);
    if (!write_require(w, key, item->revision))
        return error_set(err, ERROR_INTERNAL, "too many conditions in one write");
    if (w->deleted) {
        if (req->strategy->allocate && req->strategy->allocate(w, NULL, old, err) < 0)
            return -(int)ERROR_INTERNAL;
        (void)write_delete(w, key);
    } else {
        (void)write_put(w, key, slice_make(pool_slice_dup(w->pool, buf_slice(&header)), header.len),
                        buf_slice(&w->value));
    }
    return WRITE_COMMIT;
}

/* Nothing there: some kinds are made by it. Who names a revision wants to change what was there, and did not find it.
 */
static bool update_may_create(const struct request *req, const struct update *u)
{
    if (u->applies)
        return !*u->subresource;
    return u->body && u->make == update_make_put && !*u->subresource && (req->strategy->flags & STRATEGY_MADE_BY_PUT) &&
           !value_string(value_path(u->body, "metadata", "resourceVersion", NULL)).len;
}

static int update_create(struct write *w, struct update *u, struct error *err)
{
    struct value *object CLEANUP_VALUE = NULL;
    int r = authz_authorize_as(w->req, "create", err);

    if (r < 0)
        return r;
    error_clear(err); /* it was "not found" */
    u->created = true;
    if (!u->applies) {
        object = STEAL(u->put);
        return create_plan_object(w, object, NULL, err);
    }
    if ((r = manage_check_new(w->req, u->body, err)) < 0 ||
        (r = manage_apply(w->req, u, u->body, NULL, &object, err)) < 0)
        return r;
    /* As upstream, which asks nothing of the revision of what is not there. */
    (void)value_remove(value_get(object, "metadata"), "resourceVersion");
    return create_plan_object(w, object, u->list, err);
}

/* An attempt before may have taken it. */
static int update_need_put(struct request *req, struct update *u, struct error *err)
{
    if (u->make != update_make_put || u->put)
        return 0;
    u->put = request_decode_again(req, req->kind, err);
    u->body = u->put;
    return u->put ? 0 : -(int)err->code;
}

/* What is stored, as its definition has it now. A write then stores it so, even one that says nothing new. */
static void update_read(const struct request *req, struct update *u, struct value *old)
{
    struct value *stored CLEANUP_VALUE = req->kind->type->read_by ? value_copy(old) : NULL;

    u->reads_anew = false;
    if (!stored)
        return;
    version_read(req->kind, old);
    u->reads_anew = !value_equal(stored, old);
}

static int update_plan(struct write *w, struct error *err)
{
    struct update *u = w->arg;
    struct request *req = w->req;
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    struct value *old CLEANUP_VALUE = NULL;
    struct value *object CLEANUP_VALUE = NULL;
    BUF_LOCAL(list);
    int r;

    u->created = false;
    u->managers = SLICE_NONE;
    u->list = &list;
    if ((r = update_need_put(req, u, err)) < 0)
        return r;
    r = registry_get(req->server->store, req->shown, req->info.namespace_, u->name, &item, err);
    if (r == -(int)ERROR_NOT_FOUND && update_may_create(req, u))
        return update_create(w, u, err);
    if (r == -(int)ERROR_NOT_FOUND && u->body && !u->applies && *meta_uid(u->body)) {
        /* Not "not found": who names a uid asks for that object, which somebody else's would not be either. */
        char *why CLEANUP_FREE =
            mem_printf("Precondition failed: UID in precondition: %s, UID in object meta: ", meta_uid(u->body));

        error_clear(err);
        return status_conflict(err, req->kind, slice_str(u->name), why);
    }
    if (r < 0)
        return r;
    old = object_decode_apart(buf_slice(&item.value), item.revision, &u->managers, err);
    if (!old)
        return -(int)ERROR_CORRUPT;
    update_read(req, u, old);
    req->object_name = u->name;
    if ((r = u->make(req, u, old, &object, err)) < 0)
        return r;
    (void)value_remove(value_get(old, "metadata"), "resourceVersion");
    if ((r = update_prepare(w, object, old, item.revision, err)) != 0)
        return r;
    return update_decide(w, object, old, &item, err);
}

static void update_done(struct write *w)
{
    struct update *u = w->arg;

    if (u->answer)
        u->answer(w->req, u, buf_slice(&w->value), w->revision);
    else
        reply_object(w->req, u->created ? 201 : 200, buf_slice(&w->value), w->revision);
}

static const struct write_ops update_ops = {update_plan, update_done, NULL};

void update_start(struct request *req, struct update *u)
{
    write_start(req, &update_ops, u);
}

int update_make_put(struct request *req, struct update *u, const struct value *current, struct value **ret_object,
                    struct error *err)
{
    u->body = NULL;
    *ret_object = STEAL(u->put);
    return 0;
}

/* Objects that users define change only for who says which state he has seen; as upstream. */
static int update_check_revision(struct request *req, const struct value *object, struct error *err)
{
    struct status_details *details;

    if (!req->kind->custom || value_string(value_path(object, "metadata", "resourceVersion", NULL)).len)
        return 0;
    details = pool_alloc(req->pool, sizeof(*details));
    *details = (struct status_details){req->info.name, req->kind->group, req->kind->plural, NULL};
    req->error_details = details;
    (void)error_set(err, ERROR_INVALID,
                    "%s.%s \"%s\" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an "
                    "update",
                    req->kind->plural, req->kind->group, req->info.name);
    error_add_cause(err, "FieldValueInvalid", "metadata.resourceVersion",
                    "Invalid value: 0x0: must be specified for an update");
    return -(int)ERROR_INVALID;
}

static void update_free_put(void *arg)
{
    struct update *u = arg;

    value_free(u->put);
}

void verb_update(struct request *req)
{
    struct update *u = pool_alloc(req->pool, sizeof(*u));
    ERROR_LOCAL(err);

    u->subresource = req->info.subresource;
    u->name = req->info.name;
    u->make = update_make_put;
    pool_on_free(req->pool, update_free_put, u);
    if (negotiate_media(req, false, &err) < 0 || request_write_options(req, "UpdateOptions", &err) < 0 ||
        !(u->body = u->put = request_decode_body(req, req->kind, &err)) ||
        meta_check_identity(req, u->body, &err) < 0 || update_check_revision(req, u->body, &err) < 0) {
        reply_error(req, &err);
        return;
    }
    /* These two write what neither a main nor a status write does; their strategies say what counts. */
    u->keeps_parts = !strcmp(u->subresource, "finalize") || !strcmp(u->subresource, "approval");
    update_start(req, u);
}
