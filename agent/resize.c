/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/resize.h"

#include "agent/pod_spec.h"

static const char *const lists[] = {"requests", "limits"};
static const char *const names[] = {"cpu", "memory"};

/* In the smallest unit that counts; -1 = it is not stated. */
static int64_t amount_of(const struct value *resources, size_t list, size_t name)
{
    const struct value *amounts = value_get(resources, lists[list]);

    if (!value_get(amounts, names[name]))
        return -1;
    return name ? object_quantity(amounts, names[name]) : object_quantity_milli(amounts, names[name]);
}

static bool same_amounts(const struct value *a, const struct value *b, size_t name)
{
    for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
        if (amount_of(a, l, name) != amount_of(b, l, name))
            return false;
    return true;
}

bool resize_same(const struct value *a, const struct value *b)
{
    return same_amounts(a, b, 0) && same_amounts(a, b, 1);
}

bool resize_needs_restart(const struct value *container, const struct value *from, const struct value *to)
{
    const struct value *policies = value_get(container, "resizePolicy");

    for (size_t i = 0; i < value_count(policies); i++) {
        const struct value *p = value_at(policies, i);

        for (size_t n = 0; n < ARRAY_SIZE(names); n++)
            if (slice_is(value_string(value_get(p, "resourceName")), names[n]) &&
                slice_is(value_string(value_get(p, "restartPolicy")), "RestartContainer") && !same_amounts(from, to, n))
                return true;
    }
    return false;
}

void resize_set(struct value *container, const struct value *resources)
{
    struct value *own = value_need_object(container, "resources");

    for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
        const struct value *source = value_get(resources, lists[l]);

        for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
            const struct value *amount = value_get(source, names[n]);

            if (amount)
                value_set(value_need_object(own, lists[l]), names[n], value_copy(amount));
            else
                (void)value_remove(value_get(own, lists[l]), names[n]);
        }
    }
}

struct value *resize_of_status(const struct value *status, const struct value *own)
{
    const struct value *allocated = value_get(status, "allocatedResources");
    const struct value *limits = value_path(status, "resources", "limits", NULL);
    struct value *resources;

    if (!allocated)
        return NULL;
    resources = value_new_object();
    value_set(resources, "requests", value_copy(allocated));
    if (limits)
        value_set(resources, "limits", value_copy(limits));
    for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
        const struct value *limit = value_path(own, "limits", names[n], NULL);

        if (limit && !value_get(limits, names[n]))
            value_set(value_need_object(resources, "limits"), names[n], value_copy(limit));
    }
    return resources;
}

bool resize_is_possible(const struct value *container, bool init)
{
    return !init || container_is_sidecar(container);
}

/* ---- what a pod asks for ---- */

static void amounts_add(struct resize_amounts *to, const struct resize_amounts *more)
{
    if (__builtin_add_overflow(to->cpu_milli, more->cpu_milli, &to->cpu_milli))
        to->cpu_milli = INT64_MAX;
    if (__builtin_add_overflow(to->memory, more->memory, &to->memory))
        to->memory = INT64_MAX;
}

static void amounts_max(struct resize_amounts *to, const struct resize_amounts *other)
{
    if (other->cpu_milli > to->cpu_milli)
        to->cpu_milli = other->cpu_milli;
    if (other->memory > to->memory)
        to->memory = other->memory;
}

static struct resize_amounts amounts_read(const struct value *requests)
{
    return (struct resize_amounts){object_quantity_milli(requests, "cpu"), object_quantity(requests, "memory")};
}

/* What is said for the pod as a whole counts instead of the sum. */
static void amounts_of_whole(struct resize_amounts *total, const struct value *requests)
{
    struct resize_amounts whole = amounts_read(requests);

    if (value_get(requests, "cpu"))
        total->cpu_milli = whole.cpu_milli;
    if (value_get(requests, "memory"))
        total->memory = whole.memory;
}

struct resize_amounts resize_pod_requests(const struct value *pod)
{
    const struct value *containers = value_path(pod, "spec", "containers", NULL);
    const struct value *init = value_path(pod, "spec", "initContainers", NULL);
    struct resize_amounts overhead = amounts_read(value_path(pod, "spec", "overhead", NULL));
    struct resize_amounts total = {0};
    struct resize_amounts sidecars = {0};
    struct resize_amounts peak = {0};

    for (size_t i = 0; i < value_count(init); i++) {
        struct resize_amounts own = amounts_read(value_path(value_at(init, i), "resources", "requests", NULL));
        bool sidecar = container_is_sidecar(value_at(init, i));

        amounts_add(&own, &sidecars);
        amounts_max(&peak, &own);
        if (sidecar)
            sidecars = own;
    }
    for (size_t i = 0; i < value_count(containers); i++) {
        struct resize_amounts own = amounts_read(value_path(value_at(containers, i), "resources", "requests", NULL));

        amounts_add(&total, &own);
    }
    amounts_add(&total, &sidecars);
    amounts_max(&total, &peak);
    amounts_of_whole(&total, value_path(pod, "spec", "resources", "requests", NULL));
    amounts_add(&total, &overhead);
    return total;
}

/* ---- the judgement ---- */

static bool lacks(int64_t now, int64_t wanted, int64_t others, int64_t room)
{
    return wanted > now && (wanted > room || others > room - wanted);
}

enum resize_verdict resize_judge(const struct resize_amounts *now, const struct resize_amounts *wanted,
                                 const struct resize_amounts *others, const struct resize_amounts *room,
                                 struct buf *why)
{
    const struct {
        const char *name;
        int64_t now, wanted, others, room;
    } rows[] = {
        {"memory", now->memory, wanted->memory, others->memory, room->memory},
        {"cpu", now->cpu_milli, wanted->cpu_milli, others->cpu_milli, room->cpu_milli},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].wanted > rows[i].now && rows[i].wanted > rows[i].room) {
            buf_printf(why, "Node didn't have enough capacity: %s, requested: %lld, capacity: %lld", rows[i].name,
                       (long long)rows[i].wanted, (long long)rows[i].room);
            return RESIZE_INFEASIBLE;
        }
    for (size_t i = ARRAY_SIZE(rows); i-- > 0;)
        if (lacks(rows[i].now, rows[i].wanted, rows[i].others, rows[i].room)) {
            buf_printf(why, "Node didn't have enough resource: %s, requested: %lld, used: %lld, capacity: %lld",
                       rows[i].name, (long long)rows[i].wanted, (long long)rows[i].others, (long long)rows[i].room);
            return RESIZE_DEFERRED;
        }
    return RESIZE_FITS;
}

/* ---- limits of groups ---- */

static int64_t wider(int64_t a, int64_t b)
{
    return a <= 0 || b <= 0 ? 0 : a > b ? a : b; /* 0 is no limit */
}

void resize_widen(struct cgroup_limits *to, const struct cgroup_limits *other)
{
    to->cpu_limit_milli = wider(to->cpu_limit_milli, other->cpu_limit_milli);
    to->memory_limit = wider(to->memory_limit, other->memory_limit);
    if (other->cpu_request_milli > to->cpu_request_milli)
        to->cpu_request_milli = other->cpu_request_milli;
}

bool resize_limits_equal(const struct cgroup_limits *a, const struct cgroup_limits *b)
{
    return a->cpu_request_milli == b->cpu_request_milli && a->cpu_limit_milli == b->cpu_limit_milli &&
           a->memory_limit == b->memory_limit;
}

bool resize_narrows_memory(const struct cgroup_limits *from, const struct cgroup_limits *to)
{
    return to->memory_limit > 0 && (from->memory_limit <= 0 || to->memory_limit < from->memory_limit);
}

/* ---- events ---- */

static void event_add(struct value *list, const struct value *containers, bool init)
{
    for (size_t i = 0; i < value_count(containers); i++) {
        const struct value *c = value_at(containers, i);
        struct value *item;

        if (!resize_is_possible(c, init))
            continue;
        item = value_new_object();
        value_set_str(item, "name", object_text(c, "name") ? object_text(c, "name") : "");
        if (value_get(c, "resources"))
            value_set(item, "resources", value_copy(value_get(c, "resources")));
        value_append(list, item);
    }
}

void resize_write_event(const struct value *pod, int64_t generation, const char *error, struct buf *out)
{
    struct value *event CLEANUP_VALUE = value_new_object();
    struct value *list = value_need_array(event, "containers");

    event_add(list, value_path(pod, "spec", "initContainers", NULL), true);
    event_add(list, value_path(pod, "spec", "containers", NULL), false);
    value_set(event, "generation", value_new_int(generation));
    if (error)
        value_set_str(event, "error", error);
    value_write(event, out);
}
