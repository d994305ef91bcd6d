/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/meta.h"

#include "apiserver/strategy.h"
#include "lib/random.h"

#define META_NAME_MAX   63 /* of a generated name, as upstream */
#define META_SUFFIX_LEN 5

static const char *meta_text(const struct value *object, const char *name)
{
    const char *text = value_str(value_path(object, "metadata", name, NULL));

    return text ? text : "";
}

const char *meta_name(const struct value *object)
{
    return meta_text(object, "name");
}

const char *meta_namespace(const struct value *object)
{
    return meta_text(object, "namespace");
}

const char *meta_uid(const struct value *object)
{
    return meta_text(object, "uid");
}

bool meta_is_deleting(const struct value *object)
{
    return *meta_text(object, "deletionTimestamp");
}

size_t meta_finalizer_count(const struct value *object)
{
    return value_count(value_path(object, "metadata", "finalizers", NULL));
}

static ptrdiff_t meta_find_finalizer(const struct value *list, const char *finalizer)
{
    for (size_t i = 0; i < value_count(list); i++)
        if (slice_is(value_string(value_at(list, i)), finalizer))
            return (ptrdiff_t)i;
    return -1;
}

static bool meta_has_finalizer(const struct value *object, const char *finalizer)
{
    return meta_find_finalizer(value_path(object, "metadata", "finalizers", NULL), finalizer) >= 0;
}

void meta_add_finalizer(struct value *object, const char *finalizer)
{
    if (!meta_has_finalizer(object, finalizer))
        value_append(value_need_array(value_need_object(object, "metadata"), "finalizers"), value_new_str(finalizer));
}

void meta_remove_finalizer(struct value *object, const char *finalizer)
{
    struct value *metadata = value_need_object(object, "metadata");
    struct value *list = value_get(metadata, "finalizers");
    ptrdiff_t at;

    while ((at = meta_find_finalizer(list, finalizer)) >= 0)
        value_remove_at(list, (size_t)at);
    if (list && !value_count(list))
        (void)value_remove(metadata, "finalizers");
}

static int meta_check_namespace(const struct request *req, struct value *metadata, struct error *err)
{
    const char *own = value_str(value_get(metadata, "namespace"));
    const char *asked = req->info.namespace_;

    if (!req->kind->namespaced) {
        (void)value_remove(metadata, "namespace");
        return 0;
    }
    if (!*asked)
        return error_set(err, ERROR_BAD_REQUEST, "an empty namespace may not be set during creation");
    if (own && *own && strcmp(own, asked) != 0)
        return error_set(err, ERROR_BAD_REQUEST,
                         "the namespace of the provided object does not match the namespace sent on the request");
    value_set_str(metadata, "namespace", asked);
    return 0;
}

static bool meta_generate_name(struct value *metadata)
{
    struct slice name = value_string(value_get(metadata, "name"));
    struct slice base = value_string(value_get(metadata, "generateName"));
    char suffix[META_SUFFIX_LEN + 1];

    if (name.len || !base.len)
        return false;
    if (base.len > META_NAME_MAX - META_SUFFIX_LEN)
        base.len = META_NAME_MAX - META_SUFFIX_LEN;
    random_suffix(suffix, META_SUFFIX_LEN);
    char *made CLEANUP_FREE = mem_printf("%.*s%s", SLICE_ARGS(base), suffix);
    value_set_str(metadata, "name", made);
    return true;
}

int meta_prepare_create(struct request *req, struct value *object, bool *ret_generated, struct error *err)
{
    static const char *const servers[] = {"deletionTimestamp", "deletionGracePeriodSeconds",
                                          "selfLink",          "generation",
                                          "managedFields",     "resourceVersion"};
    struct value *metadata = value_need_object(object, "metadata");
    const char *revision = value_str(value_get(metadata, "resourceVersion"));
    char uid[37];

    if (meta_check_namespace(req, metadata, err) < 0)
        return -(int)ERROR_BAD_REQUEST;
    if (revision && *revision && strcmp(revision, "0") != 0)
        return error_set(err, ERROR_BAD_REQUEST, "resourceVersion should not be set on objects to be created");
    for (size_t i = 0; i < ARRAY_SIZE(servers); i++)
        (void)value_remove(metadata, servers[i]);
    *ret_generated = meta_generate_name(metadata);
    random_uuid(uid);
    value_set_str(metadata, "uid", uid);
    value_set_str(metadata, "creationTimestamp", request_now(req));
    if (req->kind->generation)
        value_set(metadata, "generation", value_new_int(1));
    return 0;
}

/* A PUT that names another uid means another object; a patch tries to change it. */
static int meta_check_uid(const struct request *req, const char *uid, const struct value *old, struct error *err)
{
    char *why CLEANUP_FREE = NULL;

    if (!*uid || !strcmp(uid, meta_uid(old)))
        return 0;
    if (req->info.verb == REQUEST_PATCH && !*req->info.subresource) {
        (void)error_set(err, ERROR_INVALID,
                        "%s%s%s \"%s\" is invalid: metadata.uid: Invalid value: \"%s\": field is immutable",
                        req->kind->kind, *req->kind->group ? "." : "", req->kind->group, req->info.name, uid);
        error_add_cause(err, "FieldValueInvalid", "metadata.uid", "Invalid value: \"%s\": field is immutable", uid);
        return -(int)ERROR_INVALID;
    }
    why = mem_printf("Precondition failed: UID in precondition: %s, UID in object meta: %s", uid, meta_uid(old));
    return status_conflict(err, req->shown, slice_str(req->info.name), why);
}

int meta_check_identity(const struct request *req, const struct value *object, struct error *err)
{
    const char *name = meta_name(object);
    const char *own = meta_namespace(object);

    if (!*name)
        return error_set(err, ERROR_BAD_REQUEST,
                         "the name of the object (%s based on URL) was undeterminable: name must be provided",
                         req->info.name);
    if (strcmp(name, req->info.name) != 0)
        return error_set(err, ERROR_BAD_REQUEST, "the name of the object (%s) does not match the name on the URL (%s)",
                         name, req->info.name);
    if (req->kind->namespaced && *own && strcmp(own, req->info.namespace_) != 0)
        return error_set(err, ERROR_BAD_REQUEST,
                         "the namespace of the object (%s) does not match the namespace on the request (%s)", own,
                         req->info.namespace_);
    return 0;
}

int meta_prepare_update(struct request *req, struct value *object, const struct value *old, uint64_t revision,
                        struct error *err)
{
    static const char *const servers[] = {"uid",        "creationTimestamp",          "deletionTimestamp",
                                          "generation", "deletionGracePeriodSeconds", "generateName",
                                          "namespace"};
    static const char *const dropped[] = {"selfLink", "managedFields", "resourceVersion"};
    struct value *metadata = value_need_object(object, "metadata");
    struct slice said = value_string(value_get(metadata, "resourceVersion"));
    uint64_t number = 0;
    int r;

    if (meta_check_identity(req, object, err) < 0)
        return -(int)ERROR_BAD_REQUEST;
    if (said.len && !slice_to_uint64(said, &number))
        return error_set(err, ERROR_BAD_REQUEST, "invalid resource version \"%.*s\"", SLICE_ARGS(said));
    if (number && number != revision)
        return status_conflict(err, req->shown, slice_str(req->info.name),
                               "the object has been modified; please apply your changes to the latest version and try "
                               "again");
    if ((r = meta_check_uid(req, meta_uid(object), old, err)) < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(servers); i++) {
        const struct value *was = value_path(old, "metadata", servers[i], NULL);

        if (was)
            value_set(metadata, servers[i], value_copy(was));
        else
            (void)value_remove(metadata, servers[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(dropped); i++)
        (void)value_remove(metadata, dropped[i]);
    return 0;
}

/* Whether all members but the usual ones are equal, seen from one side. */
static bool meta_spec_equal(const struct value *a, const struct value *b)
{
    struct value_iter it = value_iter_start(a);
    struct slice name;
    struct value *v;

    while (value_iter_next(&it, &name, &v)) {
        if (slice_is(name, "metadata") || slice_is(name, "status") || slice_is(name, "apiVersion") ||
            slice_is(name, "kind"))
            continue;
        if (!value_equal(v, value_get_slice(b, name)))
            return false;
    }
    return true;
}

void meta_set_generation(const struct request *req, struct value *object, const struct value *old)
{
    struct value *metadata = value_need_object(object, "metadata");
    bool same = meta_spec_equal(object, old) && meta_spec_equal(old, object);

    if (!req->kind->generation)
        return;
    if (same && (req->strategy->flags & STRATEGY_ANNOTATIONS_COUNT))
        same = value_equal(value_get(metadata, "annotations"), value_path(old, "metadata", "annotations", NULL));
    if (!same)
        value_set(metadata, "generation",
                  value_new_int(value_int(value_path(old, "metadata", "generation", NULL)) + 1));
}
