/* SPDX-License-Identifier: Apache-2.0 */
/* Short sorted arrays: an object names a handful of resources, so that nothing cleverer would be faster. */
#include "api/amounts.h"

#include "api/scan.h"

/* The place of the name, or where it belongs. */
static size_t amounts_find(const struct amounts *a, struct slice name, bool *ret_found)
{
    size_t low = 0;
    size_t high = a->count;

    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_compare(a->items[middle].name, name);

        if (!order) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct quantity *amounts_get(const struct amounts *a, struct slice name)
{
    bool found;
    size_t at = amounts_find(a, name, &found);

    return found ? &a->items[at].value : NULL;
}

struct quantity *amounts_need(struct amounts *a, struct slice name)
{
    bool found;
    size_t at = amounts_find(a, name, &found);

    if (found)
        return &a->items[at].value;
    if (a->count == a->cap) {
        struct amount *items = pool_alloc(a->pool, (a->cap ? a->cap * 2 : 8) * sizeof(*items));

        if (a->count)
            memcpy(items, a->items, a->count * sizeof(*items));
        a->items = items;
        a->cap = a->cap ? a->cap * 2 : 8;
    }
    memmove(&a->items[at + 1], &a->items[at], (a->count - at) * sizeof(*a->items));
    a->items[at] = (struct amount){name, {0, 'd'}};
    a->count++;
    return &a->items[at].value;
}

void amounts_read(struct amounts *to, struct slice json)
{
    struct scan_cursor at = scan_open(json);
    struct slice name;
    struct slice raw;

    while (scan_member(&at, &name, &raw)) {
        struct quantity q;

        if (scan_is_string(raw) && raw.len >= 2)
            raw = slice_make(raw.data + 1, raw.len - 2); /* no quantity has an escape in it */
        if (quantity_parse(raw, &q, NULL) == 0)
            quantity_add(amounts_need(to, name), &q);
    }
}

void amounts_add(struct amounts *to, const struct amounts *more)
{
    for (size_t i = 0; i < more->count; i++)
        quantity_add(amounts_need(to, more->items[i].name), &more->items[i].value);
}

void amounts_subtract(struct amounts *from, const struct amounts *less)
{
    for (size_t i = 0; i < less->count; i++)
        quantity_subtract(amounts_need(from, less->items[i].name), &less->items[i].value);
}

void amounts_raise(struct amounts *to, const struct amounts *other)
{
    for (size_t i = 0; i < other->count; i++) {
        struct quantity *value = amounts_need(to, other->items[i].name);

        if (quantity_compare(value, &other->items[i].value) < 0)
            *value = other->items[i].value;
    }
}

void amounts_write(const struct amounts *a, struct buf *out)
{
    buf_append_byte(out, '{');
    for (size_t i = 0; i < a->count; i++) {
        buf_printf(out, "%s\"%.*s\":\"", i ? "," : "", SLICE_ARGS(a->items[i].name));
        quantity_write(&a->items[i].value, out);
        buf_append_byte(out, '"');
    }
    buf_append_byte(out, '}');
}

/* ---- pods ---- */

static struct slice container_list(struct slice container, const char *list)
{
    return scan_get(scan_get(container, "resources"), list);
}

/* A pod whose amounts are being added up. */
struct pod_sum {
    struct slice pod;
    const char *list;
    bool actual;     /* what the node says that a container has counts as well */
    bool infeasible; /* ... and alone: what was asked for since will never be */
};

static bool resize_is_infeasible(struct slice pod)
{
    struct scan_cursor at = scan_open(scan_get(pod, "status.conditions"));
    struct slice condition;

    while (scan_element(&at, &condition))
        if (scan_text_is(scan_get(condition, "type"), "PodResizePending"))
            return scan_text_is(scan_get(condition, "reason"), "Infeasible");
    return false;
}

static struct slice status_of(struct slice statuses, struct slice container)
{
    struct scan_cursor at = scan_open(statuses);
    struct slice name = scan_get(container, "name");
    struct slice status;

    while (name.data && scan_element(&at, &status))
        if (slice_equal(scan_get(status, "name"), name))
            return status;
    return SLICE_NONE;
}

/* `statuses`: where the node's word on it is; NULL = nowhere. */
static void container_add(struct amounts *to, const struct pod_sum *p, struct slice container, const char *statuses)
{
    struct amounts asked = {.pool = to->pool};
    struct amounts actual = {.pool = to->pool};
    struct amounts allocated = {.pool = to->pool};
    struct slice status = p->actual && statuses ? status_of(scan_get(p->pod, statuses), container) : SLICE_NONE;
    bool told = scan_get(status, "resources").data != NULL;

    if (told)
        amounts_read(&actual, container_list(status, p->list));
    if (told && !strcmp(p->list, "requests"))
        amounts_read(&allocated, scan_get(status, "allocatedResources"));
    if (!told || !p->infeasible)
        amounts_read(&asked, container_list(container, p->list));
    amounts_raise(&asked, &actual);
    amounts_raise(&asked, &allocated);
    amounts_add(to, &asked);
}

static void pod_add_init(struct amounts *total, const struct pod_sum *p)
{
    struct scan_cursor at = scan_open(scan_get(p->pod, "spec.initContainers"));
    struct amounts sidecars = {.pool = total->pool};
    struct amounts peak = {.pool = total->pool};
    struct slice container;

    while (scan_element(&at, &container)) {
        struct amounts moment = {.pool = total->pool};

        if (scan_text_is(scan_get(container, "restartPolicy"), "Always"))
            container_add(&sidecars, p, container, "status.initContainerStatuses");
        else
            container_add(&moment, p, container, NULL);
        amounts_add(&moment, &sidecars);
        amounts_raise(&peak, &moment);
    }
    amounts_add(total, &sidecars);
    amounts_raise(total, &peak);
}

/* Other resources cannot be stated for a pod as a whole. */
static bool pod_level_counts(struct slice name)
{
    return slice_is(name, "cpu") || slice_is(name, "memory") || slice_starts(name, SLICE_LIT("hugepages-"));
}

static void pod_set_own(struct amounts *total, struct slice pod, const char *list)
{
    struct amounts own = {.pool = total->pool};

    amounts_read(&own, scan_get(scan_get(pod, "spec.resources"), list));
    for (size_t i = 0; i < own.count; i++)
        if (pod_level_counts(own.items[i].name))
            *amounts_need(total, own.items[i].name) = own.items[i].value;
}

/* Overhead is a request; it is a limit only where there is one. */
static void pod_add_overhead(struct amounts *total, struct slice pod, bool limits)
{
    struct amounts overhead = {.pool = total->pool};

    amounts_read(&overhead, scan_get(pod, "spec.overhead"));
    for (size_t i = 0; i < overhead.count; i++) {
        const struct quantity *there = amounts_get(total, overhead.items[i].name);

        if (!limits || (there && there->nano))
            quantity_add(amounts_need(total, overhead.items[i].name), &overhead.items[i].value);
    }
}

void amounts_of_pod(struct amounts *to, struct slice pod, const char *list, unsigned flags)
{
    const struct pod_sum p = {.pod = pod,
                              .list = list,
                              .actual = flags & AMOUNTS_ACTUAL,
                              .infeasible = (flags & AMOUNTS_ACTUAL) && resize_is_infeasible(pod)};
    struct scan_cursor at = scan_open(scan_get(pod, "spec.containers"));
    struct slice container;

    while (scan_element(&at, &container))
        container_add(to, &p, container, "status.containerStatuses");
    pod_add_init(to, &p);
    pod_set_own(to, pod, list);
    if (flags & AMOUNTS_OVERHEAD)
        pod_add_overhead(to, pod, !strcmp(list, "limits"));
}
