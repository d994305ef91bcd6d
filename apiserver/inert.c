/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields and whole kinds that are stored but that nothing acts on yet (the schema marks them; where it depends on the
 * value, a row below): whoever writes one is told so in a Warning header, so that nobody believes in a setting that
 * does nothing.
 */
#include "apiserver/request.h"

#include <pthread.h>

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

/* ---- where there is something to look for ---- */

/* What a type has: mostly nothing. */
struct inert_marks {
    uint32_t cases;                     /* a bit for each of inert_cases */
    uint64_t names;                     /* inert_bit of each of `fields` */
    const struct schema_field **fields; /* those, its inline ones among them, that are marked or lead to marks */
    size_t count;
    size_t cap;
    bool any; /* of the two */
};

/* Names that share a bit with none of them are passed over. */
static uint64_t inert_bit(struct slice name)
{
    unsigned mix = name.len ? (unsigned char)name.data[0] * 7u + (unsigned char)name.data[name.len - 1] : 0;

    return UINT64_C(1) << ((mix + name.len * 5u) % 64);
}

/* Of every built-in type, in the order of schema_types: made once, then read only. */
static struct inert_marks *inert_by_type;
static pthread_once_t inert_once = PTHREAD_ONCE_INIT;

/* NULL: of a type that users named, which no row of ours marks. */
static struct inert_marks *inert_of(const struct schema_type *type)
{
    size_t count;
    size_t at = (size_t)(type - schema_types(&count));

    return type->custom || at >= count ? NULL : &inert_by_type[at];
}

static bool inert_leads(const struct schema_field *f)
{
    const struct inert_marks *below =
        f->type && (f->base == SCHEMA_OBJECT || f->base == SCHEMA_EITHER) ? inert_of(f->type) : NULL;

    return (f->flags & SCHEMA_NOT_ENFORCED) || (below && below->any);
}

static uint32_t inert_cases_of(const struct schema_type *type)
{
    uint32_t cases = 0;

    _Static_assert(ARRAY_SIZE(inert_cases) <= 32, "a bit for each");
    for (size_t i = 0; i < ARRAY_SIZE(inert_cases); i++)
        if (!strcmp(inert_cases[i].type, type->name))
            cases |= UINT32_C(1) << i;
    return cases;
}

/* Types lead to each other in circles, so this goes round until nothing is new. */
static bool inert_spread(const struct schema_type *types, size_t count)
{
    bool found = false;

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; !inert_by_type[i].any && k < types[i].field_count; k++)
            found = (inert_by_type[i].any = inert_leads(&types[i].fields[k])) || found;
    return found;
}

static void inert_gather(const struct schema_type *type, struct inert_marks *into)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *f = &type->fields[i];

        if (f->flags & SCHEMA_INLINE) {
            inert_gather(f->type, into);
        } else if (inert_leads(f)) {
            into->fields = mem_grow(into->fields, &into->cap, into->count + 1, sizeof(const struct schema_field *));
            into->fields[into->count++] = f;
            into->names |= inert_bit(slice_str(f->name));
        }
    }
}

static void inert_index(void)
{
    size_t count;
    const struct schema_type *types = schema_types(&count);

    inert_by_type = mem_calloc(count, sizeof(*inert_by_type));
    for (size_t i = 0; i < count; i++)
        inert_by_type[i].any = (inert_by_type[i].cases = inert_cases_of(&types[i])) != 0;
    while (inert_spread(types, count))
        ;
    for (size_t i = 0; i < count; i++)
        inert_gather(&types[i], &inert_by_type[i]);
}

static void inert_look(struct request *req, uint32_t cases, const struct value *v, const struct inert_step *at)
{
    for (; cases; cases &= cases - 1) {
        const struct inert_case *c = &inert_cases[__builtin_ctz(cases)];
        BUF_LOCAL(place);

        if (!c->matters(v))
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

static const struct schema_field *inert_field(const struct inert_marks *marks, struct slice name)
{
    for (size_t i = 0; (marks->names & inert_bit(name)) && i < marks->count; i++)
        if (slice_is(name, marks->fields[i]->name))
            return marks->fields[i];
    return NULL;
}

static void inert_walk(struct request *req, const struct schema_type *type, const struct value *v,
                       const struct inert_step *at)
{
    const struct inert_marks *marks = inert_of(type);
    struct value_iter it = value_iter_start(v);
    struct slice name;
    struct value *member;

    if (!marks || !marks->any || !value_is(v, VALUE_OBJECT))
        return;
    inert_look(req, marks->cases, v, at);
    while (value_iter_next(&it, &name, &member)) {
        const struct schema_field *f = inert_field(marks, name);
        const struct inert_step step = {at, name, type};
        BUF_LOCAL(place);

        if (!f || inert_is_off(member))
            continue;
        if (f->flags & SCHEMA_NOT_ENFORCED) {
            inert_write_place(&step, &place);
            request_warn(req, "%s is stored, but this server does not act on it", buf_cstr(&place));
        } else if (f->base == SCHEMA_OBJECT) {
            inert_value(req, f, member, &step);
        } else if (f->shape == SCHEMA_ONE && (f = inert_alternative(f->type, member))) {
            inert_value(req, f, member, &step);
        }
    }
}

void request_warn_inert(struct request *req, const struct schema_kind *kind, const struct value *body)
{
    (void)pthread_once(&inert_once, inert_index);
    if (kind->inert && !*req->info.subresource)
        request_warn(req, "%s", kind->inert);
    inert_walk(req, kind->type, body, NULL);
}
