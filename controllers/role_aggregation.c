/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ClusterRole with an aggregationRule has the rules of all ClusterRoles that its selectors name, in the order of the
 * selectors and then of their names, each rule once. Whatever else somebody writes into its rules is replaced. Roles
 * that gather each other settle, because a rule that is there is not added again.
 */
#include "controllers/rows.h"

#include <stdlib.h>

#include "api/selector.h"

static bool aggregation_has(const struct buf *rules, struct slice rule)
{
    struct scan_cursor at = scan_open(buf_slice(rules));
    struct slice other;

    while (scan_element(&at, &other))
        if (slice_equal(other, rule))
            return true;
    return false;
}

/* `rules` stays a complete array. */
static void aggregation_add(struct buf *rules, struct slice more)
{
    struct scan_cursor at = scan_open(more);
    struct slice rule;

    while (scan_element(&at, &rule)) {
        if (aggregation_has(rules, rule))
            continue;
        rules->len--;
        if (rules->len > 1)
            buf_append_byte(rules, ',');
        buf_append_slice(rules, rule);
        buf_append_byte(rules, ']');
    }
}

static void aggregation_gather(const struct view *role, struct slice selector, const struct view *const *roles,
                               size_t count, struct buf *rules)
{
    struct value *tree CLEANUP_VALUE = value_parse(selector, NULL);
    struct selector *s = NULL;

    if (!tree || selector_from_object(tree, &s, NULL) < 0)
        return;
    for (size_t i = 0; i < count; i++)
        if (!slice_equal(view_text(roles[i], VIEW_NAME), view_text(role, VIEW_NAME)) &&
            selector_matches_bytes(s, view_raw(roles[i], VIEW_LABELS)))
            aggregation_add(rules, view_raw(roles[i], CLUSTER_ROLE_RULES));
    selector_free(s);
}

void role_aggregation_plan(const struct view *role, const struct view *const *roles, size_t count, struct plan *plan)
{
    struct scan_cursor at;
    struct slice selector;
    struct slice now;
    BUF_LOCAL(rules);

    if (!role || !view_raw(role, CLUSTER_ROLE_SELECTORS).len || view_deleting(role))
        return;
    buf_append_str(&rules, "[]");
    at = scan_open(view_raw(role, CLUSTER_ROLE_SELECTORS));
    while (scan_element(&at, &selector))
        aggregation_gather(role, selector, roles, count, &rules);
    now = view_raw(role, CLUSTER_ROLE_RULES);
    if (slice_equal(now, buf_slice(&rules)) || (!scan_count(now) && rules.len == 2))
        return;
    buf_append_str(&plan_add(plan, ACTION_PATCH, &view_cluster_roles, SLICE_NONE, view_text(role, VIEW_NAME))->body,
                   "{\"rules\":");
    buf_append_slice(&plan->actions[plan->count - 1].body, buf_slice(&rules));
    buf_append_byte(&plan->actions[plan->count - 1].body, '}');
    plan->actions[plan->count - 1].flags = ACTION_MISSING_IS_FINE;
}

static void aggregation_add_key(void *arg, const struct view *role)
{
    if (view_raw(role, CLUSTER_ROLE_SELECTORS).len)
        run_add(arg, view_text(role, VIEW_NAME));
}

/* Any role may be, or may have been, part of any that gathers. */
static void aggregation_map(struct run *run, const struct view *before, const struct view *now)
{
    run_each(run, &view_cluster_roles, aggregation_add_key, run);
    if (now)
        aggregation_add_key(run, now);
}

static void aggregation_collect(void *arg, const struct view *role)
{
    view_array_add(arg, (struct view_list){&role, 1});
}

static int aggregation_order(const void *a, const void *b)
{
    return slice_compare(view_text(*(const struct view *const *)a, VIEW_NAME),
                         view_text(*(const struct view *const *)b, VIEW_NAME));
}

static void aggregation_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    struct view_array roles = {0};

    run_each(run, &view_cluster_roles, aggregation_collect, &roles);
    if (roles.count)
        qsort(roles.items, roles.count, sizeof(*roles.items), aggregation_order);
    role_aggregation_plan(run_get_key(run, &view_cluster_roles, key), (const struct view *const *)roles.items,
                          roles.count, plan);
    free(roles.items);
}

const struct controller role_aggregation_controller = {
    .name = "clusterrole-aggregation-controller",
    .watches = {{&view_cluster_roles, aggregation_map}},
    .reconcile = aggregation_reconcile,
};
