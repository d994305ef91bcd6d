/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule is five lists of texts. "*" stands for all; a resource "*" + "/scale" is that subresource of all; a path may
 * end in "*". Names that are not listed are all names.
 */
#include "apiserver/rbac_rules.h"

#include <stdlib.h>

#include "lib/encoding.h"
#include "lib/map.h"

static const char *const rbac_part_names[RBAC_PARTS] = {
    [RBAC_VERBS] = "verbs",         [RBAC_GROUPS] = "apiGroups",     [RBAC_RESOURCES] = "resources",
    [RBAC_NAMES] = "resourceNames", [RBAC_URLS] = "nonResourceURLs",
};

static struct rbac_texts rbac_texts_read(struct pool *pool, const struct value *list)
{
    size_t count = value_count(list);
    struct slice *items = count ? pool_alloc(pool, count * sizeof(*items)) : NULL;

    for (size_t i = 0; i < count; i++) {
        struct slice text = value_string(value_at(list, i));

        items[i] = slice_make(pool_slice_dup(pool, text), text.len);
    }
    return (struct rbac_texts){items, count};
}

struct rbac_rules rbac_rules_read(struct pool *pool, const struct value *rules)
{
    size_t count = value_count(rules);
    struct rbac_rule *items = count ? pool_alloc(pool, count * sizeof(*items)) : NULL;

    for (size_t i = 0; i < count; i++)
        for (size_t p = 0; p < RBAC_PARTS; p++)
            items[i].part[p] = rbac_texts_read(pool, value_get(value_at(rules, i), rbac_part_names[p]));
    return (struct rbac_rules){items, count};
}

struct value *rbac_texts_value(const struct rbac_texts *texts)
{
    struct value *list = texts->count ? value_new_array() : NULL;

    for (size_t i = 0; i < texts->count; i++)
        value_append(list, value_new_string(texts->items[i]));
    return list;
}

/* ---- asking -------------------------------------------------------------------------------------------------------
 */

static bool rbac_has(const struct rbac_texts *texts, struct slice text)
{
    for (size_t i = 0; i < texts->count; i++)
        if (slice_equal(texts->items[i], text))
            return true;
    return false;
}

static bool rbac_has_or_all(const struct rbac_texts *texts, struct slice text)
{
    return rbac_has(texts, text) || rbac_has(texts, SLICE_LIT("*"));
}

static bool rbac_is_any_subresource(struct slice rule, struct slice subresource)
{
    return rule.len == subresource.len + 2 && slice_starts(rule, SLICE_LIT("*/")) && slice_ends(rule, subresource);
}

static bool rbac_resource_is(struct slice rule, struct slice resource, struct slice subresource)
{
    if (slice_is(rule, "*"))
        return true;
    if (!subresource.len)
        return slice_equal(rule, resource);
    if (rule.len == resource.len + 1 + subresource.len && slice_starts(rule, resource) &&
        rule.data[resource.len] == '/' && slice_ends(rule, subresource))
        return true;
    return rbac_is_any_subresource(rule, subresource);
}

/* "/api" + "/" + "*" is every path that starts with "/api/". */
static bool rbac_url_is(struct slice rule, struct slice path)
{
    if (slice_is(rule, "*") || slice_equal(rule, path))
        return true;
    if (!slice_ends(rule, SLICE_LIT("*")))
        return false;
    while (slice_ends(rule, SLICE_LIT("*")))
        rule.len--;
    return slice_starts(path, rule);
}

static bool rbac_urls_have(const struct rbac_texts *urls, struct slice path)
{
    for (size_t i = 0; i < urls->count; i++)
        if (rbac_url_is(urls->items[i], path))
            return true;
    return false;
}

bool rbac_rule_allows(const struct rbac_rule *rule, const struct rbac_ask *ask)
{
    const struct rbac_texts *resources = &rule->part[RBAC_RESOURCES];
    bool found = false;

    if (!rbac_has_or_all(&rule->part[RBAC_VERBS], ask->verb))
        return false;
    if (!ask->is_resource)
        return rbac_urls_have(&rule->part[RBAC_URLS], ask->path);
    if (!rbac_has_or_all(&rule->part[RBAC_GROUPS], ask->group))
        return false;
    for (size_t i = 0; !found && i < resources->count; i++)
        found = rbac_resource_is(resources->items[i], ask->resource, ask->subresource);
    return found && (!rule->part[RBAC_NAMES].count || rbac_has(&rule->part[RBAC_NAMES], ask->name));
}

/* ---- comparing ----------------------------------------------------------------------------------------------------
 */

static bool rbac_holds_all(const struct rbac_texts *held, const struct rbac_texts *asked)
{
    if (rbac_has(held, SLICE_LIT("*")))
        return true;
    for (size_t i = 0; i < asked->count; i++)
        if (!rbac_has(held, asked->items[i]))
            return false;
    return true;
}

static bool rbac_holds_resource(const struct rbac_texts *held, struct slice asked)
{
    ptrdiff_t slash = slice_find(asked, '/');

    if (rbac_has(held, asked))
        return true;
    for (size_t i = 0; slash >= 0 && i < held->count; i++)
        if (rbac_is_any_subresource(held->items[i], slice_from(asked, (size_t)slash + 1)))
            return true;
    return false;
}

/* One rule within another: sufficient, not necessary, since several rules together may hold what none does alone. */
static bool rbac_rule_covers(const struct rbac_rule *held, const struct rbac_rule *asked)
{
    const struct rbac_texts *resources = &asked->part[RBAC_RESOURCES];
    const struct rbac_texts *urls = &asked->part[RBAC_URLS];
    const struct rbac_texts *names = &held->part[RBAC_NAMES];

    if (!rbac_holds_all(&held->part[RBAC_VERBS], &asked->part[RBAC_VERBS]) ||
        !rbac_holds_all(&held->part[RBAC_GROUPS], &asked->part[RBAC_GROUPS]))
        return false;
    for (size_t i = 0; !rbac_has(&held->part[RBAC_RESOURCES], SLICE_LIT("*")) && i < resources->count; i++)
        if (!rbac_holds_resource(&held->part[RBAC_RESOURCES], resources->items[i]))
            return false;
    for (size_t i = 0; i < urls->count; i++)
        if (!rbac_urls_have(&held->part[RBAC_URLS], urls->items[i]))
            return false;
    if (!names->count)
        return true;
    if (!asked->part[RBAC_NAMES].count)
        return false;
    for (size_t i = 0; i < asked->part[RBAC_NAMES].count; i++)
        if (!rbac_has(names, asked->part[RBAC_NAMES].items[i]))
            return false;
    return true;
}

static bool rbac_held(struct rbac_rules held, const struct rbac_rule *asked)
{
    for (size_t i = 0; i < held.count; i++)
        if (rbac_rule_covers(&held.items[i], asked))
            return true;
    return false;
}

/* What is missing in one place (a path is one for every verb), with the verbs that are. */
struct rbac_gap {
    struct rbac_rule place; /* one item a part at most; no verbs */
    struct slice *verbs;
    size_t verb_count;
    size_t verb_cap;
};

struct rbac_comparison {
    struct rbac_rules held;
    struct pool *pool;
    struct map gaps;
    size_t left; /* combinations that may still be looked at */
};

static struct rbac_gap *rbac_need_gap(struct rbac_comparison *c, const struct rbac_rule *single)
{
    struct rbac_gap *gap;
    BUF_LOCAL(key);

    for (size_t p = single->part[RBAC_URLS].count ? RBAC_VERBS : RBAC_GROUPS; p < RBAC_PARTS; p++) {
        buf_printf(&key, "%zu:", single->part[p].count);
        if (single->part[p].count)
            buf_append_slice(&key, single->part[p].items[0]);
        buf_append_byte(&key, '\n');
    }
    if ((gap = map_get(&c->gaps, buf_slice(&key))))
        return gap;
    gap = pool_alloc(c->pool, sizeof(*gap));
    for (size_t p = RBAC_GROUPS; p < RBAC_PARTS; p++) {
        struct slice *item = pool_alloc(c->pool, sizeof(*item));

        if (single->part[p].count)
            *item = single->part[p].items[0];
        gap->place.part[p] = (struct rbac_texts){item, single->part[p].count};
    }
    (void)map_put(&c->gaps, buf_slice(&key), gap);
    return gap;
}

/* One right: one text in each part. False when too many were asked for. */
static bool rbac_compare_single(struct rbac_comparison *c, const struct rbac_rule *single)
{
    struct slice verb = single->part[RBAC_VERBS].items[0];
    struct rbac_gap *gap;

    if (!c->left)
        return false;
    c->left--;
    if (rbac_held(c->held, single))
        return true;
    gap = rbac_need_gap(c, single);
    for (size_t i = 0; i < gap->verb_count; i++)
        if (slice_equal(gap->verbs[i], verb))
            return true;
    if (gap->verb_count == gap->verb_cap) {
        struct slice *more = pool_alloc(c->pool, (gap->verb_cap * 2 + 8) * sizeof(*more));

        if (gap->verb_count)
            memcpy(more, gap->verbs, gap->verb_count * sizeof(*more));
        gap->verb_cap = gap->verb_cap * 2 + 8;
        gap->verbs = more;
    }
    gap->verbs[gap->verb_count++] = verb;
    return true;
}

/* Every choice of one text from part p on; a part without texts is left empty. */
static bool rbac_compare_parts(struct rbac_comparison *c, const struct rbac_rule *rule, const enum rbac_part *parts,
                               size_t count, struct rbac_rule *single)
{
    const struct rbac_texts *texts;

    if (!count)
        return rbac_compare_single(c, single);
    texts = &rule->part[*parts];
    if (!texts->count && *parts == RBAC_NAMES)
        return rbac_compare_parts(c, rule, parts + 1, count - 1, single);
    for (size_t i = 0; i < texts->count; i++) {
        single->part[*parts] = (struct rbac_texts){&texts->items[i], 1};
        if (!rbac_compare_parts(c, rule, parts + 1, count - 1, single))
            return false;
    }
    return true;
}

static bool rbac_compare_rule(struct rbac_comparison *c, const struct rbac_rule *rule)
{
    static const enum rbac_part resource[] = {RBAC_GROUPS, RBAC_RESOURCES, RBAC_VERBS, RBAC_NAMES};
    static const enum rbac_part path[] = {RBAC_URLS, RBAC_VERBS};
    struct rbac_rule single = {0};

    if (rbac_held(c->held, rule))
        return true;
    if (!rbac_compare_parts(c, rule, resource, ARRAY_SIZE(resource), &single))
        return false;
    single = (struct rbac_rule){0};
    return rbac_compare_parts(c, rule, path, ARRAY_SIZE(path), &single);
}

static char *rbac_gap_text(struct pool *pool, const struct rbac_gap *gap)
{
    static const struct {
        enum rbac_part part;
        const char *name;
    } order[] = {
        {RBAC_GROUPS, "APIGroups"},    {RBAC_RESOURCES, "Resources"}, {RBAC_URLS, "NonResourceURLs"},
        {RBAC_NAMES, "ResourceNames"}, {RBAC_VERBS, "Verbs"},
    };
    BUF_LOCAL(out);

    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        const struct rbac_texts verbs = {gap->verbs, gap->verb_count};
        const struct rbac_texts *texts = order[i].part == RBAC_VERBS ? &verbs : &gap->place.part[order[i].part];

        if (!texts->count)
            continue;
        buf_printf(&out, "%s%s:[", out.len ? ", " : "{", order[i].name);
        for (size_t t = 0; t < texts->count; t++) {
            if (t)
                buf_append_byte(&out, ' ');
            json_write_string(&out, texts->items[t]);
        }
        buf_append_byte(&out, ']');
    }
    buf_append_byte(&out, '}');
    return pool_slice_dup(pool, buf_slice(&out));
}

static int rbac_order_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void rbac_write_gaps(const struct rbac_comparison *c, struct buf *missing)
{
    char **lines = pool_alloc(c->pool, (c->gaps.count + 1) * sizeof(*lines));
    size_t count = 0;

    map_for_each (e, &c->gaps)
        lines[count++] = rbac_gap_text(c->pool, e->value);
    qsort(lines, count, sizeof(*lines), rbac_order_texts);
    for (size_t i = 0; i < count; i++)
        buf_printf(missing, "%s%s", i ? "\n" : "", lines[i]);
}

enum rbac_cover rbac_rules_cover(struct rbac_rules held, struct rbac_rules asked, struct buf *missing)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct rbac_comparison c = {.held = held, .pool = pool, .left = RBAC_COVER_MAX};
    enum rbac_cover answer = RBAC_COVERED;

    for (size_t i = 0; answer == RBAC_COVERED && i < asked.count; i++)
        if (!rbac_compare_rule(&c, &asked.items[i]))
            answer = RBAC_COVER_TOO_MANY;
    if (answer == RBAC_COVERED && c.gaps.count) {
        rbac_write_gaps(&c, missing);
        answer = RBAC_NOT_COVERED;
    }
    map_clear(&c.gaps, NULL);
    return answer;
}
