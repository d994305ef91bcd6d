/* SPDX-License-Identifier: Apache-2.0 */
/* `knarr delete`: asks for the deletion and, unless told otherwise, waits until the object is gone. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/files.h"
#include "cli/manifest.h"
#include "cli/session.h"

#define POLL_MS 100

struct delete
{
    struct session session;
    const char *kubeconfig;
    const char *namespace_;
    const char *file;
    long grace; /* -1 = the object's own */
    bool wait;
    bool ignore_not_found;
    int failed;
};

static int wait_gone(struct delete *d, const char *path, const char *uid, struct error *err)
{
    struct client_request request = {.method = "GET", .path = path};

    for (;;) {
        struct value *now CLEANUP_VALUE = NULL;
        const char *now_uid;
        BUF_LOCAL(body);

        if (session_call(&d->session, &request, &body, err) < 0) {
            if (err->code != ERROR_NOT_FOUND)
                return -(int)err->code;
            error_clear(err);
            return 0;
        }
        now = value_parse(buf_slice(&body), NULL);
        now_uid = value_str(value_path(now, "metadata", "uid", NULL));
        /* Another object of that name has come. */
        if (uid && now_uid && strcmp(uid, now_uid) != 0)
            return 0;
        session_sleep(&d->session, POLL_MS);
    }
}

static int delete_one(struct delete *d, const struct schema_kind *kind, const char *ns, const char *name,
                      struct error *err)
{
    char *path CLEANUP_FREE = client_path(kind, ns, name, NULL);
    char *grace CLEANUP_FREE = d->grace >= 0 ? mem_printf(",\"gracePeriodSeconds\":%ld", d->grace) : mem_strdup("");
    char *options CLEANUP_FREE =
        mem_printf("{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"propagationPolicy\":\"Background\"%s}", grace);
    struct client_request request = {.method = "DELETE", .path = path, .body = slice_str(options)};
    struct value *answer CLEANUP_VALUE = NULL;
    const char *uid;
    BUF_LOCAL(body);

    if (session_call(&d->session, &request, &body, err) < 0)
        return -(int)err->code;
    answer = value_parse(buf_slice(&body), NULL);
    uid = value_str(value_path(answer, "metadata", "uid", NULL));
    if (!uid)
        uid = value_str(value_path(answer, "details", "uid", NULL));
    (void)printf("%s%s%s \"%s\" deleted\n", kind->singular, kind->group[0] ? "." : "", kind->group, name);
    (void)fflush(stdout);
    return d->wait ? wait_gone(d, path, uid, err) : 0;
}

static void delete_or_say(struct delete *d, const struct schema_kind *kind, const char *ns, const char *name)
{
    ERROR_LOCAL(err);

    if (delete_one(d, kind, ns, name, &err) < 0 && !(d->ignore_not_found && err.code == ERROR_NOT_FOUND))
        d->failed = session_fail(&err);
}

static int delete_document(void *arg, struct slice json, struct error *err)
{
    struct delete *d = arg;
    struct value *object CLEANUP_VALUE = value_parse(json, err);
    struct manifest m;

    if (!object || manifest_read(&d->session, object, d->namespace_, &m, err) < 0)
        return -(int)err->code;
    delete_or_say(d, m.kind, m.namespace_, m.name);
    return 0;
}

static int delete_named(struct delete *d, const struct arguments *arguments)
{
    const struct schema_kind *kind = session_kind(&d->session, arguments->items[0]);

    if (!kind)
        return 1;
    for (size_t i = 1; i < arguments->count; i++)
        delete_or_say(d, kind, kind->namespaced ? d->namespace_ : NULL, arguments->items[i]);
    return d->failed;
}

int cli_delete(int argc, char **argv)
{
    struct delete d = {.grace = -1, .wait = true};
    const struct flag flags[] = {
        SESSION_FLAGS(d.kubeconfig),
        {"namespace", 'n', FLAG_TEXT, &d.namespace_},
        {"filename", 'f', FLAG_TEXT, &d.file},
        {"grace-period", 0, FLAG_NUMBER, &d.grace},
        {"wait", 0, FLAG_BOOL, &d.wait},
        {"ignore-not-found", 0, FLAG_BOOL, &d.ignore_not_found},
        {NULL, 0, FLAG_BOOL, NULL},
    };
    struct arguments arguments;
    ERROR_LOCAL(err);

    if (!flags_parse(flags, argc, argv, &arguments))
        return 2;
    if (!d.file && arguments.count < 2) {
        (void)fprintf(stderr, "knarr delete: name a type and an object, or a file with -f\n");
        return 2;
    }
    if (session_open(&d.session, d.kubeconfig, &err) < 0)
        return session_fail(&err);
    if (!d.namespace_)
        d.namespace_ = d.session.config.namespace_;
    if (!d.file)
        d.failed = delete_named(&d, &arguments);
    else if (file_each_document(d.file, delete_document, &d, &err) < 0)
        d.failed = session_fail(&err);
    session_close(&d.session);
    return d.failed;
}
