/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/kubeconfig.h"

#include <stdio.h>
#include <unistd.h>

#include "api/value.h"
#include "cli/files.h"
#include "lib/encoding.h"
#include "lib/yaml.h"

void kubeconfig_clear(struct kubeconfig *config)
{
    free(config->server);
    free(config->namespace_);
    free(config->token);
    buf_free(&config->ca);
    buf_free(&config->certificate);
    buf_free(&config->key);
    memset(config, 0, sizeof(*config));
}

/* The first of the usual places that can be read; owned by the caller, NULL when there is none. */
static char *usual_place(void)
{
    const char *home = getenv("KNARR_HOME");
    const char *user = getenv("HOME");
    const char *explicit_path = getenv("KUBECONFIG");

    if (explicit_path && explicit_path[0])
        return mem_strndup(explicit_path, strcspn(explicit_path, ":"));
    char *places[] = {
        home ? mem_printf("%s/kubeconfig", home) : NULL,
        mem_strdup("/var/lib/knarr/kubeconfig"),
        user ? mem_printf("%s/.kube/config", user) : NULL,
    };
    char *found = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        if (!found && places[i] && access(places[i], R_OK) == 0)
            found = STEAL(places[i]);
        free(places[i]);
    }
    return found;
}

/* The `inner` object of the list's element of that name. */
static const struct value *named(const struct value *list, const char *name, const char *inner)
{
    for (size_t i = 0; name && i < value_count(list); i++) {
        const struct value *item = value_at(list, i);

        if (slice_is(value_string(value_get(item, "name")), name))
            return value_get(item, inner);
    }
    return NULL;
}

/* "x-data" (base64) or the file that "x" names, beside the kubeconfig when relative. */
static int read_material(const struct value *from, const char *name, const char *beside, struct buf *out,
                         struct error *err)
{
    char *data_name CLEANUP_FREE = mem_printf("%s-data", name);
    const char *data = value_str(value_get(from, data_name));
    const char *path = value_str(value_get(from, name));
    const char *slash = strrchr(beside, '/');

    if (data && data[0])
        return base64_decode(out, slice_str(data)) ? 0
                                                   : error_set(err, ERROR_BAD_REQUEST, "%s is not base64", data_name);
    if (!path || !path[0])
        return 0;
    if (path[0] == '/' || !slash)
        return file_read(path, out, err);
    char *whole CLEANUP_FREE = mem_printf("%.*s/%s", (int)(slash - beside), beside, path);
    return file_read(whole, out, err);
}

static int fill(const struct value *root, const char *path, struct kubeconfig *config, struct error *err)
{
    const char *current = value_str(value_get(root, "current-context"));
    const struct value *context = named(value_get(root, "contexts"), current, "context");
    const struct value *cluster =
        named(value_get(root, "clusters"), value_str(value_get(context, "cluster")), "cluster");
    const struct value *user = named(value_get(root, "users"), value_str(value_get(context, "user")), "user");
    const char *server = value_str(value_get(cluster, "server"));
    const char *ns = value_str(value_get(context, "namespace"));
    const char *token = value_str(value_get(user, "token"));

    if (!server)
        return error_set(err, ERROR_BAD_REQUEST, "%s: current-context names no cluster with a server", path);
    config->server = mem_strdup(server);
    config->namespace_ = mem_strdup(ns && ns[0] ? ns : "default");
    config->token = token ? mem_strdup(token) : NULL;
    if (read_material(cluster, "certificate-authority", path, &config->ca, err) < 0 ||
        read_material(user, "client-certificate", path, &config->certificate, err) < 0 ||
        read_material(user, "client-key", path, &config->key, err) < 0)
        return error_wrap(err, "%s", path);
    return 0;
}

int kubeconfig_load(const char *path, struct kubeconfig *ret_config, struct error *err)
{
    char *found CLEANUP_FREE = path ? mem_strdup(path) : usual_place();
    struct kubeconfig config = {0};
    struct value *root CLEANUP_VALUE = NULL;
    BUF_LOCAL(text);
    BUF_LOCAL(json);

    if (!found)
        return error_set(err, ERROR_NOT_FOUND,
                         "no kubeconfig found; start a cluster with ./up or name one with --kubeconfig");
    if (file_read(found, &text, err) < 0 || yaml_to_json(buf_slice(&text), &json, err) < 0)
        return error_wrap(err, "reading the kubeconfig %s", found);
    root = value_parse(buf_slice(&json), err);
    if (!root || fill(root, found, &config, err) < 0) {
        kubeconfig_clear(&config);
        return -(int)ERROR_BAD_REQUEST;
    }
    *ret_config = config;
    return 0;
}
