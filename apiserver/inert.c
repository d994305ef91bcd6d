/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields and whole kinds that are stored but that nothing acts on yet (the schema marks them; where it depends on the
 * value, a row below): whoever writes one is told so in a Warning header, so that nobody believes in a setting that
 * does nothing.
 */
#include "apiserver/request.h"

#define AFFINITY_DEFAULT_S 10800 /* upstream's DefaultClientIPServiceAffinitySeconds */

struct inert_step {
    const struct inert_step *up;
    struct slice name;              /* of a field; data NULL = the next element */
    const struct schema_type *type; /* whose field it is */
};

/* Of types that contain themselves (schemas) one place stands for all that are deeper: the first step that is of the
 * same type as this one. */
static const struct inert_step *inert_outermost(const struct inert_step *s)
{
    const struct inert_step *outer = s;

    for (const struct inert_step *up = s->up; up; up = up->up)
        if (s->type && up->type == s->type)
            outer = up;
    return outer;
}

static void inert_write_place(const struct inert_step *s, struct buf *out)
{
    const struct inert_step *outer = s ? inert_outermost(s) : NULL;

    if (!s)
        return;
    inert_write_place(outer->up, out);
    if (outer != s)
        buf_append_str(out, "..");
    if (!s->name.data) {
        buf_append_str(out, "[]");
        return;
    }
    if (out->len)
        buf_append_byte(out, '.');
    buf_append_slice(out, s->name);
}

/* ---- what depends on the value ---- */

static bool inert_balancer(const struct value *v)
{
    return slice_is(value_string(value_get(v, "type")), "LoadBalancer");
}

/* The default is for who did not ask for a time. */
static bool inert_timeout(const struct value *v)
{
    const struct value *seconds = value_get(v, "timeoutSeconds");

    return value_is(seconds, VALUE_INT) && value_int(seconds) != AFFINITY_DEFAULT_S;
}

/* Memory keeps to it by itself. */
static bool inert_size(const struct value *v)
{
    return value_get(v, "sizeLimit") && !slice_is(value_string(value_get(v, "medium")), "Memory");
}

static bool inert_storage(const struct value *v)
{
    return value_path(v, "limits", "ephemeral-storage", NULL) != NULL;
}

static bool inert_preemption(const struct value *v)
{
    return !slice_is(value_string(value_get(v, "preemptionPolicy")), "Never");
}

static bool inert_standard(const struct value *v)
{
    const struct value *level = value_path(v, "metadata", "labels", "pod-security.kubernetes.io/enforce", NULL);

    return level && !slice_is(value_string(level), "privileged");
}

/* Only an init container's Always is acted on: it makes a sidecar of it. */
static bool inert_restart(const struct value *v)
{
    const struct value *own = value_get(v, "containers");
    const struct value *init = value_get(v, "initContainers");

    for (size_t i = 0; i < value_count(own); i++)
        if (value_get(value_at(own, i), "restartPolicy"))
            return true;
    for (size_t i = 0; i < value_count(init); i++)
        if (!slice_is(value_string(value_get(value_at(init, i), "restartPolicy")), "Always") &&
            value_get(value_at(init, i), "restartPolicy"))
            return true;
    return false;
}

static const struct inert_case {
    const char *type;
    const char *place;                      /* what is named, below the type */
    bool (*matters)(const struct value *v); /* an object of the type */
    const char *warning;
} inert_cases[] = {
    {"ServiceSpec", "type: LoadBalancer", inert_balancer,
     "this server has no load balancer: the Service works inside and at its node ports, and gets an address only from "
     "a "
     "controller that you run"},
    {"ClientIPConfig", "timeoutSeconds", inert_timeout,
     "this server gives affinity no time: a client keeps its pod for as long as the pod is there"},
    {"EmptyDirVolumeSource", "sizeLimit", inert_size,
     "this server limits volumes in memory only: it is stored, but not enforced"},
    {"ResourceRequirements", "limits.ephemeral-storage", inert_storage,
     "this server counts it when it places pods, but stops no pod that uses more"},
    {"PodSpec", "containers[].restartPolicy", inert_restart,
     "this server starts containers again as the pod's restartPolicy says"},
    {"PriorityClass", "preemptionPolicy", inert_preemption,
     "this server places pods of higher priority first, but drives no others away for them"},
    {"Namespace", "metadata.labels", inert_standard,
     "this server does not check pods against the Pod Security Standards: the label is stored, but refuses nothing"},
};

static void inert_look(struct request *req, const struct schema_type *type, const struct value *v,
                       const struct inert_step *at)
{
    for (size_t i = 0; i < ARRAY_SIZE(inert_cases) && !type->custom; i++) {
        const struct inert_case *c = &inert_cases[i];
        BUF_LOCAL(place);

        if (strcmp(c->type, type->name) != 0 || !c->matters(v))
            continue;
        inert_write_place(at, &place);
        request_warn(req, "%s%s%s: %s", buf_cstr(&place), place.len ? "." : "", c->place, c->warning);
    }
}

/* ---- the walk ---- */

static void inert_walk(struct request *req, const struct schema_type *type, const struct value *v,
                       const struct inert_step *at);

/* A setting that says what holds anyway switches nothing on. */
static bool inert_is_off(const struct value *v)
{
    if (value_is(v, VALUE_STRING))
        return !value_string(v).len;
    if (value_is(v, VALUE_ARRAY) || value_is(v, VALUE_OBJECT))
        return !value_count(v);
    return value_is(v, VALUE_BOOL) ? !value_bool(v) : !v || value_is(v, VALUE_NULL);
}

/* What is told by its form: a schema, a list of them, or what has no fields. */
static const struct schema_field *inert_alternative(const struct schema_type *either, const struct value *v)
{
    for (size_t i = 0; i < either->field_count; i++) {
        const struct schema_field *f = &either->fields[i];

        if (f->base == SCHEMA_OBJECT && value_is(v, f->shape == SCHEMA_LIST ? VALUE_ARRAY : VALUE_OBJECT))
            return f;
    }
    return NULL;
}

static void inert_value(struct request *req, const struct schema_field *f, const struct value *v,
                        const struct inert_step *at)
{
    const struct inert_step element = {at, SLICE_NONE, NULL};
    struct value_iter it = value_iter_start(v);
    struct slice name;
    struct value *member;

    if (f->shape == SCHEMA_ONE)
        inert_walk(req, f->type, v, at);
    for (size_t i = 0; f->shape == SCHEMA_LIST && i < value_count(v); i++)
        inert_walk(req, f->type, value_at(v, i), &element);
    while (f->shape == SCHEMA_MAP && value_iter_next(&it, &name, &member))
        inert_walk(req, f->type, member, &element);
}

static void inert_walk(struct request *req, const struct schema_type *type, const struct value *v,
                       const struct inert_step *at)
{
    struct value_iter it = value_iter_start(v);
    struct slice name;
    struct value *member;

    if (value_is(v, VALUE_OBJECT))
        inert_look(req, type, v, at);
    while (value_is(v, VALUE_OBJECT) && value_iter_next(&it, &name, &member)) {
        const struct schema_field *f = schema_find_field(type, name);
        const struct inert_step step = {at, name, type};
        BUF_LOCAL(place);

        if (!f || inert_is_off(member))
            continue;
        if (f->flags & SCHEMA_NOT_ENFORCED) {
            inert_write_place(&step, &place);
            request_warn(req, "%s is stored, but this server does not act on it", buf_cstr(&place));
        } else if (f->base == SCHEMA_OBJECT && f->type) {
            inert_value(req, f, member, &step);
        } else if (f->base == SCHEMA_EITHER && f->shape == SCHEMA_ONE && (f = inert_alternative(f->type, member))) {
            inert_value(req, f, member, &step);
        }
    }
}

void request_warn_inert(struct request *req, const struct schema_kind *kind, const struct value *body)
{
    if (kind->inert && !*req->info.subresource)
        request_warn(req, "%s", kind->inert);
    inert_walk(req, kind->type, body, NULL);
}
