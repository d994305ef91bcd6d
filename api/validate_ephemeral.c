/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers that are added to a pod that runs. They look into it and are no part of it: nothing that the pod's
 * traffic, readiness or place on a node would depend on may be said of them, and what was added once stays as it is.
 */
#include "api/validate_internal.h"
#include "lib/map.h"

#define WHY "cannot be set for an Ephemeral Container"

/* What may be said; a field that is newer than this list may not until somebody has thought of it. */
static bool ephemeral_may_have(struct slice name)
{
    static const char *const allowed[] = {"name",
                                          "image",
                                          "command",
                                          "args",
                                          "workingDir",
                                          "envFrom",
                                          "env",
                                          "volumeMounts",
                                          "volumeDevices",
                                          "terminationMessagePath",
                                          "tty",
                                          "terminationMessagePolicy",
                                          "stdin",
                                          "imagePullPolicy",
                                          "stdinOnce",
                                          "securityContext",
                                          "targetContainerName"};

    for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
        if (slice_is(name, allowed[i]))
            return true;
    return false;
}

/* An empty object or list says nothing. */
static bool ephemeral_says_nothing(const struct value *v)
{
    return (value_is(v, VALUE_OBJECT) || value_is(v, VALUE_ARRAY)) && !value_count(v);
}

/* A mount of a part of a volume would stay until the pod ends. */
static void check_ephemeral_mounts(const struct rule_site *s, const struct vpath *at, const struct value *container)
{
    static const char *const parts[] = {"subPath", "subPathExpr"};
    const struct value *mounts = value_get(container, "volumeMounts");

    for (size_t i = 0; i < value_count(mounts); i++)
        for (size_t p = 0; p < ARRAY_SIZE(parts); p++)
            if (value_string(value_get(value_at(mounts, i), parts[p])).len)
                report_forbidden(s->v, VFIELD(VINDEX(VFIELD(at, "volumeMounts"), i), parts[p]), WHY);
}

void check_ephemeral_container(const struct rule_site *s, const struct map *targets, const struct vpath *at,
                               const struct value *container)
{
    struct slice target = value_string(value_get(container, "targetContainerName"));
    struct value_iter it = value_iter_start(container);
    struct slice name;
    struct value *v;

    if (target.len && !map_get(targets, target))
        report_not_found(s->v, VFIELD(at, "targetContainerName"), target);
    while (value_iter_next(&it, &name, &v)) {
        const struct vpath here = {.up = at, .step = VPATH_FIELD, .name = name};

        if (!ephemeral_may_have(name) && !ephemeral_says_nothing(v))
            report_forbidden(s->v, &here, WHY);
    }
    check_ephemeral_mounts(s, at, container);
}

/* Only the node that runs a pod of its own files knows it whole. */
static bool is_mirror(const struct value *pod)
{
    return value_path(pod, "metadata", "annotations", "kubernetes.io/config.mirror", NULL) != NULL;
}

/* By name; how many there are nobody bounds. */
static void read_names(const struct value *list, struct map *ret_names)
{
    for (size_t i = 0; i < value_count(list); i++)
        (void)map_put(ret_names, value_string(value_get(value_at(list, i), "name")), (void *)value_at(list, i));
}

void check_ephemeral_update(struct validator *v)
{
    const struct vpath *at = VFIELD(VFIELD(NULL, "spec"), "ephemeralContainers");
    const struct value *now = value_path(v->object, "spec", "ephemeralContainers", NULL);
    const struct value *before = value_path(v->old, "spec", "ephemeralContainers", NULL);
    struct map names = {0};

    if (is_mirror(v->old)) {
        report_forbidden(v, VFIELD(NULL, ""), "static pods do not support ephemeral containers");
        return;
    }
    read_names(now, &names);
    for (size_t i = 0; i < value_count(before); i++) {
        struct slice name = value_string(value_get(value_at(before, i), "name"));
        const struct value *kept = map_get(&names, name);
        char *why CLEANUP_FREE = NULL;

        if (kept && value_equal(kept, value_at(before, i)))
            continue;
        why = mem_printf("existing ephemeral containers \"%.*s\" may not be %s\n", SLICE_ARGS(name),
                         kept ? "changed" : "removed");
        report_forbidden(v, at, why);
    }
    map_clear(&names, NULL);
}
