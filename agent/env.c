/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Environment of a container. Later names replace earlier ones in place; $(NAME) sees what the pod defined so far and
 * never the image's own variables, as upstream has it.
 */
#include "agent/env.h"

#include <stdio.h>

#include "agent/pod_spec.h"
#include "api/quantity.h"
#include "lib/clock.h"
#include "lib/encoding.h"

/* ---- downward API ---- */

static void write_lines(const struct value *map, struct buf *out)
{
    struct value_iter it = value_iter_start(map);
    struct slice name;
    struct value *v;

    while (value_iter_next(&it, &name, &v)) {
        if (out->len)
            buf_append_byte(out, '\n');
        buf_append_slice(out, name);
        buf_append_byte(out, '=');
        json_write_string(out, value_string(v));
    }
}

/* metadata.labels['key']: the key, or nothing. */
static struct slice subscript(struct slice path, const char *prefix)
{
    size_t len = strlen(prefix);

    if (!slice_starts(path, slice_str(prefix)) || path.len < len + 4 || path.data[len] != '[' ||
        !slice_ends(path, SLICE_LIT("']")))
        return SLICE_NONE;
    return slice_make(path.data + len + 2, path.len - len - 4);
}

static bool write_text(const char *text, struct buf *out)
{
    buf_append_str(out, text ? text : "");
    return true;
}

bool downward_field(const struct value *pod, const struct pod_facts *facts, const char *path, struct buf *out)
{
    const struct {
        const char *path;
        const char *text;
    } plain[] = {
        {"metadata.name", pod_name(pod)},
        {"metadata.namespace", pod_namespace(pod)},
        {"metadata.uid", pod_uid(pod)},
        {"spec.nodeName", facts->node_name},
        {"spec.serviceAccountName", value_str(value_path(pod, "spec", "serviceAccountName", NULL))},
        {"status.hostIP", facts->host_ip},
        {"status.hostIPs", facts->host_ip},
        {"status.podIP", facts->pod_ip},
        {"status.podIPs", facts->pod_ip},
    };
    static const char *const maps[] = {"labels", "annotations"};

    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        if (!strcmp(plain[i].path, path))
            return write_text(plain[i].text, out);
    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        const struct value *map = value_path(pod, "metadata", maps[i], NULL);
        char full[32];
        struct slice key;

        (void)snprintf(full, sizeof(full), "metadata.%s", maps[i]);
        key = subscript(slice_str(path), full);
        if (!strcmp(path, full)) {
            write_lines(map, out);
            return true;
        }
        if (key.data) {
            buf_append_slice(out, value_string(value_get_slice(map, key)));
            return true;
        }
    }
    return false;
}

static const struct value *find_container(const struct value *pod, const char *name)
{
    const struct value *found = NULL;

    for (int kind = 0; kind < CONTAINER_KINDS && !found; kind++)
        found = container_named(value_path(pod, "spec", container_list((enum container_kind)kind), NULL), name);
    return found;
}

bool downward_resource(const struct value *pod, const struct pod_facts *facts, const char *container_name,
                       const struct value *ref, struct buf *out)
{
    const char *named = object_text(ref, "containerName");
    const struct value *container = find_container(pod, named && *named ? named : container_name);
    const char *what = object_text(ref, "resource");
    const char *resource = what ? strchr(what, '.') : NULL;
    struct quantity divisor = {.nano = NS_PER_S};
    struct quantity q = {0};
    struct slice text = value_string(value_get(ref, "divisor"));
    const struct value *list;
    __int128 whole;

    if (!container || !resource)
        return false;
    list = value_path(container, "resources", *what == 'l' ? "limits" : "requests", NULL);
    resource++;
    if (!quantity_parse(value_string(value_get(list, resource)), &q, NULL)) {
        /* found */
    } else if (*what == 'l' && !strcmp(resource, "cpu")) {
        q.nano = (__int128)facts->node_cpu_milli * 1000000;
    } else if (*what == 'l' && !strcmp(resource, "memory")) {
        q.nano = (__int128)facts->node_memory * NS_PER_S;
    }
    if (!text.len || quantity_parse(text, &divisor, NULL) < 0 || divisor.nano <= 0)
        divisor.nano = NS_PER_S;
    whole = (q.nano + divisor.nano - 1) / divisor.nano;
    buf_printf(out, "%lld", (long long)whole);
    return true;
}

/* ---- expansion ---- */

static struct slice env_find(const struct str_list *env, struct slice name)
{
    for (size_t i = env->count; i-- > 0;) {
        struct slice item = slice_str(env->items[i]);

        if (item.len > name.len && item.data[name.len] == '=' && slice_starts(item, name))
            return slice_from(item, name.len + 1);
    }
    return SLICE_NONE;
}

void env_expand(struct slice text, const struct str_list *env, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        struct slice rest = slice_from(text, i);
        struct slice value;
        ptrdiff_t close;

        if (rest.data[0] != '$' || rest.len < 2 || (rest.data[1] != '$' && rest.data[1] != '(')) {
            buf_append_byte(out, rest.data[0]);
            continue;
        }
        if (rest.data[1] == '$') {
            buf_append_byte(out, '$');
            i++;
            continue;
        }
        close = slice_find(rest, ')');
        if (close < 0) {
            buf_append_slice(out, rest);
            return;
        }
        value = env_find(env, slice_make(rest.data + 2, (size_t)close - 2));
        buf_append_slice(out, value.data ? value : slice_make(rest.data, (size_t)close + 1));
        i += (size_t)close;
    }
}

/* ---- building ---- */

struct env_builder {
    const struct value *pod;
    const struct value *container;
    const struct pod_facts *facts;
    struct str_list own; /* what the pod defines */
};

/* Replaces the variable of the same name, or adds it. */
static void env_set(struct str_list *env, struct slice name, struct slice value)
{
    char *item = mem_printf("%.*s=%.*s", SLICE_ARGS(name), SLICE_ARGS(value));

    for (size_t i = 0; i < env->count; i++) {
        if (slice_starts(slice_str(env->items[i]), slice_make(item, name.len + 1))) {
            free(env->items[i]);
            env->items[i] = item;
            return;
        }
    }
    str_list_take(env, item);
}

static const char *singular(const char *resource)
{
    return *resource == 'c' ? "configmap" : "secret";
}

/* The text of one key of a ConfigMap, or the decoded one of a Secret. */
static bool reference_key(const struct value *object, const char *resource, struct slice key, struct buf *out)
{
    const struct value *v = value_get_slice(value_get(object, "data"), key);

    if (!value_is(v, VALUE_STRING))
        return false;
    if (*resource == 's')
        return base64_decode(out, value_string(v));
    buf_append_slice(out, value_string(v));
    return true;
}

static int env_from_key(struct env_builder *b, const char *resource, const struct value *ref, bool *ret_found,
                        struct buf *out, struct error *err)
{
    const char *name = object_text(ref, "name");
    struct slice key = value_string(value_get(ref, "key"));
    const struct value *object = b->facts->find(b->facts->find_arg, resource, name ? name : "");
    bool optional = value_bool(value_get(ref, "optional"));

    *ret_found = object && reference_key(object, resource, key, out);
    if (*ret_found || optional)
        return 0;
    if (!object)
        return error_set(err, ERROR_NOT_FOUND, "%s \"%s\" not found", singular(resource), name ? name : "");
    return error_set(err, ERROR_NOT_FOUND, "couldn't find key %.*s in %s %s/%s", SLICE_ARGS(key),
                     *resource == 'c' ? "ConfigMap" : "Secret", pod_namespace(b->pod), name ? name : "");
}

static int env_value_from(struct env_builder *b, const struct value *source, bool *ret_found, struct buf *out,
                          struct error *err)
{
    const struct value *ref = value_get(source, "fieldRef");
    const char *path = object_text(ref, "fieldPath");

    *ret_found = true;
    if (path)
        return downward_field(b->pod, b->facts, path, out)
                   ? 0
                   : error_set(err, ERROR_INVALID, "unsupported fieldPath: %s", path);
    ref = value_get(source, "resourceFieldRef");
    if (ref)
        return downward_resource(b->pod, b->facts, object_text(b->container, "name"), ref, out)
                   ? 0
                   : error_set(err, ERROR_INVALID, "unsupported container resource");
    ref = value_get(source, "configMapKeyRef");
    if (ref)
        return env_from_key(b, "configmaps", ref, ret_found, out, err);
    ref = value_get(source, "secretKeyRef");
    if (ref)
        return env_from_key(b, "secrets", ref, ret_found, out, err);
    *ret_found = false;
    ref = value_get(source, "fileKeyRef");
    if (ref && !value_bool(value_get(ref, "optional")))
        return error_set(err, ERROR_INVALID, "variables from files are not supported by this agent");
    return 0;
}

static int env_add_one(struct env_builder *b, const struct value *item, struct error *err)
{
    const struct value *source = value_get(item, "valueFrom");
    bool found = true;
    BUF_LOCAL(text);

    if (source) {
        if (env_value_from(b, source, &found, &text, err) < 0)
            return -1;
    } else {
        env_expand(value_string(value_get(item, "value")), &b->own, &text);
    }
    if (found)
        env_set(&b->own, value_string(value_get(item, "name")), buf_slice(&text));
    return 0;
}

static int env_add_all(struct env_builder *b, const char *resource, const struct value *ref, struct slice prefix,
                       struct error *err)
{
    const char *name = object_text(ref, "name");
    const struct value *object = b->facts->find(b->facts->find_arg, resource, name ? name : "");
    struct value_iter it = value_iter_start(value_get(object, "data"));
    struct slice key;
    struct value *v;

    if (!object)
        return value_bool(value_get(ref, "optional"))
                   ? 0
                   : error_set(err, ERROR_NOT_FOUND, "%s \"%s\" not found", singular(resource), name ? name : "");
    while (value_iter_next(&it, &key, &v)) {
        BUF_LOCAL(full);
        BUF_LOCAL(text);

        buf_append_slice(&full, prefix);
        buf_append_slice(&full, key);
        if (full.len && slice_find(buf_slice(&full), '=') < 0 && reference_key(object, resource, key, &text))
            env_set(&b->own, buf_slice(&full), buf_slice(&text));
    }
    return 0;
}

static int env_own(struct env_builder *b, struct error *err)
{
    const struct value *from = value_get(b->container, "envFrom");
    const struct value *env = value_get(b->container, "env");

    for (size_t i = 0; b->facts->services && i < b->facts->services->count; i++)
        str_list_add(&b->own, b->facts->services->items[i]);
    for (size_t i = 0; i < value_count(from); i++) {
        const struct value *item = value_at(from, i);
        const struct value *map = value_get(item, "configMapRef");
        const struct value *secret = value_get(item, "secretRef");
        struct slice prefix = value_string(value_get(item, "prefix"));

        if (map && env_add_all(b, "configmaps", map, prefix, err) < 0)
            return -1;
        if (secret && env_add_all(b, "secrets", secret, prefix, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < value_count(env); i++)
        if (env_add_one(b, value_at(env, i), err) < 0)
            return -1;
    return 0;
}

int env_build(const struct value *pod, const struct value *container, const struct value *image_config,
              const struct pod_facts *facts, struct str_list *ret_env, struct error *err)
{
    struct env_builder b = {.pod = pod, .container = container, .facts = facts};
    const struct value *image = value_get(image_config, "Env");
    int r = env_own(&b, err);

    if (!r) {
        for (size_t i = 0; i < value_count(image); i++)
            str_list_take(ret_env, slice_dup(value_string(value_at(image, i))));
        for (size_t i = 0; i < b.own.count; i++) {
            struct slice value = slice_str(b.own.items[i]);
            struct slice name;

            (void)slice_split(&value, '=', &name);
            env_set(ret_env, name, value);
        }
    }
    str_list_clear(&b.own);
    return r;
}

static void append_expanded(const struct value *list, const struct str_list *env, struct str_list *out)
{
    for (size_t i = 0; i < value_count(list); i++) {
        BUF_LOCAL(text);

        env_expand(value_string(value_at(list, i)), env, &text);
        str_list_take(out, buf_steal_str(&text));
    }
}

static void append_plain(const struct value *list, struct str_list *out)
{
    for (size_t i = 0; i < value_count(list); i++)
        str_list_take(out, slice_dup(value_string(value_at(list, i))));
}

int env_command(const struct value *pod, const struct value *container, const struct value *image_config,
                const struct pod_facts *facts, struct str_list *ret_args, struct error *err)
{
    struct env_builder b = {.pod = pod, .container = container, .facts = facts};
    const struct value *command = value_get(container, "command");
    const struct value *args = value_get(container, "args");
    int r = env_own(&b, err);

    if (r < 0) {
        str_list_clear(&b.own);
        return r;
    }
    append_expanded(command, &b.own, ret_args);
    if (!value_count(command))
        append_plain(value_get(image_config, "Entrypoint"), ret_args);
    append_expanded(args, &b.own, ret_args);
    /* A command of one's own drops the image's arguments. */
    if (!value_count(args) && !value_count(command))
        append_plain(value_get(image_config, "Cmd"), ret_args);
    str_list_clear(&b.own);
    return ret_args->count ? 0 : error_set(err, ERROR_INVALID, "no command specified");
}
