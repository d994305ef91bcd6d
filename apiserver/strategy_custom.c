/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Definitions of custom resources say themselves whether they are served: their conditions and accepted names are
 * written with the definition, so that a kind is there when its creation is answered.
 *
 *     created --names free--> Established --deleted--> Terminating: held by a finalizer until its objects are gone
 *        `-- names taken: NamesAccepted is False, nothing is served, until a write finds them free
 *            (controllers/custom_finalizer.c writes when the one that had them is gone)
 *
 * Once established it stays so, with the names that were accepted, whatever an update asks for.
 */
#include "apiserver/strategy.h"

#include "apiserver/customs.h"
#include "apiserver/meta.h"
#include "apiserver/registry.h"

#define CUSTOM_FINALIZER "customresourcecleanup.apiextensions.k8s.io"

static size_t custom_condition_place(const struct value *conditions, const char *type)
{
    size_t i = 0;

    while (i < value_count(conditions) && !slice_is(value_string(value_get(value_at(conditions, i), "type")), type))
        i++;
    return i;
}

/* Sets a condition; its time is that of the last change of its status. */
static void custom_set_condition(struct request *req, struct value *object, const char *type, bool holds,
                                 const char *reason, const char *message)
{
    struct value *conditions = value_need_array(value_need_object(object, "status"), "conditions");
    struct value *c = value_at(conditions, custom_condition_place(conditions, type));
    const char *status = holds ? "True" : "False";

    if (!c) {
        c = value_new_object();
        value_set_str(c, "type", type);
        value_append(conditions, c);
    }
    if (!slice_is(value_string(value_get(c, "status")), status)) {
        value_set_str(c, "status", status);
        value_set_str(c, "lastTransitionTime", request_now(req));
    }
    value_set_str(c, "reason", reason);
    value_set_str(c, "message", message);
}

/* Versions in which objects may be stored: those that were, and the one that is now. */
static void custom_note_storage(struct value *object)
{
    const struct value *versions = value_path(object, "spec", "versions", NULL);
    struct value *stored = value_need_array(value_need_object(object, "status"), "storedVersions");

    for (size_t i = 0; i < value_count(versions); i++) {
        const struct value *name = value_get(value_at(versions, i), "name");
        bool known = false;

        if (!value_bool(value_get(value_at(versions, i), "storage")) || !name)
            continue;
        for (size_t k = 0; k < value_count(stored); k++)
            known = known || value_equal(value_at(stored, k), name);
        if (!known)
            value_append(stored, value_copy(name));
        return; /* a second one is refused */
    }
}

/* Each name for itself: those that are free count at once. */
static void custom_accept_names(struct request *req, struct value *object)
{
    const char *message = "no conflicts found";
    struct value *names = value_new_object();
    const char *conflict = customs_accept(req, object, names, &message);

    value_set(value_need_object(object, "status"), "acceptedNames", names);
    custom_set_condition(req, object, "NamesAccepted", !conflict, conflict ? conflict : "NoConflicts", message);
    if (custom_is_established(object))
        return;
    custom_set_condition(req, object, "Established", !conflict, conflict ? "NotAccepted" : "InitialNamesAccepted",
                         conflict ? "not all names are accepted" : "the initial names have been accepted");
}

void custom_prepare_create(struct request *req, struct value *object)
{
    value_set(object, "status", value_new_object());
    default_apply(req->kind, object);
    custom_note_storage(object);
}

/* What the server says of a definition is not for clients to say, who come for `storedVersions` (when their objects
 * were written anew) and conditions of their own. */
static void custom_keep_status(struct value *object, const struct value *old)
{
    static const char *const own[] = {"NamesAccepted", "Established", "Terminating"};
    struct value *status = value_need_object(object, "status");
    struct value *conditions = value_need_array(status, "conditions");
    const struct value *names = value_path(old, "status", "acceptedNames", NULL);

    if (names)
        value_set(status, "acceptedNames", value_copy(names));
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        const struct value *was = value_path(old, "status", "conditions", NULL);
        const struct value *before = value_at(was, custom_condition_place(was, own[i]));
        size_t at = custom_condition_place(conditions, own[i]);

        if (before && at < value_count(conditions))
            value_replace_at(conditions, at, value_copy(before));
        else if (before)
            value_append(conditions, value_copy(before));
        else if (at < value_count(conditions))
            value_remove_at(conditions, at);
    }
}

static bool custom_is_held(const struct value *object)
{
    const struct value *finalizers = value_path(object, "metadata", "finalizers", NULL);

    for (size_t i = 0; i < value_count(finalizers); i++)
        if (slice_is(value_string(value_at(finalizers, i)), CUSTOM_FINALIZER))
            return true;
    return false;
}

static int custom_count(void *arg, const struct store_item *item)
{
    ++*(size_t *)arg;
    return 0;
}

/* The cluster's own parts let it go when they see no objects any more; but the last one made may not have come to them
 * yet, and would be left behind. Others may let go of it as they like, as upstream. */
static int custom_check_empty(struct request *req, const struct value *old, struct error *err)
{
    const char *name = meta_name(old);
    struct store_range range = {.prefix = registry_prefix_of(req->pool, name, ""), .limit = 1, .skip_count = true};
    struct store_range_result result;
    size_t count = 0;

    if (!req->http->peer->local_user)
        return 0;
    range.prefix.len--; /* it has no namespace */
    if (store_list(req->server->store, &range, custom_count, &count, &result, err) < 0)
        return -(int)err->code;
    return count ? status_conflict(err, req->kind, slice_str(name), "there are objects of it") : 0;
}

int custom_prepare_update(struct request *req, struct value *object, const struct value *old, const char *sub,
                          struct error *err)
{
    int r;

    if (!strcmp(sub, "status")) {
        custom_keep_status(object, old);
        return 0;
    }
    if (custom_is_held(old) && !custom_is_held(object) && (r = custom_check_empty(req, old, err)) < 0)
        return r;
    default_apply(req->kind, object);
    custom_note_storage(object);
    return 0;
}

/* Which names are free is asked in turn: two that are made at once must not both find them so. */
int custom_allocate(struct write *w, struct value *object, const struct value *old, struct error *err)
{
    struct request *req = w->req;
    const struct value *names = value_path(object, "spec", "names", NULL);
    const char *group = value_str(value_path(object, "spec", "group", NULL));

    (void)err;
    if (!object ||
        (old && (meta_is_deleting(old) || (value_equal(names, value_path(object, "status", "acceptedNames", NULL)) &&
                                           custom_is_established(old)))))
        return 0;
    if (!req->dry_run && !write_take_turn(w, pool_printf(w->pool, "names of %s", group ? group : "")))
        return WRITE_WAIT;
    custom_accept_names(req, object);
    return 0;
}

void custom_prepare_delete(struct request *req, struct value *object)
{
    meta_add_finalizer(object, CUSTOM_FINALIZER);
    custom_set_condition(req, object, "Terminating", true, "InstanceDeletionPending",
                         "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon");
}
