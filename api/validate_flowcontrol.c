/* SPDX-License-Identifier: Apache-2.0 */
/* FlowSchemas and priority levels. */
#include "api/validate_internal.h"

#include <stdio.h>

#define PRECEDENCE_MAX 10000
#define QUEUES_MAX     10000000

static void check_schema(const struct rule_site *s)
{
    const struct value *precedence = value_get(s->object, "matchingPrecedence");
    struct slice level = value_string(value_path(s->object, "priorityLevelConfiguration", "name", NULL));
    const struct vpath *at = VFIELD(VFIELD(s->at, "priorityLevelConfiguration"), "name");

    if (value_int(precedence) <= 0)
        report_invalid(s->v, VFIELD(s->at, "matchingPrecedence"), precedence, "must be a positive value");
    else if (value_int(precedence) > PRECEDENCE_MAX)
        report_invalid(s->v, VFIELD(s->at, "matchingPrecedence"), precedence, "must not be greater than 10000");
    if (!level.len)
        report_required(s->v, at, "must reference a priority level");
    else
        (void)check_name(s->v, at, level, validate_dns1123_subdomain);
}

static void check_policy_rules(const struct rule_site *s)
{
    if (!value_count(value_get(s->object, "subjects")))
        report_required(s->v, VFIELD(s->at, "subjects"), "subjects must contain at least one value");
    if (!value_count(value_get(s->object, "resourceRules")) && !value_count(value_get(s->object, "nonResourceRules")))
        report_required(s->v, s->at, "at least one of resourceRules and nonResourceRules has to be non-empty");
}

/* The member that the kind names, and no other. */
static void check_subject(const struct rule_site *s)
{
    static const char *const kinds[] = {"Group", "ServiceAccount", "User", NULL};
    static const char *const members[] = {"group", "serviceAccount", "user"};
    struct slice kind = value_string(value_get(s->object, "kind"));
    char why[96];

    if (!check_one_of(s->v, VFIELD(s->at, "kind"), kind, kinds))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        const struct value *member = value_get(s->object, members[i]);

        if (!slice_is(kind, kinds[i])) {
            if (member)
                report_forbidden(s->v, VFIELD(s->at, members[i]), "must be empty for another kind of subject");
            continue;
        }
        (void)snprintf(why, sizeof(why), "%s is required when subject kind is '%s'", members[i], kinds[i]);
        if (!member)
            report_required(s->v, VFIELD(s->at, members[i]), why);
    }
}

/* A star is the only one of its list. */
static void check_star(struct validator *v, const struct vpath *at, const struct value *list, const char *why)
{
    bool star = false;

    for (size_t i = 0; i < value_count(list); i++)
        star = star || slice_is(value_string(value_at(list, i)), "*");
    if (!value_count(list))
        report_required(v, at, why);
    else if (star && value_count(list) > 1)
        report_invalid(v, at, list, "if '*' is present, must not specify other values");
}

static void check_resource_rule(const struct rule_site *s)
{
    const struct value *namespaces = value_get(s->object, "namespaces");

    check_star(s->v, VFIELD(s->at, "verbs"), value_get(s->object, "verbs"), "verbs must contain at least one value");
    check_star(s->v, VFIELD(s->at, "apiGroups"), value_get(s->object, "apiGroups"),
               "resource rules must supply at least one api group");
    check_star(s->v, VFIELD(s->at, "resources"), value_get(s->object, "resources"),
               "resource rules must supply at least one resource");
    if (value_count(namespaces) || !value_bool(value_get(s->object, "clusterScope")))
        check_star(s->v, VFIELD(s->at, "namespaces"), namespaces,
                   "resource rules that are not cluster scoped must supply at least one namespace");
}

static void check_other_rule(const struct rule_site *s)
{
    const struct value *paths = value_get(s->object, "nonResourceURLs");

    check_star(s->v, VFIELD(s->at, "verbs"), value_get(s->object, "verbs"), "verbs must contain at least one value");
    check_star(s->v, VFIELD(s->at, "nonResourceURLs"), paths, "nonResourceURLs must contain at least one value");
    for (size_t i = 0; i < value_count(paths); i++) {
        struct slice path = value_string(value_at(paths, i));

        if (!slice_is(path, "*") && !check_absolute_path(path))
            report_invalid_text(s->v, VINDEX(VFIELD(s->at, "nonResourceURLs"), i), path, "must start with slash");
    }
}

static void check_share(struct validator *v, const struct vpath *at, const struct value *part)
{
    (void)check_not_negative(v, VFIELD(at, "nominalConcurrencyShares"), value_get(part, "nominalConcurrencyShares"));
    (void)check_range(v, VFIELD(at, "lendablePercent"), value_get(part, "lendablePercent"), 0, 100);
    (void)check_not_negative(v, VFIELD(at, "borrowingLimitPercent"), value_get(part, "borrowingLimitPercent"));
}

static void check_level(const struct rule_site *s)
{
    static const char *const types[] = {"Exempt", "Limited", NULL};
    struct slice type = value_string(value_get(s->object, "type"));
    const struct value *limited = value_get(s->object, "limited");
    const struct value *exempt = value_get(s->object, "exempt");

    if (!type.len) {
        report_not_supported(s->v, VFIELD(s->at, "type"), type, types);
    } else if (slice_is(type, "Exempt")) {
        if (limited)
            report_forbidden(s->v, VFIELD(s->at, "limited"), "must be nil if the type is not Limited");
        check_share(s->v, VFIELD(s->at, "exempt"), exempt);
    } else if (slice_is(type, "Limited")) {
        if (exempt)
            report_forbidden(s->v, VFIELD(s->at, "exempt"), "must be nil if the type is Limited");
        if (!limited)
            report_required(s->v, VFIELD(s->at, "limited"), "must not be empty when type is Limited");
        check_share(s->v, VFIELD(s->at, "limited"), limited);
    }
}

static void check_response(const struct rule_site *s)
{
    static const char *const types[] = {"Queue", "Reject", NULL};
    struct slice type = value_string(value_get(s->object, "type"));
    const struct value *queuing = value_get(s->object, "queuing");

    if (!type.len)
        report_not_supported(s->v, VFIELD(s->at, "type"), type, types);
    else if (slice_is(type, "Queue") && !queuing)
        report_required(s->v, VFIELD(s->at, "queuing"), "must not be empty if limited.limitResponse.type is Limited");
    else if (slice_is(type, "Reject") && queuing)
        report_forbidden(s->v, VFIELD(s->at, "queuing"), "must be nil if limited.limitResponse.type is not Limited");
}

static void check_queuing(const struct rule_site *s)
{
    static const char *const numbers[] = {"queueLengthLimit", "queues", "handSize"};
    const struct value *queues = value_get(s->object, "queues");
    const struct value *hand = value_get(s->object, "handSize");

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        const struct value *number = value_get(s->object, numbers[i]);

        if (value_int(number) <= 0)
            report_invalid(s->v, VFIELD(s->at, numbers[i]), number, "must be positive");
    }
    if (value_int(queues) > QUEUES_MAX)
        report_invalid(s->v, VFIELD(s->at, "queues"), queues, "must not be greater than 10000000");
    if (value_int(hand) > value_int(queues))
        report_invalid(s->v, VFIELD(s->at, "handSize"), hand, "should not be greater than queues");
}

static const struct rule rules[] = {
    {"FlowSchemaSpec", NULL, check_schema},
    {"PolicyRulesWithSubjects", NULL, check_policy_rules},
    {"flowcontrol.v1.Subject", NULL, check_subject},
    {"ResourcePolicyRule", NULL, check_resource_rule},
    {"NonResourcePolicyRule", NULL, check_other_rule},
    {"PriorityLevelConfigurationSpec", NULL, check_level},
    {"LimitResponse", NULL, check_response},
    {"QueuingConfiguration", NULL, check_queuing},
};
const struct rule_set validate_rules_flowcontrol = {rules, ARRAY_SIZE(rules)};
