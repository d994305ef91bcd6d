/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes: taints, the range of its pods, and what stays once it is set. */
#include "api/validate_internal.h"

static void check_taint(const struct rule_site *s)
{
    struct slice value = value_string(value_get(s->object, "value"));

    (void)check_name(s->v, VFIELD(s->at, "key"), value_string(value_get(s->object, "key")), validate_qualified_name);
    if (value.len)
        (void)check_name(s->v, VFIELD(s->at, "value"), value, validate_label_value);
}

static void check_taints(const struct rule_site *s)
{
    for (size_t i = 0; i < value_count(s->value) && i < 1000; i++)
        for (size_t j = 0; j < i; j++) {
            const struct value *a = value_at(s->value, i), *b = value_at(s->value, j);

            if (value_equal(value_get(a, "key"), value_get(b, "key")) &&
                value_equal(value_get(a, "effect"), value_get(b, "effect"))) {
                report_duplicate(s->v, VINDEX(s->at, i), a);
                break;
            }
        }
}

/* ADDRESS/LENGTH */
static bool is_address_range(struct slice text)
{
    ptrdiff_t slash = slice_find(text, '/');
    struct error ignored = ERROR_INIT;
    struct validator v = {.err = &ignored};
    uint64_t length;
    bool good = slash > 0 && slice_to_uint64(slice_from(text, (size_t)slash + 1), &length) && length <= 128 &&
                check_ip(&v, NULL, slice_make(text.data, (size_t)slash));

    error_clear(&ignored);
    return good;
}

bool check_range_text(struct validator *v, const struct vpath *at, struct slice text)
{
    if (is_address_range(text))
        return true;
    report_invalid_text(v, at, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    return false;
}

/* One range, or one of each family. */
static void check_ranges(const struct rule_site *s)
{
    size_t count = value_count(s->value), v6 = 0;
    bool good = true;

    for (size_t i = 0; i < count; i++) {
        struct slice text = value_string(value_at(s->value, i));

        good = check_range_text(s->v, VINDEX(s->at, i), text) && good;
        v6 += slice_find(text, ':') >= 0;
    }
    if (good && count > 1 && (count > 2 || v6 != 1))
        report_invalid(s->v, s->at, s->value, "may specify no more than one CIDR for each IP family");
}

/* Empty to something is fine, something to something else is not. */
static void check_node_spec(const struct rule_site *s)
{
    const struct value *ranges = value_get(s->old, "podCIDRs");
    struct slice provider = value_string(value_get(s->old, "providerID"));

    if (value_count(ranges) && !value_equal(ranges, value_get(s->object, "podCIDRs")))
        report_forbidden(s->v, VFIELD(s->at, "podCIDRs"),
                         "node updates may not change podCIDR except from \"\" to valid");
    if (provider.len && !slice_equal(provider, value_string(value_get(s->object, "providerID"))))
        report_forbidden(s->v, VFIELD(s->at, "providerID"),
                         "node updates may not change providerID except from \"\" to valid");
}

static void check_amounts(const struct rule_site *s)
{
    struct value_iter it = value_iter_start(s->value);
    struct slice name;
    struct value *quantity;

    while (value_iter_next(&it, &name, &quantity))
        check_quantity(s->v, &(struct vpath){s->at, VPATH_FIELD, name, 0}, quantity);
}

/* A node may bring its status with it when it is made. */
static void check_new_node(const struct rule_site *s)
{
    static const char *const lists[] = {"capacity", "allocatable"};

    for (size_t i = 0; !s->old && i < ARRAY_SIZE(lists); i++) {
        struct rule_site list = *s;

        list.value = value_path(s->object, "status", lists[i], NULL);
        list.at = VFIELD(VFIELD(NULL, "status"), lists[i]);
        check_amounts(&list);
    }
}

static const struct rule rules[] = {
    {"NodeSpec", "taints", check_taints},
    {"NodeSpec", "podCIDRs", check_ranges},
    {"NodeSpec", NULL, check_node_spec},
    {"NodeStatus", "capacity", check_amounts},
    {"NodeStatus", "allocatable", check_amounts},
    {"Taint", NULL, check_taint},
    {"Node", NULL, check_new_node},
};
const struct rule_set validate_rules_node = {rules, ARRAY_SIZE(rules)};
