/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DELETE of one object. Either it goes at once, or it is marked (deletionTimestamp) and somebody else finishes: the
 * node when the grace period is over, a controller when its finalizer's work is done.
 */
#include "apiserver/delete.h"

#include <stdio.h>

#include "api/object.h"
#include "api/scan.h"
#include "apiserver/admission.h"
#include "apiserver/meta.h"
#include "apiserver/registry.h"
#include "apiserver/strategy.h"

#define DELETE_GRACE_DEFAULT 30

static const struct {
    const char *name;
    enum delete_propagation propagation;
} delete_policies[] = {{"Background", DELETE_BACKGROUND}, {"Foreground", DELETE_FOREGROUND}, {"Orphan", DELETE_ORPHAN}};

static int delete_set_policy(struct request *req, const char *policy, struct delete_options *o, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(delete_policies); i++)
        if (!strcmp(delete_policies[i].name, policy)) {
            o->propagation = delete_policies[i].propagation;
            return 0;
        }
    return request_invalid_option(req, "DeleteOptions", "FieldValueNotSupported", "propagationPolicy", err,
                                  "Unsupported value: \"%s\": supported values: \"Foreground\", \"Background\", "
                                  "\"Orphan\", \"nil\"",
                                  policy);
}

static int delete_refuse_both(struct request *req, const char *policy, struct error *err)
{
    return request_invalid_option(req, "DeleteOptions", "FieldValueInvalid", "propagationPolicy", err,
                                  "Invalid value: \"%s\": orphanDependents and deletionPropagation cannot be both set",
                                  policy);
}

int delete_take_options(struct request *req, const struct value *v, struct delete_options *o, struct error *err)
{
    const struct value *grace = value_get(v, "gracePeriodSeconds");
    const struct value *orphan = value_get(v, "orphanDependents");
    const struct value *policy = value_get(v, "propagationPolicy");
    const struct value *dry_run = value_get(v, "dryRun");
    const char *uid = value_str(value_path(v, "preconditions", "uid", NULL));
    const char *revision = value_str(value_path(v, "preconditions", "resourceVersion", NULL));

    if (value_is(grace, VALUE_INT)) {
        o->has_grace = true;
        o->grace_seconds = value_int(grace);
    }
    if (value_is(orphan, VALUE_BOOL) && value_is(policy, VALUE_STRING))
        return delete_refuse_both(req, value_str(policy), err);
    if (value_is(orphan, VALUE_BOOL))
        o->propagation = value_bool(orphan) ? DELETE_ORPHAN : DELETE_BACKGROUND;
    if (value_is(policy, VALUE_STRING) && delete_set_policy(req, value_str(policy), o, err) < 0)
        return -(int)ERROR_INVALID;
    for (size_t i = 0; i < value_count(dry_run); i++) {
        if (!slice_is(value_string(value_at(dry_run, i)), "All"))
            return request_invalid_option(req, "DeleteOptions", "FieldValueNotSupported", "dryRun", err,
                                          "Unsupported value: [\"%.*s\"]: supported values: \"All\"",
                                          SLICE_ARGS(value_string(value_at(dry_run, i))));
        req->dry_run = true;
    }
    o->uid = uid ? pool_strdup(req->pool, uid) : o->uid;
    o->revision = revision ? pool_strdup(req->pool, revision) : o->revision;
    return 0;
}

static int delete_read_query(struct request *req, struct delete_options *o, struct error *err)
{
    const char *grace = request_query(req, "gracePeriodSeconds");
    const char *policy = request_query(req, "propagationPolicy");
    const char *orphan = request_query(req, "orphanDependents");

    if (grace && *grace) {
        if (!slice_to_int64(slice_str(grace), &o->grace_seconds))
            return error_set(err, ERROR_BAD_REQUEST, "strconv.ParseInt: parsing \"%s\": invalid syntax", grace);
        o->has_grace = true;
    }
    if (orphan && *orphan && policy && *policy)
        return delete_refuse_both(req, policy, err);
    if (orphan && *orphan)
        o->propagation = request_query_bool(req, "orphanDependents") ? DELETE_ORPHAN : DELETE_BACKGROUND;
    if (policy && *policy)
        return delete_set_policy(req, policy, o, err);
    return 0;
}

int delete_read_options(struct request *req, struct delete_options *ret_options, struct error *err)
{
    const struct schema_kind *kind = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("DeleteOptions"));
    struct value *v CLEANUP_VALUE = NULL;
    int r;

    *ret_options = (struct delete_options){0};
    if ((r = request_write_options(req, "DeleteOptions", err)) < 0 ||
        (r = delete_read_query(req, ret_options, err)) < 0)
        return r;
    if (!req->http->body.len)
        return 0;
    /* The options of any group are the same (client libraries send "apps/v1" and the like). */
    if (kind && slice_find(req->http->body, '{') != 0)
        v = request_decode_body(req, kind, err);
    else
        v = value_parse(req->http->body, err);
    if (!v)
        return -(int)err->code;
    if (value_str(value_get(v, "kind")) && strcmp(value_str(value_get(v, "kind")), "DeleteOptions") != 0)
        return error_set(err, ERROR_BAD_REQUEST, "the body of a deletion must be DeleteOptions, not %s",
                         value_str(value_get(v, "kind")));
    return delete_take_options(req, v, ret_options, err);
}

static int delete_check_preconditions(const struct request *req, const struct delete_options *o,
                                      const struct value *object, uint64_t revision, struct error *err)
{
    char number[24];

    (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)revision);
    if (o->uid && strcmp(o->uid, meta_uid(object)) != 0) {
        char *why CLEANUP_FREE =
            mem_printf("the UID in the precondition (%s) does not match the UID in record (%s). The object might have "
                       "been deleted and then recreated",
                       o->uid, meta_uid(object));

        return status_conflict(err, req->shown, slice_str(meta_name(object)), why);
    }
    if (o->revision && strcmp(o->revision, number) != 0) {
        char *why CLEANUP_FREE =
            mem_printf("the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record "
                       "(%s). The object might have been modified",
                       o->revision, number);

        return status_conflict(err, req->shown, slice_str(meta_name(object)), why);
    }
    return 0;
}

/* How long a pod may take to end; 0 = at once (upstream's CheckGracefulDelete for pods). */
static int64_t delete_pod_grace(const struct value *pod, const struct delete_options *o)
{
    const struct value *own = value_path(pod, "spec", "terminationGracePeriodSeconds", NULL);
    struct slice phase = value_string(value_path(pod, "status", "phase", NULL));
    int64_t grace = DELETE_GRACE_DEFAULT;

    if (o->has_grace)
        grace = o->grace_seconds;
    else if (value_is(own, VALUE_INT))
        grace = value_int(own);
    if (!value_string(value_path(pod, "spec", "nodeName", NULL)).len || slice_is(phase, "Succeeded") ||
        slice_is(phase, "Failed"))
        return 0;
    return grace < 0 ? 1 : grace;
}

static void delete_mark(struct request *req, struct value *object, int64_t at_s, int64_t grace)
{
    struct value *metadata = value_need_object(object, "metadata");
    char text[TIME_TEXT_MAX];

    time_format_seconds(at_s * NS_PER_S, text);
    value_set_str(metadata, "deletionTimestamp", text);
    value_set(metadata, "deletionGracePeriodSeconds", value_new_int(grace));
}

/* An object that is already on its way: only a shorter grace changes anything. */
static void delete_shorten(struct request *req, struct value *object, int64_t grace)
{
    int64_t before = value_int(value_path(object, "metadata", "deletionGracePeriodSeconds", NULL));
    int64_t now = clock_wall_s(req->server->clock);
    int64_t at_ns = 0;
    int64_t at;

    if (!(req->strategy->flags & STRATEGY_GRACEFUL) || grace >= before ||
        !time_parse(value_string(value_path(object, "metadata", "deletionTimestamp", NULL)), &at_ns))
        return;
    at = at_ns / NS_PER_S - before + grace;
    delete_mark(req, object, at < now ? now : at, grace);
}

/* Who says nothing of dependents keeps those of some old kinds: as upstream, which warns of it where it matters. */
static enum delete_propagation delete_choose(struct request *req, const struct value *object,
                                             const struct delete_options *o)
{
    if (o->propagation != DELETE_DEFAULT || !(req->strategy->flags & STRATEGY_ORPHANS) || meta_is_deleting(object))
        return o->propagation;
    if (!strcmp(req->kind->plural, "jobs") && !req->warning_count)
        request_warn(req, "child pods are preserved by default when jobs are deleted; set "
                          "propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress "
                          "this warning");
    return DELETE_ORPHAN;
}

static void delete_set_finalizers(struct value *object, enum delete_propagation propagation)
{
    if (propagation == DELETE_DEFAULT)
        return;
    meta_remove_finalizer(object, "foregroundDeletion");
    meta_remove_finalizer(object, "orphan");
    if (propagation == DELETE_FOREGROUND)
        meta_add_finalizer(object, "foregroundDeletion");
    else if (propagation == DELETE_ORPHAN)
        meta_add_finalizer(object, "orphan");
}

/* Not on its way and held by nothing: it goes as it is, unmarked. */
static bool delete_is_immediate(const struct request *req, const struct value *object)
{
    if ((req->strategy->flags & STRATEGY_GRACEFUL) || meta_is_deleting(object) || meta_finalizer_count(object))
        return false;
    return !(req->strategy->flags & STRATEGY_SPEC_FINALIZERS);
}

/* Changes the object into what it is after this deletion. True when nothing holds it any more. */
static bool delete_apply(struct request *req, struct value *object, const struct delete_options *o)
{
    bool graceful = req->strategy->flags & STRATEGY_GRACEFUL;
    bool was_deleting = meta_is_deleting(object);
    int64_t grace = graceful ? delete_pod_grace(object, o) : 0;
    int64_t now = clock_wall_s(req->server->clock);

    delete_set_finalizers(object, delete_choose(req, object, o));
    if (!was_deleting && req->strategy->prepare_delete)
        req->strategy->prepare_delete(req, object);
    if (delete_is_immediate(req, object))
        return true;
    if (was_deleting)
        delete_shorten(req, object, grace);
    else
        delete_mark(req, object, now + grace, grace);
    if (req->strategy->flags & (STRATEGY_SPEC_FINALIZERS | STRATEGY_ONLY_MARKED))
        (void)value_remove(value_get(object, "metadata"), "deletionGracePeriodSeconds");
    if (req->strategy->flags & STRATEGY_SPEC_FINALIZERS) {
        value_set_str(value_need_object(object, "status"), "phase", "Terminating");
        if (value_count(value_path(object, "spec", "finalizers", NULL)))
            return false;
    }
    if (meta_finalizer_count(object))
        return false;
    return value_int(value_path(object, "metadata", "deletionGracePeriodSeconds", NULL)) == 0;
}

static int delete_commit(struct write *w, struct value *object, const struct value *old, uint64_t revision,
                         struct slice key, struct error *err)
{
    struct request *req = w->req;
    bool changed = !value_equal(object, old);
    BUF_LOCAL(header);

    if (!w->deleted && changed && req->kind->generation && !meta_is_deleting(old) &&
        !(req->strategy->flags & STRATEGY_ONLY_MARKED))
        value_set(value_get(object, "metadata"), "generation",
                  value_new_int(value_int(value_path(old, "metadata", "generation", NULL)) + 1));
    object_encode(req->kind, object, SLICE_NONE, &w->value, &header);
    w->revision = revision;
    if (req->dry_run || (!w->deleted && !changed))
        return WRITE_NOTHING;
    (void)write_require(w, key, revision);
    w->ends = true;
    if (!w->deleted) {
        (void)write_put(w, key, slice_make(pool_slice_dup(w->pool, buf_slice(&header)), header.len),
                        buf_slice(&w->value));
        return WRITE_COMMIT;
    }
    if (req->strategy->allocate && req->strategy->allocate(w, NULL, old, err) < 0)
        return -(int)ERROR_INTERNAL;
    (void)write_delete(w, key);
    return WRITE_COMMIT;
}

int delete_plan_one(struct write *w, const struct delete_options *options, const char *namespace_, const char *name,
                    struct error *err)
{
    struct request *req = w->req;
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    struct admission admission = {.req = req,
                                  .write = w,
                                  .operation = ADMISSION_DELETE,
                                  .namespace_ = namespace_,
                                  .name = name,
                                  .subresource = ""};
    struct value *old CLEANUP_VALUE = NULL;
    struct value *object CLEANUP_VALUE = NULL;
    int r;

    if ((r = registry_get(req->server->store, req->shown, namespace_, name, &item, err)) < 0)
        return r;
    if (!(old = object_decode(buf_slice(&item.value), item.revision, err)))
        return -(int)ERROR_CORRUPT;
    (void)value_remove(value_get(old, "metadata"), "resourceVersion");
    admission.old = old;
    if ((r = admission_mutate(&admission, err)) != 0 ||
        (r = delete_check_preconditions(req, options, old, item.revision, err)) < 0)
        return r;
    object = value_copy(old);
    if (options->last_word && (r = options->last_word(w, object, err)) < 0)
        return r;
    w->deleted = admission.ends = delete_apply(req, object, options);
    if ((r = admission_validate(&admission, err)) != 0)
        return r;
    return delete_commit(w, object, old, item.revision, registry_key(w->pool, req->kind, namespace_, name), err);
}

static int delete_plan(struct write *w, struct error *err)
{
    return delete_plan_one(w, w->arg, w->req->info.namespace_, w->req->info.name, err);
}

static void delete_done(struct write *w)
{
    struct request *req = w->req;
    char *uid CLEANUP_FREE = NULL;

    if (!w->deleted || req->kind->returned) {
        reply_object(req, 200, buf_slice(&w->value), w->revision);
        return;
    }
    uid = scan_text_dup(scan_get(buf_slice(&w->value), "metadata.uid"));
    negotiate_plain(req);
    reply_deleted(req, req->info.name, uid);
}

static const struct write_ops delete_ops = {delete_plan, delete_done, NULL};

void verb_delete(struct request *req)
{
    struct delete_options *o = pool_alloc(req->pool, sizeof(*o));
    ERROR_LOCAL(err);

    if (negotiate_media(req, false, &err) < 0 || delete_read_options(req, o, &err) < 0) {
        reply_error(req, &err);
        return;
    }
    write_start(req, &delete_ops, o);
}
