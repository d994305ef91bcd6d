/* SPDX-License-Identifier: Apache-2.0 */
/* Other servers of API groups; addresses and blocks of them as objects. */
#include "api/validate_internal.h"

#include <arpa/inet.h>

#define GROUP_PRIORITY_MAX   20000
#define VERSION_PRIORITY_MAX 1000

static void check_service_name(const struct rule_site *s)
{
    const struct value *name = value_path(s->object, "metadata", "name", NULL);
    struct slice group = value_string(value_path(s->object, "spec", "group", NULL));
    struct slice version = value_string(value_path(s->object, "spec", "version", NULL));
    char *want CLEANUP_FREE = mem_printf("%.*s.%.*s", SLICE_ARGS(version), SLICE_ARGS(group));
    char *why CLEANUP_FREE = mem_printf("must be `spec.version+\".\"+spec.group`: \"%s\"", want);

    if (!slice_is(value_string(name), want))
        report_invalid(s->v, VFIELD(VFIELD(NULL, "metadata"), "name"), name, why);
}

static void check_priority(struct validator *v, const struct vpath *at, const struct value *number, int64_t max)
{
    struct value *zero CLEANUP_VALUE = value_new_int(0);
    char *why CLEANUP_FREE = mem_printf("must be positive and less than %lld", (long long)max);

    if (value_int(number) <= 0 || value_int(number) > max)
        report_invalid(v, at, number ? number : zero, why);
}

static void check_service_spec(const struct rule_site *s)
{
    static const char *const parts[] = {"namespace", "name"};
    struct slice group = value_string(value_get(s->object, "group"));
    struct slice version = value_string(value_get(s->object, "version"));
    const struct value *service = value_get(s->object, "service");
    bool insecure = value_bool(value_get(s->object, "insecureSkipTLSVerify"));
    const struct vpath *at = VFIELD(s->at, "service");

    if (group.len)
        (void)check_name(s->v, VFIELD(s->at, "group"), group, validate_dns1123_subdomain);
    else if (!slice_is(version, "v1"))
        report_required(s->v, VFIELD(s->at, "group"), "only v1 may have an empty group and it better be legacy kube");
    (void)check_name(s->v, VFIELD(s->at, "version"), version, validate_dns1035_label);
    check_priority(s->v, VFIELD(s->at, "groupPriorityMinimum"), value_get(s->object, "groupPriorityMinimum"),
                   GROUP_PRIORITY_MAX);
    check_priority(s->v, VFIELD(s->at, "versionPriority"), value_get(s->object, "versionPriority"),
                   VERSION_PRIORITY_MAX);
    for (size_t i = 0; service && i < ARRAY_SIZE(parts); i++)
        if (!value_string(value_get(service, parts[i])).len)
            report_required(s->v, VFIELD(at, parts[i]), NULL);
    (void)check_range(s->v, VFIELD(at, "port"), value_get(service, "port"), 1, 65535);
    if (insecure && (!service || value_string(value_get(s->object, "caBundle")).len))
        report_invalid(s->v, VFIELD(s->at, "insecureSkipTLSVerify"), value_get(s->object, "insecureSkipTLSVerify"),
                       service ? "may not be true if caBundle is present"
                               : "local APIServices may not have insecureSkipTLSVerify");
}

/* ---- addresses ---- */

/* The name is the address, in the one form that the C library writes too. */
static void check_address(const struct rule_site *s)
{
    const struct value *name = value_path(s->object, "metadata", "name", NULL);
    const struct value *parent = value_path(s->object, "spec", "parentRef", NULL);
    const struct vpath *at = VFIELD(VFIELD(NULL, "spec"), "parentRef");
    const char *text = value_str(name) ? value_str(name) : "";
    unsigned char bytes[16];
    char canonical[INET6_ADDRSTRLEN] = "";

    if (inet_pton(AF_INET, text, bytes) == 1)
        (void)inet_ntop(AF_INET, bytes, canonical, sizeof(canonical));
    else if (inet_pton(AF_INET6, text, bytes) == 1)
        (void)inet_ntop(AF_INET6, bytes, canonical, sizeof(canonical));
    if (!s->old && strcmp(text, canonical) != 0)
        report_invalid(s->v, VFIELD(VFIELD(NULL, "metadata"), "name"), name,
                       "must be a valid IP address in canonical form");
    if (!parent)
        report_required(s->v, at, NULL);
    else if (!value_string(value_get(parent, "resource")).len)
        report_required(s->v, VFIELD(at, "resource"), NULL);
    if (parent && !value_string(value_get(parent, "name")).len)
        report_required(s->v, VFIELD(at, "name"), NULL);
}

static void check_block(const struct rule_site *s)
{
    const struct value *list = value_get(s->object, "cidrs");
    size_t newer = 0;

    if (!value_count(list))
        report_required(s->v, VFIELD(s->at, "cidrs"), "at least one CIDR required");
    for (size_t i = 0; i < value_count(list) && i < 3; i++) {
        struct slice text = value_string(value_at(list, i));

        (void)check_range_text(s->v, VINDEX(VFIELD(s->at, "cidrs"), i), text);
        newer += slice_find(text, ':') >= 0;
    }
    if (value_count(list) > 2)
        report_invalid(s->v, VFIELD(s->at, "cidrs"), list, "may only hold up to 2 values, one for each IP family");
    else if (value_count(list) == 2 && newer != 1)
        report_invalid(s->v, VFIELD(s->at, "cidrs"), list,
                       "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64");
    if (s->old)
        check_fixed(s, "cidrs");
}

static const struct rule rules[] = {
    {"APIService", NULL, check_service_name},
    {"APIServiceSpec", NULL, check_service_spec},
    {"IPAddress", NULL, check_address},
    {"ServiceCIDRSpec", NULL, check_block},
};
const struct rule_set validate_rules_registration = {rules, ARRAY_SIZE(rules)};
