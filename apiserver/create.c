/* SPDX-License-Identifier: Apache-2.0 */
/* POST to a collection. */
#include "api/object.h"
#include "api/scan.h"
#include "api/validate.h"
#include "apiserver/admission.h"
#include "apiserver/create.h"
#include "apiserver/manage.h"
#include "apiserver/meta.h"
#include "apiserver/registry.h"
#include "apiserver/strategy.h"

struct create {
    struct value *body; /* decoded; the first attempt takes it, another one decodes again */
};

static int create_look(void *is_deleting, const struct store_item *item)
{
    *(bool *)is_deleting = scan_get(item->value, "metadata.deletionTimestamp").data != NULL;
    return 0;
}

/* Whether the place is free. `again`: when somebody takes it meanwhile, the next attempt does better: it draws another
 * name, or applies to what is there then. */
static int create_check_free(struct write *w, struct slice key, bool again, struct error *err)
{
    const struct request *req = w->req;
    bool is_deleting = false;
    int r;

    if (key.len > STORE_KEY_MAX)
        return error_set(err, ERROR_BAD_REQUEST, "the name is too long");
    if (store_get(req->server->store, key, create_look, &is_deleting, NULL, NULL) < 0 || (again && w->attempts < 8))
        return 0;
    r = status_already_exists(err, req->shown, slice_str(req->object_name));
    if (is_deleting)
        return error_wrap(err, "object is being deleted");
    return r;
}

/* Completes and checks the object; everything but storing it. `managers` NULL: they are still to be found out, and go
 * to `ret_managers`. May be WRITE_WAIT. */
static int create_prepare(struct write *w, struct value *object, const struct buf *managers, struct buf *ret_managers,
                          struct slice *ret_key, struct error *err)
{
    struct request *req = w->req;
    struct value *said CLEANUP_VALUE = value_take(value_get(object, "metadata"), "managedFields");
    struct admission admission = {
        .req = req, .write = w, .operation = ADMISSION_CREATE, .subresource = "", .object = object};
    bool generated = false;
    int r = meta_prepare_create(req, object, &generated, err);

    if (r < 0)
        return r;
    req->object_name = pool_strdup(req->pool, meta_name(object));
    if (req->kind->has_status && !(req->strategy->flags & STRATEGY_KEEPS_STATUS))
        codec_reset_field(req->kind, object, "status");
    default_apply(req->kind, object);
    if (!managers)
        manage_create(req, object, said, ret_managers);
    admission.namespace_ = pool_strdup(req->pool, meta_namespace(object));
    admission.name = req->object_name;
    if ((r = admission_mutate(&admission, err)) != 0)
        return r;
    if (req->strategy->prepare_create)
        req->strategy->prepare_create(req, object);
    if ((r = validate_object(req->kind, object, NULL, "", err)) < 0 ||
        (req->shown != req->kind && (r = validate_version(req->shown, object, err)) < 0))
        return r;
    *ret_key = registry_key(w->pool, req->kind, meta_namespace(object), meta_name(object));
    if ((r = create_check_free(w, *ret_key, generated || managers, err)) < 0 ||
        (r = admission_validate(&admission, err)) != 0)
        return r;
    if (req->strategy->allocate && (r = req->strategy->allocate(w, object, NULL, err)) != 0)
        return r;
    return 0;
}

int create_plan_object(struct write *w, struct value *object, const struct buf *managers, struct error *err)
{
    struct request *req = w->req;
    struct slice key;
    BUF_LOCAL(header);
    BUF_LOCAL(made);
    int r = create_prepare(w, object, managers, &made, &key, err);

    if (r != 0)
        return r;
    object_encode(req->kind, object, buf_slice(managers ? managers : &made), &w->value, &header);
    if (w->value.len + header.len > STORE_VALUE_MAX)
        return error_set(err, ERROR_TOO_LARGE, "the object is too large to be stored");
    w->revision = 0;
    if (req->dry_run)
        return WRITE_NOTHING;
    if (!write_require(w, key, 0) ||
        !write_put(w, key, slice_make(pool_slice_dup(w->pool, buf_slice(&header)), header.len), buf_slice(&w->value)))
        return error_set(err, ERROR_INTERNAL, "too many conditions in one write");
    return WRITE_COMMIT;
}

static int create_plan(struct write *w, struct error *err)
{
    struct create *c = w->arg;
    struct value *object CLEANUP_VALUE = c->body ? STEAL(c->body) : request_decode_again(w->req, w->req->kind, err);

    return object ? create_plan_object(w, object, NULL, err) : -(int)err->code;
}

static void create_done(struct write *w)
{
    reply_object(w->req, 201, buf_slice(&w->value), w->revision);
}

static const struct write_ops create_ops = {create_plan, create_done, NULL};

void verb_create(struct request *req)
{
    struct create *c = pool_alloc(req->pool, sizeof(*c));
    ERROR_LOCAL(err);

    if (negotiate_media(req, false, &err) < 0 || request_write_options(req, "CreateOptions", &err) < 0 ||
        !(c->body = request_decode_body(req, req->kind, &err))) {
        reply_error(req, &err);
        return;
    }
    write_start(req, &create_ops, c);
}
