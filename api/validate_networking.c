/* SPDX-License-Identifier: Apache-2.0 */
/* Network policies and ingresses: stored for whoever acts on them, so what is stored must be sound. */
#include "api/validate_internal.h"

#include <arpa/inet.h>
#include <stdio.h>

/* ---- network policies ---- */

static void check_policy_port(const struct rule_site *s)
{
    const struct value *port = value_get(s->object, "port");
    const struct value *end = value_get(s->object, "endPort");
    const struct vpath *at = VFIELD(s->at, "endPort");

    check_port_or_name(s->v, VFIELD(s->at, "port"), port);
    if (!end)
        return;
    if (!port)
        report_required(s->v, VFIELD(s->at, "port"), "must be specified when `endPort` is specified");
    else if (!value_is(port, VALUE_INT))
        report_invalid(s->v, at, end, "may not be specified when `port` is non-numeric");
    else if (value_int(end) < value_int(port))
        report_invalid(s->v, at, end, "must be greater than or equal to `port`");
    (void)check_range(s->v, at, end, 1, 65535);
}

static void check_policy_peer(const struct rule_site *s)
{
    const struct value *pods = value_get(s->object, "podSelector");
    const struct value *namespaces = value_get(s->object, "namespaceSelector");
    const struct value *block = value_get(s->object, "ipBlock");

    if (!pods && !namespaces && !block)
        report_required(s->v, s->at, "must specify a peer");
    else if (block && (pods || namespaces))
        report_forbidden(s->v, s->at, "may not specify both ipBlock and another peer");
    if (pods)
        check_label_selector(s->v, VFIELD(s->at, "podSelector"), pods);
    if (namespaces)
        check_label_selector(s->v, VFIELD(s->at, "namespaceSelector"), namespaces);
}

struct address_block {
    unsigned char bytes[16];
    int family;
    uint64_t bits;
};

static bool read_block(struct slice text, struct address_block *ret)
{
    ptrdiff_t slash = slice_find(text, '/');
    char *address CLEANUP_FREE = NULL;

    if (slash <= 0 || !slice_to_uint64(slice_from(text, (size_t)slash + 1), &ret->bits))
        return false;
    address = slice_dup(slice_make(text.data, (size_t)slash));
    ret->family = strchr(address, ':') ? AF_INET6 : AF_INET;
    return inet_pton(ret->family, address, ret->bytes) == 1 && ret->bits <= (ret->family == AF_INET ? 32 : 128);
}

static bool block_contains(const struct address_block *outer, const struct address_block *inner)
{
    if (outer->family != inner->family || outer->bits >= inner->bits)
        return false;
    for (uint64_t i = 0; i < outer->bits; i++) {
        unsigned char mask = (unsigned char)(0x80 >> (i % 8));

        if ((outer->bytes[i / 8] & mask) != (inner->bytes[i / 8] & mask))
            return false;
    }
    return true;
}

static void check_ip_block(const struct rule_site *s)
{
    struct slice cidr = value_string(value_get(s->object, "cidr"));
    const struct value *except = value_get(s->object, "except");
    struct address_block outer;
    struct address_block inner;

    if (!cidr.len || !check_range_text(s->v, VFIELD(s->at, "cidr"), cidr) || !read_block(cidr, &outer))
        return;
    for (size_t i = 0; i < value_count(except); i++) {
        struct slice text = value_string(value_at(except, i));
        const struct vpath *at = VINDEX(VFIELD(s->at, "except"), i);

        if (check_range_text(s->v, at, text) && read_block(text, &inner) && !block_contains(&outer, &inner))
            report_invalid_text(s->v, at, text, "must be a strict subset of `cidr`");
    }
}

static void check_policy(const struct rule_site *s)
{
    const struct value *types = value_get(s->object, "policyTypes");

    if (value_get(s->object, "podSelector"))
        check_label_selector(s->v, VFIELD(s->at, "podSelector"), value_get(s->object, "podSelector"));
    if (value_count(types) > 2)
        report_invalid(s->v, VFIELD(s->at, "policyTypes"), types, "may not specify more than two policyTypes");
}

/* ---- ingresses ---- */

static const char *wildcard_rule(struct slice s)
{
    if (slice_starts(s, SLICE_LIT("*.")) && !validate_dns1123_subdomain(slice_from(s, 2)))
        return NULL;
    return "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist "
           "of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. "
           "'*.example.com', regex used for validation is "
           "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
}

static void check_host(struct validator *v, const struct vpath *at, struct slice host)
{
    (void)check_name(v, at, host, slice_find(host, '*') >= 0 ? wildcard_rule : validate_dns1123_subdomain);
}

static bool is_address(struct slice text)
{
    char *copy CLEANUP_FREE = slice_dup(text);
    unsigned char bytes[16];

    return inet_pton(AF_INET, copy, bytes) == 1 || inet_pton(AF_INET6, copy, bytes) == 1;
}

static void check_ingress_rule(const struct rule_site *s)
{
    struct slice host = value_string(value_get(s->object, "host"));

    if (host.len && is_address(host))
        report_invalid_text(s->v, VFIELD(s->at, "host"), host, "must be a DNS name, not an IP address");
    else if (host.len)
        check_host(s->v, VFIELD(s->at, "host"), host);
}

static void check_ingress_tls(const struct rule_site *s)
{
    const struct value *hosts = value_get(s->object, "hosts");

    for (size_t i = 0; i < value_count(hosts); i++)
        check_host(s->v, VINDEX(VFIELD(s->at, "hosts"), i), value_string(value_at(hosts, i)));
}

/* What the pieces between slashes may not be: upstream's lists. */
static void check_ingress_path(const struct rule_site *s)
{
    static const char *const inside[] = {"//", "/./", "/../", "%2f", "%2F"};
    static const char *const behind[] = {"/..", "/."};
    struct slice path = value_string(value_get(s->object, "path"));
    struct slice type = value_string(value_get(s->object, "pathType"));
    const struct vpath *at = VFIELD(s->at, "path");
    char why[32];

    if (!type.len)
        report_required(s->v, VFIELD(s->at, "pathType"), "pathType must be specified");
    if (slice_is(type, "ImplementationSpecific") ? path.len && path.data[0] != '/' : !check_absolute_path(path)) {
        report_invalid_text(s->v, at, path, "must be an absolute path");
        return;
    }
    if (slice_is(type, "ImplementationSpecific"))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(inside); i++)
        if (slice_find_text(path, slice_str(inside[i])) >= 0) {
            (void)snprintf(why, sizeof(why), "must not contain '%s'", inside[i]);
            report_invalid_text(s->v, at, path, why);
        }
    for (size_t i = 0; i < ARRAY_SIZE(behind); i++)
        if (slice_ends(path, slice_str(behind[i]))) {
            (void)snprintf(why, sizeof(why), "cannot end with '%s'", behind[i]);
            report_invalid_text(s->v, at, path, why);
        }
}

static void check_backend_port(struct validator *v, const struct vpath *at, const struct value *service)
{
    const struct value *port = value_get(service, "port");
    struct slice name = value_string(value_get(port, "name"));
    int64_t number = value_int(value_get(port, "number"));
    struct value *none CLEANUP_VALUE = value_new_string(SLICE_LIT(""));
    const struct vpath *place = VFIELD(VFIELD(at, "service"), "port");

    if (name.len && number)
        report_invalid(v, at, none, "cannot set both port name & port number");
    else if (name.len)
        (void)check_name(v, VFIELD(place, "name"), name, validate_port_name);
    else if (number)
        (void)check_range(v, VFIELD(place, "number"), value_get(port, "number"), 1, 65535);
    else
        report_required(v, at, "port name or number is required");
}

static void check_ingress_backend(const struct rule_site *s)
{
    const struct value *service = value_get(s->object, "service");
    const struct value *resource = value_get(s->object, "resource");
    struct slice name = value_string(value_get(service, "name"));
    struct value *none CLEANUP_VALUE = value_new_string(SLICE_LIT(""));

    if (service && resource) {
        report_invalid(s->v, s->at, none, "cannot set both resource and service backends");
    } else if (service) {
        if (name.len)
            (void)check_name(s->v, VFIELD(VFIELD(s->at, "service"), "name"), name, validate_dns1035_label);
        check_backend_port(s->v, s->at, service);
    } else if (!resource) {
        report_invalid(s->v, s->at, none, "resource or service backend is required");
    }
}

static void check_ingress_spec(const struct rule_site *s)
{
    struct value *none CLEANUP_VALUE = value_new_null();
    struct slice class = value_string(value_get(s->object, "ingressClassName"));
    struct slice old =
        value_string(value_path(s->v->object, "metadata", "annotations", "kubernetes.io/ingress.class", NULL));

    if (!value_get(s->object, "defaultBackend") && !value_count(value_get(s->object, "rules")))
        report_invalid(s->v, s->at, none, "either `defaultBackend` or `rules` must be specified");
    if (class.len)
        (void)check_name(s->v, VFIELD(s->at, "ingressClassName"), class, validate_dns1123_subdomain);
    if (class.len && old.len && !s->v->old)
        report_invalid_text(s->v, VFIELD(VFIELD(NULL, "annotations"), "kubernetes.io/ingress.class"), old,
                            "must match `ingressClassName` when both are specified");
}

static void check_ingress_class(const struct rule_site *s)
{
    const struct value *controller = value_get(s->object, "controller");
    struct slice text = value_string(controller);
    ptrdiff_t slash = slice_find(text, '/');
    const struct vpath *at = VFIELD(s->at, "controller");

    if (!text.len)
        report_required(s->v, at, NULL);
    else if (slash <= 0 || (size_t)slash + 1 == text.len ||
             validate_dns1123_subdomain(slice_make(text.data, (size_t)slash)))
        report_invalid_text(s->v, at, text, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    if (s->old && !value_equal(value_get(s->old, "controller"), controller))
        report_invalid(s->v, at, controller, "field is immutable");
}

static void check_class_parameters(const struct rule_site *s)
{
    static const char *const scopes[] = {"Cluster", "Namespace", NULL};
    struct slice scope = value_string(value_get(s->object, "scope"));
    struct slice namespace_ = value_string(value_get(s->object, "namespace"));

    if (!value_string(value_get(s->object, "kind")).len)
        report_required(s->v, VFIELD(s->at, "kind"), "kind is required");
    if (!value_string(value_get(s->object, "name")).len)
        report_required(s->v, VFIELD(s->at, "name"), "name is required");
    if (scope.len)
        (void)check_one_of(s->v, VFIELD(s->at, "scope"), scope, scopes);
    if (slice_is(scope, "Namespace") && !namespace_.len)
        report_required(s->v, VFIELD(s->at, "namespace"), "`parameters.scope` is set to 'Namespace'");
    if (slice_is(scope, "Cluster") && namespace_.len)
        report_forbidden(s->v, VFIELD(s->at, "namespace"), "`parameters.scope` is set to 'Cluster'");
}

static const struct rule rules[] = {
    {"NetworkPolicyPort", NULL, check_policy_port},
    {"NetworkPolicyPeer", NULL, check_policy_peer},
    {"IPBlock", NULL, check_ip_block},
    {"NetworkPolicySpec", NULL, check_policy},
    {"IngressRule", NULL, check_ingress_rule},
    {"IngressTLS", NULL, check_ingress_tls},
    {"HTTPIngressPath", NULL, check_ingress_path},
    {"IngressBackend", NULL, check_ingress_backend},
    {"IngressSpec", NULL, check_ingress_spec},
    {"IngressClassSpec", NULL, check_ingress_class},
    {"IngressClassParametersReference", NULL, check_class_parameters},
};
const struct rule_set validate_rules_networking = {rules, ARRAY_SIZE(rules)};
