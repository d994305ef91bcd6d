/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LimitRanges, by upstream's rules (plugin/pkg/admission/limitranger): defaults for containers, bounds and ratios for
 * containers, pods as a whole, and claims. Bounds are compared as whole numbers, or as thousandths where the bound has
 * a fraction.
 */
#include "api/limit_range.h"

#include "api/amounts.h"
#include "api/scan.h"

#define ANNOTATION "kubernetes.io/limit-ranger"

/* ---- defaults ---- */

/* Adds what `list` lacks of `defaults`, and its names to `set`. */
static void fill_list(struct value *resources, const char *list, const struct value *defaults, struct buf *set)
{
    struct value_iter it = value_iter_start(defaults);
    struct slice name;
    struct value *amount;

    while (value_iter_next(&it, &name, &amount)) {
        struct value *amounts = value_need_object(resources, list);

        if (value_get_slice(amounts, name))
            continue;
        value_set_slice(amounts, name, value_copy(amount));
        if (set->len)
            buf_append_str(set, ", ");
        buf_append_slice(set, name);
    }
}

static void note_set(struct buf *notes, const struct buf *set, const char *what, const char *which,
                     const struct value *container)
{
    if (set->len)
        buf_printf(notes, "%s%.*s %s for %s %.*s", notes->len ? "; " : "", SLICE_ARGS(buf_slice(set)), what, which,
                   SLICE_ARGS(value_string(value_get(container, "name"))));
}

static void fill_containers(struct value *containers, const char *which, const struct value *limit, struct buf *notes)
{
    for (size_t i = 0; i < value_count(containers); i++) {
        struct value *resources = value_need_object(value_at(containers, i), "resources");
        BUF_LOCAL(limits);
        BUF_LOCAL(requests);

        fill_list(resources, "limits", value_get(limit, "default"), &limits);
        fill_list(resources, "requests", value_get(limit, "defaultRequest"), &requests);
        note_set(notes, &requests, "request", which, value_at(containers, i));
        note_set(notes, &limits, "limit", which, value_at(containers, i));
    }
}

void limit_range_apply_defaults(const struct value *range, struct value *pod)
{
    const struct value *limits = value_path(range, "spec", "limits", NULL);
    BUF_LOCAL(notes);

    for (size_t i = 0; i < value_count(limits); i++) {
        const struct value *limit = value_at(limits, i);

        if (!slice_is(value_string(value_get(limit, "type")), "Container"))
            continue;
        fill_containers(value_path(pod, "spec", "containers", NULL), "container", limit, &notes);
        fill_containers(value_path(pod, "spec", "initContainers", NULL), "init container", limit, &notes);
    }
    if (notes.len) {
        char *text CLEANUP_FREE = mem_printf("LimitRanger plugin set: %s", buf_cstr(&notes));

        value_set_str(value_need_object(value_need_object(pod, "metadata"), "annotations"), ANNOTATION, text);
    }
}

/* ---- bounds ---- */

struct check {
    struct slice type;
    struct pool *pool;
    bool has_limits; /* claims have none */
    struct buf *why; /* findings, each ended by a NUL */
    size_t count;
};

/* One bound of one resource. */
struct bound {
    struct slice name;
    const struct quantity *enforced;
    const struct quantity *request; /* NULL = none is stated */
    const struct quantity *limit;
};

static void check_add(struct check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void check_add(struct check *c, const char *fmt, ...)
{
    size_t start = c->why->len;
    va_list args;

    va_start(args, fmt);
    buf_vprintf(c->why, fmt, args);
    va_end(args);
    buf_append_byte(c->why, '\0');
    for (size_t at = 0; at < start; at += strlen(c->why->data + at) + 1)
        if (!strcmp(c->why->data + at, c->why->data + start)) {
            c->why->len = start; /* said already, of another container */
            return;
        }
    c->count++;
}

static const char *bound_text(const struct quantity *q, struct buf *out)
{
    buf_reset(out);
    quantity_write(q, out);
    return buf_cstr(out);
}

static int64_t bound_value(const struct bound *b, const struct quantity *q)
{
    return b->enforced->nano % 1000000000 ? quantity_milli(q) : quantity_value(q);
}

/* sign 1: the most; -1: the least. */
static bool bound_is_broken(const struct bound *b, const struct quantity *q, int sign)
{
    int64_t value = bound_value(b, q);
    int64_t enforced = bound_value(b, b->enforced);

    return sign > 0 ? value > enforced : value < enforced;
}

static void check_bound(struct check *c, const struct bound *b, int sign)
{
    const char *side = sign > 0 ? "maximum" : "minimum";
    /* What must be stated: the limit for the most, the request for the least; claims have requests only. */
    bool by_limit = sign > 0 && c->has_limits;
    const struct quantity *first = by_limit ? b->limit : b->request;
    const struct quantity *second = by_limit ? b->request : b->limit;
    const char *names[] = {by_limit ? "limit" : "request", by_limit ? "request" : "limit"};
    BUF_LOCAL(enforced);
    BUF_LOCAL(own);

    if (!first)
        check_add(c, "%s %.*s usage per %.*s is %s.  No %s is specified", side, SLICE_ARGS(b->name),
                  SLICE_ARGS(c->type), bound_text(b->enforced, &enforced), names[0]);
    else if (bound_is_broken(b, first, sign))
        check_add(c, "%s %.*s usage per %.*s is %s, but %s is %s", side, SLICE_ARGS(b->name), SLICE_ARGS(c->type),
                  bound_text(b->enforced, &enforced), names[0], bound_text(first, &own));
    else if (second && bound_is_broken(b, second, sign))
        check_add(c, "%s %.*s usage per %.*s is %s, but %s is %s", side, SLICE_ARGS(b->name), SLICE_ARGS(c->type),
                  bound_text(b->enforced, &enforced), names[1], bound_text(second, &own));
}

static void check_ratio(struct check *c, const struct bound *b)
{
    BUF_LOCAL(enforced);
    const char *missing = !b->request || !b->request->nano ? "request" : !b->limit || !b->limit->nano ? "limit" : NULL;

    (void)bound_text(b->enforced, &enforced);
    if (missing) {
        check_add(c, "%.*s max limit to request ratio per %.*s is %s, but no %s is specified or %s is 0",
                  SLICE_ARGS(b->name), SLICE_ARGS(c->type), buf_cstr(&enforced), missing, missing);
        return;
    }
    double ratio = (double)b->limit->nano / (double)b->request->nano;

    if (ratio > (double)b->enforced->nano / 1e9)
        check_add(c, "%.*s max limit to request ratio per %.*s is %s, but provided ratio is %f", SLICE_ARGS(b->name),
                  SLICE_ARGS(c->type), buf_cstr(&enforced), ratio);
}

/* All bounds of one entry against one set of amounts. limits NULL = the type has none: claims. */
static void check_item(struct check *c, const struct amounts *requests, const struct amounts *limits,
                       struct slice limit)
{
    static const char *const lists[] = {"min", "max", "maxLimitRequestRatio"};

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        struct amounts bounds = {.pool = c->pool};

        c->has_limits = limits;
        if (i == 2 && !limits)
            continue;
        amounts_read(&bounds, scan_get(limit, lists[i]));
        for (size_t k = 0; k < bounds.count; k++) {
            const struct bound b = {bounds.items[k].name, &bounds.items[k].value,
                                    amounts_get(requests, bounds.items[k].name),
                                    limits ? amounts_get(limits, bounds.items[k].name) : NULL};

            if (i == 2)
                check_ratio(c, &b);
            else
                check_bound(c, &b, i ? 1 : -1);
        }
    }
}

static void check_containers(struct check *c, struct slice limit, struct slice containers)
{
    struct scan_cursor at = scan_open(containers);
    struct slice container;

    while (scan_element(&at, &container)) {
        struct amounts requests = {.pool = c->pool};
        struct amounts limits = {.pool = c->pool};

        amounts_read(&requests, scan_get(container, "resources.requests"));
        amounts_read(&limits, scan_get(container, "resources.limits"));
        check_item(c, &requests, &limits, limit);
    }
}

static void check_whole(struct check *c, struct slice limit, const char *kind, struct slice object)
{
    bool pod = !strcmp(kind, "Pod");
    struct amounts requests = {.pool = c->pool};
    struct amounts limits = {.pool = c->pool};

    if (pod) {
        amounts_of_pod(&requests, object, "requests", 0);
        amounts_of_pod(&limits, object, "limits", 0);
    } else {
        amounts_read(&requests, scan_get(object, "spec.resources.requests"));
    }
    check_item(c, &requests, pod ? &limits : NULL, limit);
}

/* "a\0b\0" becomes "a" or "[a, b]". */
static void findings_join(struct buf *why, size_t count)
{
    BUF_LOCAL(text);

    for (size_t at = 0; at < why->len; at += strlen(why->data + at) + 1)
        buf_printf(&text, "%s%s", at ? ", " : count > 1 ? "[" : "", why->data + at);
    if (count > 1)
        buf_append_byte(&text, ']');
    buf_reset(why);
    buf_append_slice(why, buf_slice(&text));
}

bool limit_range_check(struct pool *pool, struct slice range, const char *kind, struct slice object, struct buf *why)
{
    struct scan_cursor at = scan_open(scan_get(range, "spec.limits"));
    struct check c = {.pool = pool, .why = why};
    struct slice limit;

    while (scan_element(&at, &limit)) {
        BUF_LOCAL(scratch);

        c.type = scan_text(scan_get(limit, "type"), &scratch);
        if (slice_is(c.type, kind)) {
            check_whole(&c, limit, kind, object);
        } else if (slice_is(c.type, "Container") && !strcmp(kind, "Pod")) {
            check_containers(&c, limit, scan_get(object, "spec.containers"));
            check_containers(&c, limit, scan_get(object, "spec.initContainers"));
        }
    }
    findings_join(why, c.count);
    return !c.count;
}
