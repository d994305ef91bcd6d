/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/rewind_write.h"

#define TRIES       3 /* again, after a conflict */
#define POLL_MS     100
#define GONE_WAIT_S 60

void rewind_writer_clear(struct rewind_writer *w)
{
    map_clear(&w->made, NULL);
}

char *rewind_fixed_fields(const struct error *refused)
{
    static const char *const words[] = {"immutable", "may not change", "may not be changed", "can not be modified"};
    BUF_LOCAL(fields);

    if (refused->code != ERROR_INVALID)
        return NULL;
    for (size_t i = 0; i < refused->cause_count; i++) {
        const struct error_cause *cause = &refused->causes[i];
        bool fixed = false;

        for (size_t j = 0; j < ARRAY_SIZE(words); j++)
            fixed = fixed || (cause->message && strstr(cause->message, words[j]));
        if (!fixed)
            return NULL;
        buf_printf(&fields, "%s%s", i ? ", " : "", cause->field ? cause->field : "a field");
    }
    return fields.len ? buf_steal_str(&fields) : NULL;
}

static int send_as(struct rewind_writer *w, bool dry_run, const char *method, const char *path,
                   const struct value *body, struct error *err)
{
    struct client_request request = {.method = method,
                                     .path = path,
                                     .query = dry_run ? "fieldManager=knarr-rewind&dryRun=All"
                                                      : "fieldManager=knarr-rewind"};
    BUF_LOCAL(json);

    value_write(body, &json);
    request.body = buf_slice(&json);
    return session_call(w->session, &request, NULL, err);
}

static int send_to(struct rewind_writer *w, const char *method, const char *path, const struct value *body,
                   struct error *err)
{
    return send_as(w, w->dry_run, method, path, body, err);
}

static struct value *fetch(struct rewind_writer *w, const char *path, struct error *err)
{
    struct client_request request = {.method = "GET", .path = path};
    BUF_LOCAL(body);

    return session_call(w->session, &request, &body, err) < 0 ? NULL : value_parse(buf_slice(&body), err);
}

/* ---- creation ---- */

/* The uid that the owner has now; false when it is not there any more. */
static bool find_owner(struct rewind_writer *w, struct value *owner, const char *ns)
{
    const char *api_version = value_str(value_get(owner, "apiVersion"));
    const char *name = value_str(value_get(owner, "name"));
    const char *kind_name = value_str(value_get(owner, "kind"));
    const struct schema_kind *kind;

    if (!api_version || !name || !kind_name || session_find_kind(w->session, api_version, kind_name, &kind, NULL) < 0)
        return false;
    char *path CLEANUP_FREE = client_path(kind, ns, name, NULL);
    struct value *object CLEANUP_VALUE = fetch(w, path, NULL);
    const char *uid = value_str(value_path(object, "metadata", "uid", NULL));

    if (uid)
        value_set_str(owner, "uid", uid);
    return uid;
}

static char *missing_owner(struct rewind_writer *w, struct value *body, const char *ns)
{
    struct value *owners = value_path(body, "metadata", "ownerReferences", NULL);

    for (size_t i = 0; i < value_count(owners); i++) {
        struct value *owner = value_at(owners, i);

        if (!find_owner(w, owner, ns))
            return mem_printf("its owner %s %s is not there", value_str(value_get(owner, "kind")),
                              value_str(value_get(owner, "name")));
    }
    return NULL;
}

static enum rewind_result update(struct rewind_writer *w, const struct rewind_step *step, char **ret_why,
                                 struct error *err);

/* What controllers put into a namespace as soon as it is there comes before we do. */
static enum rewind_result settle(struct rewind_writer *w, const struct rewind_step *step, const char *path,
                                 char **ret_why, struct error *err)
{
    struct rewind_step changed = *step;
    struct value *now CLEANUP_VALUE = fetch(w, path, err);

    if (!now)
        return REWIND_FAILED;
    if (rewind_same(step->kind, step->then, now))
        return REWIND_SAME;
    changed.now = now;
    return update(w, &changed, ret_why, err);
}

static enum rewind_result create(struct rewind_writer *w, const struct rewind_step *step, char **ret_why,
                                 struct error *err)
{
    const char *ns = rewind_step_namespace(step), *name = rewind_step_name(step);
    char *collection CLEANUP_FREE = client_path(step->kind, ns, NULL, NULL);
    char *path CLEANUP_FREE = client_path(step->kind, ns, name, NULL);
    struct value *body CLEANUP_VALUE = rewind_body_create(step->kind, step->then);
    bool in_made = ns && map_get(&w->made, slice_str(ns));

    if (w->dry_run && in_made)
        return REWIND_DONE; /* the server cannot say: the namespace is not there yet */
    if (!w->dry_run && (*ret_why = missing_owner(w, body, ns)))
        return REWIND_LEFT;
    if (!step->kind->custom && !strcmp(step->kind->plural, "namespaces"))
        (void)map_put(&w->made, slice_str(name), w);
    if (send_to(w, "POST", collection, body, err) == 0)
        return REWIND_DONE;
    if (err->code != ERROR_ALREADY_EXISTS || !in_made)
        return REWIND_FAILED;
    error_clear(err);
    return settle(w, step, path, ret_why, err);
}

/* ---- change and deletion ---- */

/* After a conflict: true when only what is not rewound has changed (a status, mostly); then *now is the object as it
 * is. Somebody's newer wish is never written over. */
static bool is_still_the_same(struct rewind_writer *w, const struct rewind_step *step, const char *path,
                              struct value **now)
{
    struct value *fresh = fetch(w, path, NULL);

    value_free(*now);
    *now = fresh;
    return fresh &&
           value_equal(value_path(fresh, "metadata", "uid", NULL), value_path(step->now, "metadata", "uid", NULL)) &&
           rewind_same(step->kind, step->now, fresh);
}

static struct value *delete_options(const struct value *now)
{
    static const char *const names[] = {"uid", "resourceVersion"};
    struct value *options = value_new_object();
    struct value *preconditions;

    value_set_str(options, "apiVersion", "v1");
    value_set_str(options, "kind", "DeleteOptions");
    value_set_str(options, "propagationPolicy", "Background");
    preconditions = value_need_object(options, "preconditions");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        value_set(preconditions, names[i], value_copy(value_path(now, "metadata", names[i], NULL)));
    return options;
}

/* PUT or DELETE on the condition that the object is what the plan saw. */
static int send_conditionally(struct rewind_writer *w, const struct rewind_step *step, const char *path, bool deletion,
                              struct error *err)
{
    struct value *now CLEANUP_VALUE = value_copy(step->now);

    for (int tries = 0;; tries++) {
        struct value *body CLEANUP_VALUE = deletion ? delete_options(now)
                                                    : rewind_body_update(step->kind, step->then, now);

        if (send_to(w, deletion ? "DELETE" : "PUT", path, body, err) == 0)
            return 0;
        if (err->code != ERROR_CONFLICT || tries == TRIES || !is_still_the_same(w, step, path, &now))
            return -(int)err->code;
        error_clear(err);
    }
}

static int wait_gone(struct rewind_writer *w, const struct rewind_step *step, const char *path, struct error *err)
{
    for (int waited = 0; waited < GONE_WAIT_S * 1000 / POLL_MS; waited++) {
        struct value *now CLEANUP_VALUE = fetch(w, path, err);

        if (!now && err->code == ERROR_NOT_FOUND) {
            error_clear(err);
            return 0;
        }
        if (!now)
            return -(int)err->code;
        if (!value_equal(value_path(now, "metadata", "uid", NULL), value_path(step->now, "metadata", "uid", NULL)))
            return error_set(err, ERROR_CONFLICT, "somebody else made it anew");
        session_sleep(w->session, POLL_MS);
    }
    return error_set(err, ERROR_TIMEOUT, "it was deleted and is still there after %d s; rewind again when it is gone",
                     GONE_WAIT_S);
}

/* Whether it may be made as it was. The server says that its name is taken when rights and rules have nothing against
 * it; what a quota says is heard when it asks for another name (which rules may refuse, and that says nothing). */
static int may_make(struct rewind_writer *w, const char *collection, const struct value *body, struct error *err)
{
    static const char *const wrap = "it is left as it is, because it could not be made anew";
    struct value *another CLEANUP_VALUE = value_copy(body);
    struct value *metadata = value_need_object(another, "metadata");
    char *prefix CLEANUP_FREE = mem_printf("%s-", value_str(value_get(metadata, "name")));

    if (send_as(w, true, "POST", collection, body, err) < 0 && err->code != ERROR_ALREADY_EXISTS)
        return error_wrap(err, "%s", wrap);
    error_clear(err);
    value_remove(metadata, "name");
    value_set_str(metadata, "generateName", prefix);
    if (send_as(w, true, "POST", collection, another, err) < 0 && err->code == ERROR_FORBIDDEN)
        return error_wrap(err, "%s", wrap);
    error_clear(err);
    return 0;
}

/* What was deleted could not be made as it was then (somebody was faster to use up a quota): it becomes again what it
 * was before. */
static void put_back(struct rewind_writer *w, const struct rewind_step *step, const char *collection, struct error *err)
{
    struct value *body CLEANUP_VALUE = rewind_body_create(step->kind, step->now);
    ERROR_LOCAL(failed);

    if (send_to(w, "POST", collection, body, &failed) == 0)
        (void)error_wrap(err, "it was deleted, could not be made anew, and was put back as it was before");
    else
        (void)error_wrap(err, "it was deleted and could not be made anew, nor put back (%s)", error_text(&failed));
}

static enum rewind_result make_anew(struct rewind_writer *w, const struct rewind_step *step, const char *path,
                                    char **ret_why, struct error *err)
{
    struct value *body CLEANUP_VALUE = rewind_body_create(step->kind, step->then);
    char *collection CLEANUP_FREE = client_path(step->kind, rewind_step_namespace(step), NULL, NULL);
    struct rewind_step again = *step;
    enum rewind_result result;

    /* While there is still something to leave. */
    if (!w->dry_run && (*ret_why = missing_owner(w, body, rewind_step_namespace(step))))
        return REWIND_LEFT;
    if (may_make(w, collection, body, err) < 0 || send_conditionally(w, step, path, true, err) < 0)
        return REWIND_FAILED;
    if (w->dry_run)
        return REWIND_RECREATED;
    if (wait_gone(w, step, path, err) < 0)
        return REWIND_FAILED;
    again.now = NULL;
    result = create(w, &again, ret_why, err);
    if (result == REWIND_FAILED)
        put_back(w, step, collection, err);
    return result == REWIND_DONE ? REWIND_RECREATED : result;
}

static enum rewind_result update(struct rewind_writer *w, const struct rewind_step *step, char **ret_why,
                                 struct error *err)
{
    char *path CLEANUP_FREE = client_path(step->kind, rewind_step_namespace(step), rewind_step_name(step), NULL);
    char *fields CLEANUP_FREE = NULL;

    if (send_conditionally(w, step, path, false, err) == 0)
        return REWIND_DONE;
    fields = rewind_fixed_fields(err);
    if (!fields)
        return REWIND_FAILED;
    error_clear(err);
    if (w->recreate)
        return make_anew(w, step, path, ret_why, err);
    *ret_why = mem_printf("%s may not change; --recreate deletes it and makes it anew", fields);
    return REWIND_FIXED;
}

static enum rewind_result delete_one(struct rewind_writer *w, const struct rewind_step *step, struct error *err)
{
    char *path CLEANUP_FREE = client_path(step->kind, rewind_step_namespace(step), rewind_step_name(step), NULL);

    if (send_conditionally(w, step, path, true, err) == 0)
        return REWIND_DONE;
    if (err->code != ERROR_NOT_FOUND)
        return REWIND_FAILED;
    error_clear(err);
    return REWIND_SAME; /* somebody else was faster */
}

enum rewind_result rewind_write(struct rewind_writer *w, const struct rewind_step *step, char **ret_why,
                                struct error *err)
{
    *ret_why = NULL;
    switch (step->action) {
    case REWIND_CREATE:
        return create(w, step, ret_why, err);
    case REWIND_UPDATE:
        return update(w, step, ret_why, err);
    case REWIND_DELETE:
        return delete_one(w, step, err);
    case REWIND_LEAVE:
    default:
        return REWIND_SAME;
    }
}
