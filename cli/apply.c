/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `knarr apply`: creates what is missing; of what is there, sends a patch that makes it match the manifest. With
 * --server-side the server does all of it, and says who else wants the same fields.
 */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/files.h"
#include "cli/manifest.h"
#include "cli/session.h"
#include "lib/encoding.h"

struct apply {
    struct session session;
    const char *kubeconfig;
    const char *namespace_;
    const char *file;
    const char *manager; /* of a server-side apply */
    bool server_side;
    bool force;
    int failed;
};

static const char *resource_name(const struct schema_kind *kind, char *buffer, size_t size)
{
    (void)snprintf(buffer, size, "%s%s%s", kind->singular, kind->group[0] ? "." : "", kind->group);
    return buffer;
}

static int send_body(struct apply *a, const char *method, const char *path, const char *type, const struct value *body,
                     struct error *err)
{
    BUF_LOCAL(json);
    struct client_request request = {.method = method,
                                     .path = path,
                                     .content_type = type,
                                     .query = "fieldManager=knarr-client-side-apply&fieldValidation=Strict"};

    value_write(body, &json);
    request.body = buf_slice(&json);
    return session_call(&a->session, &request, NULL, err);
}

static int change(struct apply *a, const struct manifest *m, const char *path, struct slice live_json,
                  const struct value *wanted, const char **ret_word, struct error *err)
{
    struct value *live CLEANUP_VALUE = value_parse(live_json, err);
    const char *text = value_str(value_path(live, "metadata", "annotations", LAST_APPLIED, NULL));
    struct value *last CLEANUP_VALUE = text ? value_parse(slice_str(text), NULL) : NULL;
    struct value *patch CLEANUP_VALUE = NULL;

    if (!live)
        return -(int)err->code;
    patch = manifest_three_way(m->kind->custom ? NULL : m->kind->type, last, live, wanted);
    *ret_word = patch ? "configured" : "unchanged";
    return patch
               ? send_body(a, "PATCH", path,
                           m->kind->custom ? "application/merge-patch+json" : "application/strategic-merge-patch+json",
                           patch, err)
               : 0;
}

static int apply_server_side(struct apply *a, const struct manifest *m, const struct value *object, struct error *err)
{
    char *path CLEANUP_FREE = client_path(m->kind, m->namespace_, m->name, NULL);
    struct client_request request = {.method = "PATCH", .path = path, .content_type = "application/apply-patch+yaml"};
    char resource[320];
    BUF_LOCAL(json);
    BUF_LOCAL(query);

    buf_printf(&query, "fieldValidation=Strict&force=%s&fieldManager=", a->force ? "true" : "false");
    percent_encode(&query, slice_str(a->manager));
    value_write(object, &json);
    request.query = buf_cstr(&query);
    request.body = buf_slice(&json);
    if (session_call(&a->session, &request, NULL, err) < 0) {
        if (err->code == ERROR_CONFLICT && err->cause_count)
            (void)fprintf(stderr, "knarr apply: leave these fields out of the manifest, or take them over with "
                                  "--force-conflicts\n");
        return error_wrap(err, "%s %s", m->kind->kind, m->name);
    }
    (void)printf("%s/%s serverside-applied\n", resource_name(m->kind, resource, sizeof(resource)), m->name);
    return 0;
}

static int apply_object(struct apply *a, struct value *object, struct error *err)
{
    struct client_request get = {.method = "GET"};
    char *path CLEANUP_FREE = NULL;
    struct manifest m;
    char resource[320];
    const char *word = "created";
    BUF_LOCAL(live);

    if (manifest_read(&a->session, object, a->namespace_, &m, err) < 0)
        return -(int)err->code;
    if (m.namespace_)
        value_set_str(value_need_object(object, "metadata"), "namespace", m.namespace_);
    if (a->server_side)
        return apply_server_side(a, &m, object, err);
    manifest_annotate(object);
    get.path = path = client_path(m.kind, m.namespace_, m.name, NULL);
    if (session_call(&a->session, &get, &live, err) == 0) {
        if (change(a, &m, path, buf_slice(&live), object, &word, err) < 0)
            return error_wrap(err, "%s %s", m.kind->kind, m.name);
    } else if (err->code == ERROR_NOT_FOUND) {
        char *collection CLEANUP_FREE = client_path(m.kind, m.namespace_, NULL, NULL);

        error_clear(err);
        if (send_body(a, "POST", collection, NULL, object, err) < 0)
            return error_wrap(err, "%s %s", m.kind->kind, m.name);
    } else {
        return -(int)err->code;
    }
    (void)printf("%s/%s %s\n", resource_name(m.kind, resource, sizeof(resource)), m.name, word);
    return 0;
}

static void apply_or_say(struct apply *a, struct value *object)
{
    ERROR_LOCAL(err);

    if (apply_object(a, object, &err) < 0)
        a->failed = session_fail(&err);
}

static int apply_document(void *arg, struct slice json, struct error *err)
{
    struct apply *a = arg;
    struct value *object CLEANUP_VALUE = value_parse(json, err);
    struct value *items = value_get(object, "items");

    if (!object)
        return -(int)err->code;
    if (!items || !slice_is(value_string(value_get(object, "kind")), "List")) {
        apply_or_say(a, object);
        return 0;
    }
    for (size_t i = 0; i < value_count(items); i++)
        apply_or_say(a, value_at(items, i));
    return 0;
}

int cli_apply(int argc, char **argv)
{
    struct apply a = {.manager = "knarr"};
    const struct flag flags[] = {
        SESSION_FLAGS(a.kubeconfig),
        {"namespace", 'n', FLAG_TEXT, &a.namespace_},
        {"filename", 'f', FLAG_TEXT, &a.file},
        {"server-side", 0, FLAG_BOOL, &a.server_side},
        {"force-conflicts", 0, FLAG_BOOL, &a.force},
        {"field-manager", 0, FLAG_TEXT, &a.manager},
        {NULL, 0, FLAG_BOOL, NULL},
    };
    struct arguments arguments;
    ERROR_LOCAL(err);

    if (!flags_parse(flags, argc, argv, &arguments))
        return 2;
    if (!a.file) {
        (void)fprintf(stderr, "knarr apply: name a file or a folder with -f\n");
        return 2;
    }
    if (a.force && !a.server_side) {
        (void)fprintf(stderr, "knarr apply: --force-conflicts goes with --server-side\n");
        return 2;
    }
    if (session_open(&a.session, a.kubeconfig, &err) < 0)
        return session_fail(&err);
    if (!a.namespace_)
        a.namespace_ = a.session.config.namespace_;
    if (file_each_document(a.file, apply_document, &a, &err) < 0)
        a.failed = session_fail(&err);
    session_close(&a.session);
    return a.failed;
}
