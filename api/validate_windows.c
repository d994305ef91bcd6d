/* SPDX-License-Identifier: Apache-2.0 */
/* What pods say for Windows, and what pods of one system may not say of the other. No node here runs Windows: that such
 * a pod is refused as upstream refuses it is for those who check their manifests against this server. */
#include "api/validate_internal.h"

#define CREDENTIAL_MAX (64 * 1024)
#define DOMAIN_MAX     256
#define USER_NAME_MAX  104
#define NETBIOS_MAX    15

static const char *const container_lists[] = {"initContainers", "containers", "ephemeralContainers"};

/* ---- names of users ---- */

static bool has_any(struct slice text, const char *chars)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] && strchr(chars, text.data[i]))
            return true;
    return false;
}

static bool has_only(struct slice text, const char *chars)
{
    for (size_t i = 0; i < text.len; i++)
        if (!text.data[i] || !strchr(chars, text.data[i]))
            return false;
    return text.len > 0;
}

static bool has_control(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
            return true;
    return false;
}

static bool is_netbios(struct slice name)
{
    return name.len > 0 && name.len <= NETBIOS_MAX && name.data[0] != '.' && !has_any(name, "\\/:*?\"<>|");
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Labels of up to 63 letters, digits and dashes inside of them; capitals are fine. */
static bool is_domain(struct slice name)
{
    size_t label = 0;

    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool last = i + 1 == name.len || name.data[i + 1] == '.';

        if (c == '.') {
            if (!label || last)
                return false;
            label = 0;
            continue;
        }
        if (++label > 63 || !(is_letter_or_digit(c) || (c == '-' && label > 1 && !last)))
            return false;
    }
    return label > 0;
}

static void check_user(struct validator *v, const struct vpath *at, const struct value *whole, struct slice user)
{
    if (!user.len)
        report_invalid(v, at, whole, "runAsUserName's User cannot be empty");
    else if (user.len > USER_NAME_MAX)
        report_invalid(v, at, whole, "runAsUserName's User length must not be longer than 104 characters");
    if (has_only(user, ". "))
        report_invalid(v, at, whole, "runAsUserName's User cannot contain only periods or spaces");
    if (has_any(user, "\"/\\:;|=,+*?<>@[]"))
        report_invalid(v, at, whole,
                       "runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]");
}

/* USER or DOMAIN\USER */
static void check_user_name(const struct rule_site *s)
{
    struct slice text = value_string(s->value);
    ptrdiff_t cut = slice_find(text, '\\');
    struct slice domain = cut < 0 ? SLICE_NONE : slice_make(text.data, (size_t)cut);
    struct slice user = cut < 0 ? text : slice_from(text, (size_t)cut + 1);

    if (!value_is(s->value, VALUE_STRING))
        return;
    if (!text.len) {
        report_invalid(s->v, s->at, s->value, "runAsUserName cannot be an empty string");
    } else if (has_control(text)) {
        report_invalid(s->v, s->at, s->value, "runAsUserName cannot contain control characters");
    } else if (cut >= 0 && slice_find(user, '\\') >= 0) {
        report_invalid(s->v, s->at, s->value, "runAsUserName cannot contain more than one backslash");
    } else {
        if (domain.len >= DOMAIN_MAX)
            report_invalid(s->v, s->at, s->value, "runAsUserName's Domain length must be under 256 characters");
        if (cut >= 0 && !is_netbios(domain) && !is_domain(domain))
            report_invalid(s->v, s->at, s->value,
                           "runAsUserName's Domain doesn't match the NetBios nor the DNS format");
        check_user(s->v, s->at, s->value, user);
    }
}

static void check_credential_name(const struct rule_site *s)
{
    if (value_is(s->value, VALUE_STRING))
        (void)check_name(s->v, s->at, value_string(s->value), validate_dns1123_subdomain);
}

static void check_credential(const struct rule_site *s)
{
    struct slice text = value_string(s->value);

    if (value_is(s->value, VALUE_STRING) && !text.len)
        report_invalid(s->v, s->at, s->value, "gmsaCredentialSpec cannot be an empty string");
    else if (text.len > CREDENTIAL_MAX)
        report_invalid(s->v, s->at, s->value, "gmsaCredentialSpec size must be under 64 KiB");
}

/* ---- pods that run as if on the node itself ---- */

static const struct value *host_process_of(const struct value *owner)
{
    return value_path(owner, "securityContext", "windowsOptions", "hostProcess", NULL);
}

static void check_host_process(const struct rule_site *s)
{
    const struct value *of_pod = host_process_of(s->object);
    size_t all = 0, hosts = 0;

    for (size_t l = 0; l < ARRAY_SIZE(container_lists); l++) {
        const struct value *list = value_get(s->object, container_lists[l]);

        for (size_t i = 0; i < value_count(list); i++) {
            const struct value *own = host_process_of(value_at(list, i));
            const struct vpath *at = VFIELD(VINDEX(VFIELD(s->at, container_lists[l]), i), "securityContext");

            all++;
            hosts += value_bool(own ? own : of_pod);
            if (own && of_pod && value_bool(own) != value_bool(of_pod))
                report_invalid(s->v, VFIELD(VFIELD(at, "windowsOptions"), "hostProcess"), own,
                               value_bool(of_pod)
                                   ? "pod hostProcess value must be identical if both are specified, was true"
                                   : "pod hostProcess value must be identical if both are specified, was false");
        }
    }
    if (hosts && hosts != all)
        report_invalid_text(
            s->v, s->at, SLICE_LIT(""),
            "If pod contains any hostProcess containers then all containers must be HostProcess containers");
    if (hosts && !value_bool(value_get(s->object, "hostNetwork"))) {
        struct value *no CLEANUP_VALUE = value_new_bool(false);

        report_invalid(s->v, VFIELD(s->at, "hostNetwork"), no,
                       "hostNetwork must be true if pod contains any hostProcess containers");
    }
}

/* ---- what only the other system has ---- */

static void check_absent(struct validator *v, const struct vpath *at, const struct value *object,
                         const char *const *names, const char *why)
{
    for (size_t i = 0; names[i]; i++) {
        const struct value *value = value_get(object, names[i]);

        if (value && !(value_is(value, VALUE_ARRAY) && !value_count(value)))
            report_forbidden(v, VFIELD(at, names[i]), why);
    }
}

static void check_containers_absent(const struct rule_site *s, const char *const *names, const char *why)
{
    for (size_t l = 0; l < ARRAY_SIZE(container_lists); l++) {
        const struct value *list = value_get(s->object, container_lists[l]);

        for (size_t i = 0; i < value_count(list); i++)
            check_absent(s->v, VFIELD(VINDEX(VFIELD(s->at->up, container_lists[l]), i), "securityContext"),
                         value_get(value_at(list, i), "securityContext"), names, why);
    }
}

/* Of Linux, in a pod and in a container. */
static const char *const of_pods[] = {"appArmorProfile",     "seLinuxOptions",
                                      "seccompProfile",      "fsGroup",
                                      "fsGroupChangePolicy", "sysctls",
                                      "runAsUser",           "runAsGroup",
                                      "supplementalGroups",  "supplementalGroupsPolicy",
                                      "seLinuxChangePolicy", NULL};
static const char *const of_containers[] = {"appArmorProfile",
                                            "seLinuxOptions",
                                            "seccompProfile",
                                            "capabilities",
                                            "readOnlyRootFilesystem",
                                            "privileged",
                                            "allowPrivilegeEscalation",
                                            "procMount",
                                            "runAsUser",
                                            "runAsGroup",
                                            NULL};

static void check_system(const struct rule_site *s)
{
    static const char *const systems[] = {"linux", "windows", NULL};
    static const char *const of_windows[] = {"windowsOptions", NULL};
    static const char not_here[] = "cannot be set for a windows pod";
    static const char no_windows[] = "windows options cannot be set for a linux pod";
    static const char *const shared[] = {"hostPID", "hostIPC"};
    static const char *const of_specs[] = {"hostUsers", "shareProcessNamespace", NULL};
    struct slice name = value_string(value_path(s->object, "os", "name", NULL));
    const struct value *context = value_get(s->object, "securityContext");
    const struct vpath *spec = s->at->up;
    const struct vpath *at = VFIELD(spec, "securityContext");

    if (name.len && !slice_is(name, "linux") && !slice_is(name, "windows"))
        report_not_supported(s->v, s->at, name, systems);
    if (slice_is(name, "linux")) {
        check_absent(s->v, at, context, of_windows, no_windows);
        check_containers_absent(s, of_windows, no_windows);
    } else if (slice_is(name, "windows")) {
        for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
            if (value_bool(value_get(s->object, shared[i])))
                report_forbidden(s->v, VFIELD(spec, shared[i]), not_here);
        check_absent(s->v, spec, s->object, of_specs, not_here);
        check_absent(s->v, at, context, of_pods, not_here);
        check_containers_absent(s, of_containers, not_here);
    }
}

static const struct rule rules[] = {
    {"WindowsSecurityContextOptions", "gmsaCredentialSpecName", check_credential_name},
    {"WindowsSecurityContextOptions", "gmsaCredentialSpec", check_credential},
    {"WindowsSecurityContextOptions", "runAsUserName", check_user_name},
    {"PodSpec", NULL, check_host_process},
    {"PodSpec", "os", check_system},
};
const struct rule_set validate_rules_windows = {rules, ARRAY_SIZE(rules)};
