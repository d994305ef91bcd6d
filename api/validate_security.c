/* SPDX-License-Identifier: Apache-2.0 */
/* As whom and with which rights the processes of pods and containers run. */
#include "api/validate_internal.h"

#define USER_MAX 2147483647

static void check_identity(const struct rule_site *s)
{
    (void)check_range(s->v, s->at, s->value, 0, USER_MAX);
}

static void check_groups(const struct rule_site *s)
{
    for (size_t i = 0; i < value_count(s->value); i++)
        (void)check_range(s->v, VINDEX(s->at, i), value_at(s->value, i), 0, USER_MAX);
}

/* Parts of small letters, digits, and dashes inside of them, divided by dots or slashes. */
static const char *sysctl_name_rule(struct slice s)
{
    bool fits = s.len > 0 && s.len <= 253, edge = true;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        bool divides = c == '.' || c == '/';

        /* what divides, and the ends of parts, stand beside plain letters only */
        fits = fits && (plain || (!edge && (divides || ((c == '-' || c == '_') && i + 1 < s.len &&
                                                        s.data[i + 1] != '.' && s.data[i + 1] != '/'))));
        edge = divides;
    }
    return fits && !edge ? NULL
                         : "must have at most 253 characters and match regex "
                           "([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
}

static void check_sysctls(const struct rule_site *s)
{
    for (size_t i = 0; i < value_count(s->value) && i < 1000; i++) {
        struct slice name = value_string(value_get(value_at(s->value, i), "name"));
        const struct vpath *at = VFIELD(VINDEX(s->at, i), "name");

        if (name.len && !check_name(s->v, at, name, sysctl_name_rule))
            continue;
        for (size_t j = 0; name.len && j < i; j++)
            if (slice_equal(value_string(value_get(value_at(s->value, j), "name")), name)) {
                report_duplicate_text(s->v, at, name);
                break;
            }
    }
}

static void check_security_context(const struct rule_site *s)
{
    const struct value *escalation = value_get(s->object, "allowPrivilegeEscalation");
    const struct value *added = value_path(s->object, "capabilities", "add", NULL);
    bool admin = false;

    for (size_t i = 0; i < value_count(added); i++)
        admin = admin || slice_is(value_string(value_at(added, i)), "CAP_SYS_ADMIN");
    if (!escalation || value_bool(escalation))
        return;
    if (value_bool(value_get(s->object, "privileged")))
        report_invalid(s->v, s->at, s->object,
                       "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    if (admin)
        report_invalid(s->v, s->at, s->object,
                       "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
}

static void check_local_profile(const struct rule_site *s)
{
    struct slice type = value_string(value_get(s->object, "type"));
    const struct value *profile = value_get(s->object, "localhostProfile");

    if (slice_is(type, "Localhost") && !value_string(profile).len)
        report_required(s->v, VFIELD(s->at, "localhostProfile"), "must be set when seccomp type is Localhost");
    else if (!slice_is(type, "Localhost") && profile)
        report_invalid(s->v, VFIELD(s->at, "localhostProfile"), profile,
                       "can only be set when seccomp type is Localhost");
    else
        check_local_path(s->v, VFIELD(s->at, "localhostProfile"), value_string(profile));
}

static const struct rule rules[] = {
    {"SecurityContext", "runAsUser", check_identity},
    {"SecurityContext", "runAsGroup", check_identity},
    {"SecurityContext", NULL, check_security_context},
    {"PodSecurityContext", "runAsUser", check_identity},
    {"PodSecurityContext", "runAsGroup", check_identity},
    {"PodSecurityContext", "fsGroup", check_identity},
    {"PodSecurityContext", "supplementalGroups", check_groups},
    {"PodSecurityContext", "sysctls", check_sysctls},
    {"SeccompProfile", NULL, check_local_profile},
};
const struct rule_set validate_rules_security = {rules, ARRAY_SIZE(rules)};
