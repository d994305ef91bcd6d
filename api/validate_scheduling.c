/* SPDX-License-Identifier: Apache-2.0 */
/* Where a pod may run: tolerations, node and pod affinity, spreading. */
#include "api/validate_internal.h"

static void check_toleration(const struct rule_site *s)
{
    static const char *const operators[] = {"Equal", "Exists", NULL};
    struct slice key = value_string(value_get(s->object, "key"));
    struct slice op = value_string(value_get(s->object, "operator"));
    struct slice value = value_string(value_get(s->object, "value"));
    struct slice effect = value_string(value_get(s->object, "effect"));

    if (key.len)
        (void)check_name(s->v, VFIELD(s->at, "key"), key, validate_qualified_name);
    else if (!slice_is(op, "Exists"))
        report_invalid_text(
            s->v, VFIELD(s->at, "operator"), op,
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
    if (value_get(s->object, "tolerationSeconds") && !slice_is(effect, "NoExecute"))
        report_invalid_text(s->v, VFIELD(s->at, "effect"), effect,
                            "effect must be 'NoExecute' when `tolerationSeconds` is set");
    if (slice_is(op, "Exists") && value.len)
        report_invalid_text(s->v, VFIELD(s->at, "operator"), value, "value must be empty when `operator` is 'Exists'");
    else if ((!op.len || slice_is(op, "Equal")) && value.len)
        (void)check_name(s->v, VFIELD(s->at, "operator"), value, validate_label_value);
    else if (op.len && !slice_is(op, "Equal") && !slice_is(op, "Exists"))
        (void)check_one_of(s->v, VFIELD(s->at, "operator"), op, operators);
}

/* One of matchExpressions or matchFields of a node selector term. */
static void check_node_requirement(struct validator *v, const struct vpath *at, const struct value *requirement)
{
    struct slice op = value_string(value_get(requirement, "operator"));
    size_t count = value_count(value_get(requirement, "values"));

    if (slice_is(op, "In") || slice_is(op, "NotIn")) {
        if (!count)
            report_required(v, VFIELD(at, "values"), "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (slice_is(op, "Exists") || slice_is(op, "DoesNotExist")) {
        if (count)
            report_forbidden(v, VFIELD(at, "values"),
                             "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else if (slice_is(op, "Gt") || slice_is(op, "Lt")) {
        if (count != 1)
            report_required(v, VFIELD(at, "values"), "must be specified single value when `operator` is 'Lt' or 'Gt'");
    } else {
        report_invalid_text(v, VFIELD(at, "operator"), op, "not a valid selector operator");
    }
}

static void check_node_term(const struct rule_site *s)
{
    static const char *const field_names[] = {"metadata.name", NULL};
    const struct value *expressions = value_get(s->object, "matchExpressions");
    const struct value *fields = value_get(s->object, "matchFields");

    for (size_t i = 0; i < value_count(expressions); i++) {
        const struct vpath *at = VINDEX(VFIELD(s->at, "matchExpressions"), i);

        check_node_requirement(s->v, at, value_at(expressions, i));
        (void)check_name(s->v, VFIELD(at, "key"), value_string(value_get(value_at(expressions, i), "key")),
                         validate_qualified_name);
    }
    for (size_t i = 0; i < value_count(fields); i++) {
        const struct vpath *at = VINDEX(VFIELD(s->at, "matchFields"), i);

        check_node_requirement(s->v, at, value_at(fields, i));
        (void)check_one_of(s->v, VFIELD(at, "key"), value_string(value_get(value_at(fields, i), "key")), field_names);
    }
}

static void check_node_terms(const struct rule_site *s)
{
    if (!value_count(value_get(s->object, "nodeSelectorTerms")))
        report_required(s->v, VFIELD(s->at, "nodeSelectorTerms"), "must have at least one node selector term");
}

static void check_weight(const struct rule_site *s)
{
    struct value *zero CLEANUP_VALUE = value_new_int(0);
    int64_t weight = value_int(s->value);

    if (weight < 1 || weight > 100)
        report_invalid(s->v, s->at, s->value ? s->value : zero, "must be in the range 1-100");
}

static void check_topology_key(struct validator *v, const struct vpath *at, struct slice key)
{
    if (!key.len)
        report_required(v, at, "can not be empty");
    else
        (void)check_name(v, at, key, validate_qualified_name);
}

static void check_pod_term(const struct rule_site *s)
{
    struct slice key = value_string(value_get(s->object, "topologyKey"));

    check_label_selector(s->v, VFIELD(s->at, "labelSelector"), value_get(s->object, "labelSelector"));
    check_label_selector(s->v, VFIELD(s->at, "namespaceSelector"), value_get(s->object, "namespaceSelector"));
    check_topology_key(s->v, VFIELD(s->at, "topologyKey"), key);
    if (!key.len) /* and upstream looks at the name all the same */
        (void)check_name(s->v, VFIELD(s->at, "topologyKey"), key, validate_qualified_name);
}

static void check_spread(const struct rule_site *s)
{
    struct value *zero CLEANUP_VALUE = value_new_int(0);
    const struct value *skew = value_get(s->object, "maxSkew");
    const struct value *domains = value_get(s->object, "minDomains");

    if (value_int(skew) <= 0)
        report_invalid(s->v, VFIELD(s->at, "maxSkew"), skew ? skew : zero, "must be greater than zero");
    check_topology_key(s->v, VFIELD(s->at, "topologyKey"), value_string(value_get(s->object, "topologyKey")));
    if (!value_string(value_get(s->object, "whenUnsatisfiable")).len)
        report_required(s->v, VFIELD(s->at, "whenUnsatisfiable"), NULL);
    if (domains && value_int(domains) <= 0)
        report_invalid(s->v, VFIELD(s->at, "minDomains"), domains, "must be greater than zero");
    check_label_selector(s->v, VFIELD(s->at, "labelSelector"), value_get(s->object, "labelSelector"));
}

static void check_spreads(const struct rule_site *s)
{
    for (size_t i = 0; i < value_count(s->value) && i < 1000; i++)
        for (size_t j = 0; j < i; j++) {
            const struct value *a = value_at(s->value, i), *b = value_at(s->value, j);
            char *text CLEANUP_FREE = NULL;

            if (!value_equal(value_get(a, "topologyKey"), value_get(b, "topologyKey")) ||
                !value_equal(value_get(a, "whenUnsatisfiable"), value_get(b, "whenUnsatisfiable")))
                continue;
            text = mem_printf("{%.*s, %.*s}", SLICE_ARGS(value_string(value_get(a, "topologyKey"))),
                              SLICE_ARGS(value_string(value_get(a, "whenUnsatisfiable"))));
            report_duplicate_text(s->v, VFIELD(VINDEX(s->at, j), "{topologyKey, whenUnsatisfiable}"), slice_str(text));
            break;
        }
}

static const struct rule rules[] = {
    {"Toleration", NULL, check_toleration},
    {"NodeSelector", NULL, check_node_terms},
    {"NodeSelectorTerm", NULL, check_node_term},
    {"PreferredSchedulingTerm", "weight", check_weight},
    {"WeightedPodAffinityTerm", "weight", check_weight},
    {"PodAffinityTerm", NULL, check_pod_term},
    {"TopologySpreadConstraint", NULL, check_spread},
    {"PodSpec", "topologySpreadConstraints", check_spreads},
};
const struct rule_set validate_rules_scheduling = {rules, ARRAY_SIZE(rules)};
