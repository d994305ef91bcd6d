/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of ConfigMap, Secret, downward API and projected volumes. On disk, as upstream's containers know it:
 *
 *     DIR/..HASH/a/b      the files of one version
 *     DIR/..data          link to the version that holds
 *     DIR/a               link to ..data/a
 *
 * A new version is written beside the old one and takes over by renaming ..data; readers see one or the other.
 */
#include "agent/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fs.h"
#include "agent/pod_spec.h"
#include "agent/token.h"
#include "lib/encoding.h"

#define MODE_DEFAULT 0644

void payload_clear(struct payload *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->files[i].path);
        buf_free(&p->files[i].data);
    }
    free(p->files);
    *p = (struct payload){0};
}

/* ---- gathering ---- */

static bool path_valid(struct slice path)
{
    struct slice rest = path;
    struct slice part;

    if (!path.len || path.len > 1024 || path.data[0] == '/')
        return false;
    /* Names that begin with ".." belong to the mechanism above. */
    while (slice_split(&rest, '/', &part))
        if (!part.len || slice_is(part, ".") || slice_starts(part, SLICE_LIT("..")))
            return false;
    return true;
}

/* A place for one file; a later file of the same path replaces the earlier one. NULL when the path is bad. */
static struct payload_file *payload_add(struct payload *p, struct slice path, unsigned mode)
{
    struct payload_file *f = NULL;

    if (!path_valid(path))
        return NULL;
    for (size_t i = 0; i < p->count && !f; i++)
        if (slice_is(path, p->files[i].path))
            f = &p->files[i];
    if (!f) {
        p->files = mem_grow(p->files, &p->cap, p->count + 1, sizeof(*p->files));
        f = &p->files[p->count++];
        *f = (struct payload_file){.path = slice_dup(path)};
    }
    buf_reset(&f->data);
    f->mode = mode;
    f->owned = false;
    return f;
}

static unsigned mode_of(const struct value *item, unsigned fallback)
{
    const struct value *mode = value_get(item, "mode");

    return value_is(mode, VALUE_INT) ? (unsigned)value_int(mode) & 0777 : fallback;
}

/* The bytes of one key: text of a ConfigMap, base64 of its binaryData and of a Secret. */
static bool key_read(const struct value *object, bool secret, struct slice key, struct buf *out)
{
    const struct value *text = value_get_slice(value_get(object, "data"), key);
    const struct value *binary = value_get_slice(value_get(object, "binaryData"), key);

    if (value_is(text, VALUE_STRING) && !secret) {
        buf_append_slice(out, value_string(text));
        return true;
    }
    if (value_is(text, VALUE_STRING))
        return base64_decode(out, value_string(text));
    return value_is(binary, VALUE_STRING) && base64_decode(out, value_string(binary));
}

static int add_keys(struct payload *p, const struct value *object, bool secret, const char *member, unsigned mode,
                    struct error *err)
{
    struct value_iter it = value_iter_start(value_get(object, member));
    struct slice key;
    struct value *v;

    while (value_iter_next(&it, &key, &v)) {
        struct payload_file *f = payload_add(p, key, mode);

        if (!f || !key_read(object, secret, key, &f->data))
            return error_set(err, ERROR_INVALID, "key %.*s cannot be made a file", SLICE_ARGS(key));
    }
    return 0;
}

static int add_items(struct payload *p, const struct value *object, bool secret, const struct value *items,
                     unsigned mode, bool optional, struct error *err)
{
    for (size_t i = 0; i < value_count(items); i++) {
        const struct value *item = value_at(items, i);
        struct slice key = value_string(value_get(item, "key"));
        struct payload_file *f;
        BUF_LOCAL(data);

        if (!key_read(object, secret, key, &data)) {
            if (optional)
                continue;
            return error_set(err, ERROR_NOT_FOUND, "%s references non-existent %s key: %.*s",
                             secret ? "secret" : "configmap", secret ? "secret" : "config", SLICE_ARGS(key));
        }
        f = payload_add(p, value_string(value_get(item, "path")), mode_of(item, mode));
        if (!f)
            return error_set(err, ERROR_INVALID, "bad path in items: %.*s",
                             SLICE_ARGS(value_string(value_get(item, "path"))));
        buf_append_slice(&f->data, buf_slice(&data));
    }
    return 0;
}

/* source: {name | secretName, items, optional}. */
static int add_reference(struct payload *p, const struct pod_facts *facts, const char *resource,
                         const struct value *source, const char *name_field, unsigned mode, struct error *err)
{
    const char *name = object_text(source, name_field);
    const struct value *object = facts->find(facts->find_arg, resource, name ? name : "");
    const struct value *items = value_get(source, "items");
    bool optional = value_bool(value_get(source, "optional"));
    bool secret = *resource == 's';

    if (!object)
        return optional ? 0
                        : error_set(err, ERROR_NOT_FOUND, "%s \"%s\" not found", secret ? "secret" : "configmap",
                                    name ? name : "");
    if (value_count(items))
        return add_items(p, object, secret, items, mode, optional, err);
    if (add_keys(p, object, secret, "data", mode, err) < 0)
        return -1;
    return secret ? 0 : add_keys(p, object, secret, "binaryData", mode, err);
}

static int add_downward(struct payload *p, const struct value *pod, const struct pod_facts *facts,
                        const struct value *items, unsigned mode, struct error *err)
{
    for (size_t i = 0; i < value_count(items); i++) {
        const struct value *item = value_at(items, i);
        const char *field = value_str(value_path(item, "fieldRef", "fieldPath", NULL));
        const struct value *resource = value_get(item, "resourceFieldRef");
        struct payload_file *f = payload_add(p, value_string(value_get(item, "path")), mode_of(item, mode));

        if (!f)
            return error_set(err, ERROR_INVALID, "bad path in downwardAPI items");
        if (field ? !downward_field(pod, facts, field, &f->data)
                  : !downward_resource(pod, facts, "", resource, &f->data))
            return error_set(err, ERROR_INVALID, "unsupported fieldPath: %s", field ? field : "resource");
    }
    return 0;
}

/* Only its own user, and the pod's group where there is one, may read it; everybody when the pod names neither. */
static int add_token(struct payload *p, const struct value *pod, const struct pod_facts *facts,
                     const struct value *source, unsigned mode, struct error *err)
{
    char *name CLEANUP_FREE = token_reference_name(source);
    const struct value *answer = facts->find(facts->find_arg, TOKEN_RESOURCE, name);
    struct slice token = value_string(value_path(answer, "status", "token", NULL));
    bool grouped = value_path(pod, "spec", "securityContext", "fsGroup", NULL) != NULL;
    const char *account = value_str(value_path(pod, "spec", "serviceAccountName", NULL));
    int64_t user = -1;
    bool owned = pod_common_user(pod, &user);
    struct payload_file *f;

    if (!token.len)
        return error_set(err, ERROR_NOT_FOUND, "failed to fetch token: serviceaccounts \"%s\" not found",
                         account ? account : "");
    f = payload_add(p, value_string(value_get(source, "path")), owned || grouped ? 0600 : mode);
    if (!f)
        return error_set(err, ERROR_INVALID, "bad path of a serviceAccountToken source");
    f->owned = owned;
    f->owner = owned ? (uid_t)user : 0;
    buf_append_slice(&f->data, token);
    return 0;
}

/* Rather no pod than one without the certificates it asked for. */
static int check_source(const struct value *source, struct error *err)
{
    static const char *const others[] = {"clusterTrustBundle", "podCertificate"};

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        const struct value *other = value_get(source, others[i]);

        if (other && !value_bool(value_get(other, "optional")))
            return error_set(err, ERROR_INVALID, "a projected %s is not supported by this agent", others[i]);
    }
    return 0;
}

static int add_projected(struct payload *p, const struct value *pod, const struct pod_facts *facts,
                         const struct value *sources, unsigned mode, struct error *err)
{
    for (size_t i = 0; i < value_count(sources); i++) {
        const struct value *s = value_at(sources, i);
        const struct value *map = value_get(s, "configMap");
        const struct value *secret = value_get(s, "secret");
        const struct value *token = value_get(s, "serviceAccountToken");

        if (check_source(s, err) < 0)
            return -1;
        if (map && add_reference(p, facts, "configmaps", map, "name", mode, err) < 0)
            return -1;
        if (secret && add_reference(p, facts, "secrets", secret, "name", mode, err) < 0)
            return -1;
        if (add_downward(p, pod, facts, value_path(s, "downwardAPI", "items", NULL), mode, err) < 0)
            return -1;
        if (token && add_token(p, pod, facts, token, mode, err) < 0)
            return -1;
    }
    return 0;
}

int payload_build(const struct value *pod, const struct pod_facts *facts, const struct value *volume,
                  struct payload *ret_payload, struct error *err)
{
    static const char *const kinds[] = {"configMap", "secret", "downwardAPI", "projected"};

    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        const struct value *source = value_get(volume, kinds[k]);
        const struct value *mode_value = value_get(source, "defaultMode");
        unsigned mode = value_is(mode_value, VALUE_INT) ? (unsigned)value_int(mode_value) & 0777 : MODE_DEFAULT;

        if (!source)
            continue;
        switch (k) {
        case 0:
            return add_reference(ret_payload, facts, "configmaps", source, "name", mode, err);
        case 1:
            return add_reference(ret_payload, facts, "secrets", source, "secretName", mode, err);
        case 2:
            return add_downward(ret_payload, pod, facts, value_get(source, "items"), mode, err);
        default:
            return add_projected(ret_payload, pod, facts, value_get(source, "sources"), mode, err);
        }
    }
    return error_set(err, ERROR_INVALID, "this volume has no files of ours");
}

/* ---- writing ---- */

static void payload_version(const struct payload *p, gid_t group, char ret_name[24])
{
    char hash[SHA256_SIZE * 2 + 1];
    BUF_LOCAL(all);

    for (size_t i = 0; i < p->count; i++) {
        buf_printf(&all, "%s %o %d %zu ", p->files[i].path, p->files[i].mode,
                   p->files[i].owned ? (int)p->files[i].owner : -1, p->files[i].data.len);
        buf_append_slice(&all, buf_slice(&p->files[i].data));
    }
    buf_printf(&all, "%d", (int)group);
    sha256_hex(buf_slice(&all), hash);
    (void)snprintf(ret_name, 24, "..%.16s", hash);
}

/* Makes the directories on the way to a file. With a group, they are the group's to read, and what is in them too. */
static int make_way(const char *version_dir, const char *path, gid_t group, struct error *err)
{
    char *copy CLEANUP_FREE = mem_printf("%s/%s", version_dir, path);

    for (char *p = copy + strlen(version_dir); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (fs_make_dirs(copy, 0755, err) < 0)
            return -1;
        if (group != (gid_t)-1 && (chown(copy, (uid_t)-1, group) || chmod(copy, 02755)))
            return error_set_errno(err, errno, "setting the group of %s", copy);
        *p = '/';
    }
    return 0;
}

static int write_file(const char *version_dir, const struct payload_file *f, gid_t group, struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", version_dir, f->path);
    unsigned mode = group == (gid_t)-1 ? f->mode : f->mode | 0440;

    if (make_way(version_dir, f->path, group, err) < 0 || fs_write(path, buf_slice(&f->data), mode, err) < 0)
        return -1;
    if ((group != (gid_t)-1 || f->owned) && chown(path, f->owned ? f->owner : (uid_t)-1, group))
        return error_set_errno(err, errno, "setting the owner of %s", path);
    return 0;
}

/* Points `dir`/`name` to `target` by rename. */
static int link_to(const char *dir, const char *name, const char *target, struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", dir, name);
    char *temporary CLEANUP_FREE = mem_printf("%s/..tmp_%s", dir, name);

    (void)unlink(temporary);
    if (symlink(target, temporary) || rename(temporary, path))
        return error_set_errno(err, errno, "linking %s", path);
    return 0;
}

struct sweep {
    const char *dir;
    const char *version;
    const struct payload *p;
};

/* Removes versions that hold no more, and links to what is gone. */
static int sweep_one(void *arg, const char *name, struct error *err)
{
    const struct sweep *s = arg;
    char *path CLEANUP_FREE = mem_printf("%s/%s", s->dir, name);
    size_t len = strlen(name);

    if (!strcmp(name, "..data") || !strcmp(name, s->version))
        return 0;
    for (size_t i = 0; i < s->p->count; i++) {
        const char *file = s->p->files[i].path;

        if (!strncmp(file, name, len) && (file[len] == '\0' || file[len] == '/'))
            return 0;
    }
    return fs_remove_tree(path, err);
}

int payload_write(const char *dir, const struct payload *p, gid_t group, struct error *err)
{
    char version[24];
    char now[64];
    char *data CLEANUP_FREE = mem_printf("%s/..data", dir);
    char *version_dir CLEANUP_FREE = NULL;
    struct sweep sweep = {dir, version, p};
    ssize_t n = readlink(data, now, sizeof(now) - 1);

    payload_version(p, group, version);
    if (n > 0 && slice_is(slice_make(now, (size_t)n), version))
        return 0;
    version_dir = mem_printf("%s/%s", dir, version);
    if (fs_make_dirs(version_dir, 0755, err) < 0 || volume_set_group(dir, group, 02050, err) < 0)
        return -1;
    for (size_t i = 0; i < p->count; i++)
        if (write_file(version_dir, &p->files[i], group, err) < 0)
            return -1;
    if (link_to(dir, "..data", version, err) < 0)
        return -1;
    for (size_t i = 0; i < p->count; i++) {
        char *top CLEANUP_FREE = mem_strndup(p->files[i].path, strcspn(p->files[i].path, "/"));
        char *target CLEANUP_FREE = mem_printf("..data/%s", top);

        if (link_to(dir, top, target, err) < 0)
            return -1;
    }
    return fs_each_name(dir, sweep_one, &sweep, err);
}
