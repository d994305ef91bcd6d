/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs: the requests that everybody makes, as paths and methods over client_send. */
#include "client/client.h"

#include "lib/encoding.h"

static void client_path_add(struct buf *path, const char *part)
{
    buf_append_byte(path, '/');
    percent_encode(path, slice_str(part));
}

char *client_path(const struct schema_kind *kind, const char *ns, const char *name, const char *sub)
{
    BUF_LOCAL(path);

    buf_append_str(&path, *kind->group ? "/apis" : "/api");
    if (*kind->group)
        client_path_add(&path, kind->group);
    client_path_add(&path, kind->version);
    if (ns && *ns && kind->namespaced) {
        buf_append_str(&path, "/namespaces");
        client_path_add(&path, ns);
    }
    client_path_add(&path, kind->plural);
    if (name)
        client_path_add(&path, name);
    if (sub)
        client_path_add(&path, sub);
    return buf_steal_str(&path);
}

static struct client_call *client_verb(struct client *c, const char *method, const struct schema_kind *kind,
                                       const char *const where[3], const char *content_type, struct slice body,
                                       client_done *done, void *arg)
{
    char *path CLEANUP_FREE = client_path(kind, where[0], where[1], where[2]);

    return client_send(c,
                       &(struct client_request){
                           .method = method,
                           .path = path,
                           .content_type = content_type,
                           .body = body,
                       },
                       done, arg);
}

struct client_call *client_get(struct client *c, const struct schema_kind *kind, const char *ns, const char *name,
                               client_done *done, void *arg)
{
    return client_verb(c, "GET", kind, (const char *const[]){ns, name, NULL}, NULL, SLICE_NONE, done, arg);
}

struct client_call *client_create(struct client *c, const struct schema_kind *kind, const char *ns, const char *sub_of,
                                  const char *sub, struct slice body, client_done *done, void *arg)
{
    return client_verb(c, "POST", kind, (const char *const[]){ns, sub_of, sub}, NULL, body, done, arg);
}

struct client_call *client_patch(struct client *c, const struct schema_kind *kind, const char *ns, const char *name,
                                 const char *sub, const char *patch_type, struct slice body, client_done *done,
                                 void *arg)
{
    return client_verb(c, "PATCH", kind, (const char *const[]){ns, name, sub}, patch_type, body, done, arg);
}

struct client_call *client_delete(struct client *c, const struct schema_kind *kind, const char *ns, const char *name,
                                  struct slice body, client_done *done, void *arg)
{
    return client_verb(c, "DELETE", kind, (const char *const[]){ns, name, NULL}, NULL, body, done, arg);
}
