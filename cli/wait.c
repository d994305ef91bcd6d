/* SPDX-License-Identifier: Apache-2.0 */
/* `knarr wait`: polls one object until a condition is True, or until it is gone. */
#include <stdio.h>

#include "api/value.h"
#include "cli/commands.h"
#include "cli/session.h"

#define POLL_MS 100

struct wait {
    struct session session;
    const char *kubeconfig;
    const char *namespace_;
    const char *for_;
    long timeout;
};

static bool condition_holds(const struct value *object, const char *name)
{
    const struct value *conditions = value_path(object, "status", "conditions", NULL);
    struct slice want = slice_make(name, strcspn(name, "="));
    const char *status = name[want.len] ? name + want.len + 1 : "True";
    int64_t observed = value_int(value_path(object, "status", "observedGeneration", NULL));

    /* A status of an older spec says nothing yet. */
    if (observed && observed < value_int(value_path(object, "metadata", "generation", NULL)))
        return false;
    for (size_t i = 0; i < value_count(conditions); i++) {
        const struct value *c = value_at(conditions, i);

        if (slice_equal(value_string(value_get(c, "type")), want))
            return slice_is(value_string(value_get(c, "status")), status);
    }
    return false;
}

/* 1 = it holds, 0 = not yet. */
static int check(struct wait *w, const char *path, struct error *err)
{
    struct client_request request = {.method = "GET", .path = path};
    struct value *object CLEANUP_VALUE = NULL;
    bool deletion = !strcmp(w->for_, "delete");
    BUF_LOCAL(body);

    if (session_call(&w->session, &request, &body, err) < 0) {
        if (err->code != ERROR_NOT_FOUND)
            return -(int)err->code;
        error_clear(err);
        return deletion;
    }
    object = value_parse(buf_slice(&body), err);
    if (!object)
        return -(int)err->code;
    return !deletion && condition_holds(object, w->for_ + strlen("condition="));
}

static int wait_until(struct wait *w, const char *path, struct error *err)
{
    uint64_t end = loop_now_ms(w->session.loop) + (uint64_t)w->timeout * 1000;

    for (;;) {
        int r = check(w, path, err);

        if (r)
            return r;
        if (loop_now_ms(w->session.loop) >= end)
            return error_set(err, ERROR_IO, "timed out waiting for the condition");
        session_sleep(&w->session, POLL_MS);
    }
}

int cli_wait(int argc, char **argv)
{
    struct wait w = {.timeout = 30};
    const struct flag flags[] = {
        SESSION_FLAGS(w.kubeconfig),    {"namespace", 'n', FLAG_TEXT, &w.namespace_},
        {"for", 0, FLAG_TEXT, &w.for_}, {"timeout", 0, FLAG_NUMBER, &w.timeout},
        {NULL, 0, FLAG_BOOL, NULL},
    };
    struct arguments arguments;
    const struct schema_kind *kind;
    ERROR_LOCAL(err);
    int code = 0;

    if (!flags_parse(flags, argc, argv, &arguments))
        return 2;
    if (arguments.count != 2 || !w.for_ || (strncmp(w.for_, "condition=", 10) != 0 && strcmp(w.for_, "delete") != 0)) {
        (void)fprintf(stderr, "knarr wait: name a type, an object, and --for condition=NAME or --for delete\n");
        return 2;
    }
    if (session_open(&w.session, w.kubeconfig, &err) < 0)
        return session_fail(&err);
    kind = session_kind(&w.session, arguments.items[0]);
    if (!kind) {
        session_close(&w.session);
        return 1;
    }
    const char *ns = !kind->namespaced ? NULL : w.namespace_ ? w.namespace_ : w.session.config.namespace_;
    char *path CLEANUP_FREE = client_path(kind, ns, arguments.items[1], NULL);
    if (wait_until(&w, path, &err) < 0)
        code = session_fail(&err);
    else
        (void)printf("%s/%s %s\n", kind->singular, arguments.items[1],
                     strcmp(w.for_, "delete") != 0 ? "condition met" : "deleted");
    session_close(&w.session);
    return code;
}
