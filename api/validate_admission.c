/* SPDX-License-Identifier: Apache-2.0 */
/* Webhook configurations and admission policies. Expressions are kept as they are: nothing here reads CEL. */
#include "api/validate_internal.h"

#include <stdio.h>

#define WEBHOOKS_COMPARED_MAX 1000

/* ---- rules of a webhook or a policy ---- */

static bool list_has(const struct value *list, const char *text)
{
    for (size_t i = 0; i < value_count(list); i++)
        if (slice_is(value_string(value_at(list, i)), text))
            return true;
    return false;
}

static void check_star(const struct rule_site *s, const char *field, const char *what)
{
    const struct value *list = value_get(s->object, field);

    if (!value_count(list))
        report_required(s->v, VFIELD(s->at, field), NULL);
    else if (value_count(list) > 1 && list_has(list, "*")) {
        char *why CLEANUP_FREE = mem_printf("if '*' is present, must not specify other %s", what);

        report_invalid(s->v, VFIELD(s->at, field), list, why);
    }
}

static void check_resources(const struct rule_site *s)
{
    const struct value *list = value_get(s->object, "resources");
    const struct vpath *at = VFIELD(s->at, "resources");
    bool star = list_has(list, "*");
    size_t plain = 0;

    for (size_t i = 0; i < value_count(list); i++) {
        struct slice text = value_string(value_at(list, i));

        if (!text.len)
            report_required(s->v, VINDEX(at, i), NULL);
        plain += slice_find(text, '/') < 0;
    }
    if (!value_count(list))
        report_required(s->v, at, NULL);
    else if (value_count(list) > 1 && list_has(list, "*/*"))
        report_invalid(s->v, at, list, "if '*/*' is present, must not specify other resources");
    else if (star && plain > 1)
        report_invalid(s->v, at, list, "if '*' is present, must not specify other resources without subresources");
}

static void check_operation_rule(const struct rule_site *s)
{
    check_star(s, "operations", "operations");
    check_star(s, "apiGroups", "API groups");
    check_star(s, "apiVersions", "API versions");
    check_resources(s);
}

/* ---- webhooks ---- */

static const char *three_parts_rule(struct slice s)
{
    struct slice rest = s;
    struct slice part;
    size_t parts = 0;

    while (slice_split(&rest, '.', &part))
        parts++;
    if (parts < 3)
        return "should be a domain with at least three segments separated by dots";
    return validate_dns1123_subdomain(s);
}

/* What stands behind `mark` is cut off and returned; data NULL = there is none. */
static struct slice cut_behind(struct slice *text, char mark)
{
    ptrdiff_t at = slice_find(*text, mark);
    struct slice behind = SLICE_NONE;

    if (at < 0)
        return behind;
    behind = slice_from(*text, (size_t)at + 1);
    text->len = (size_t)at;
    return behind;
}

static void check_url(struct validator *v, const struct vpath *at, struct slice url)
{
    ptrdiff_t colon = slice_find_text(url, SLICE_LIT("://"));
    struct slice rest = colon < 0 ? SLICE_LIT("") : slice_from(url, (size_t)colon + 3);
    struct slice scheme = slice_make(url.data, colon < 0 ? 0 : (size_t)colon);
    struct slice fragment = cut_behind(&rest, '#');
    struct slice query = cut_behind(&rest, '?');
    struct slice host = SLICE_NONE;

    (void)slice_split(&rest, '/', &host);
    if (!slice_is(scheme, "https"))
        report_invalid_text(v, at, scheme,
                            "'https' is the only allowed URL scheme; desired format: "
                            "https://host[/path]");
    if (!host.len)
        report_invalid_text(v, at, host, "host must be specified; desired format: https://host[/path]");
    if (slice_find(host, '@') >= 0)
        report_invalid_text(v, at, slice_make(host.data, (size_t)slice_find(host, '@')),
                            "user information is not permitted in the URL");
    if (fragment.data)
        report_invalid_text(v, at, fragment, "fragments are not permitted in the URL");
    if (query.data)
        report_invalid_text(v, at, query, "query parameters are not permitted in the URL");
}

/* "/a/b": every segment but a last empty one must be there. */
static void check_service_path(struct validator *v, const struct vpath *at, struct slice path)
{
    struct slice rest = slice_from(path, 1); /* upstream's too, whatever the first byte is */
    struct slice segment;
    char why[48];

    if (path.data[0] != '/')
        report_invalid_text(v, at, path, "must start with a '/'");
    for (size_t i = 0; slice_split(&rest, '/', &segment); i++) {
        if (segment.len || !rest.data)
            continue;
        (void)snprintf(why, sizeof(why), "segment[%zu] may not be empty", i);
        report_invalid_text(v, at, path, why);
    }
}

static void check_service(struct validator *v, const struct vpath *at, const struct value *service)
{
    const struct value *port = value_get(service, "port");
    struct slice path = value_string(value_get(service, "path"));

    if (!value_string(value_get(service, "name")).len)
        report_required(v, VFIELD(at, "name"), "service name is required");
    if (!value_string(value_get(service, "namespace")).len)
        report_required(v, VFIELD(at, "namespace"), "service namespace is required");
    if (port && (value_int(port) < 1 || value_int(port) > 65535))
        report_invalid(v, VFIELD(at, "port"), port, "port is not valid: must be between 1 and 65535, inclusive");
    if (path.len)
        check_service_path(v, VFIELD(at, "path"), path);
}

static void check_client(struct validator *v, const struct vpath *at, const struct value *client)
{
    const struct value *url = value_get(client, "url");
    const struct value *service = value_get(client, "service");

    if (!url == !service)
        report_required(v, at, "exactly one of url or service is required");
    else if (url)
        check_url(v, VFIELD(at, "url"), value_string(url));
    else
        check_service(v, VFIELD(at, "service"), service);
}

static void check_selectors(const struct rule_site *s)
{
    static const char *const fields[] = {"namespaceSelector", "objectSelector"};

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (value_get(s->object, fields[i]))
            check_label_selector(s->v, VFIELD(s->at, fields[i]), value_get(s->object, fields[i]));
}

static void check_webhook(const struct rule_site *s)
{
    struct slice name = value_string(value_get(s->object, "name"));
    const struct value *timeout = value_get(s->object, "timeoutSeconds");
    const struct value *versions = value_get(s->object, "admissionReviewVersions");

    if (name.len)
        (void)check_name(s->v, VFIELD(s->at, "name"), name, three_parts_rule);
    if (!value_string(value_get(s->object, "sideEffects")).len)
        report_required(s->v, VFIELD(s->at, "sideEffects"), "must specify one of None, NoneOnDryRun");
    if (timeout && (value_int(timeout) < 1 || value_int(timeout) > 30))
        report_invalid(s->v, VFIELD(s->at, "timeoutSeconds"), timeout,
                       "the timeout value must be between 1 and 30 seconds");
    if (!value_count(versions))
        report_required(s->v, VFIELD(s->at, "admissionReviewVersions"), "must specify one of v1, v1beta1");
    else if (!list_has(versions, "v1") && !list_has(versions, "v1beta1"))
        report_invalid(s->v, VFIELD(s->at, "admissionReviewVersions"), versions,
                       "must include at least one of v1, v1beta1");
    check_selectors(s);
    check_client(s->v, VFIELD(s->at, "clientConfig"), value_get(s->object, "clientConfig"));
}

static void check_webhook_names(const struct rule_site *s)
{
    for (size_t i = 1; i < value_count(s->value) && i < WEBHOOKS_COMPARED_MAX; i++)
        for (size_t j = 0; j < i; j++)
            if (value_equal(value_get(value_at(s->value, i), "name"), value_get(value_at(s->value, j), "name"))) {
                report_duplicate(s->v, VFIELD(VINDEX(s->at, i), "name"), value_get(value_at(s->value, i), "name"));
                break;
            }
}

/* ---- policies ---- */

static void check_policy(const struct rule_site *s)
{
    const struct value *kind = value_get(s->object, "paramKind");
    const struct value *match = value_get(s->object, "matchConstraints");

    if (!match)
        report_required(s->v, VFIELD(s->at, "matchConstraints"), NULL);
    else if (!value_count(value_get(match, "resourceRules")))
        report_required(s->v, VFIELD(VFIELD(s->at, "matchConstraints"), "resourceRules"), NULL);
    if (!value_count(value_get(s->object, "validations")) && !value_count(value_get(s->object, "auditAnnotations"))) {
        report_required(s->v, VFIELD(s->at, "validations"),
                        "validations or auditAnnotations must contain at least one item");
        report_required(s->v, VFIELD(s->at, "auditAnnotations"),
                        "validations or auditAnnotations must contain at least one item");
    }
    if (kind && !value_string(value_get(kind, "apiVersion")).len)
        report_required(s->v, VFIELD(VFIELD(s->at, "paramKind"), "apiVersion"), NULL);
    if (kind && !value_string(value_get(kind, "kind")).len)
        report_required(s->v, VFIELD(VFIELD(s->at, "paramKind"), "kind"), NULL);
}

static void check_policy_binding(const struct rule_site *s)
{
    const struct value *param = value_get(s->object, "paramRef");
    const struct vpath *at = VFIELD(s->at, "paramRef");
    bool named = value_string(value_get(param, "name")).len > 0;

    if (!value_string(value_get(s->object, "policyName")).len)
        report_required(s->v, VFIELD(s->at, "policyName"), NULL);
    if (!value_count(value_get(s->object, "validationActions")))
        report_required(s->v, VFIELD(s->at, "validationActions"), NULL);
    if (!param)
        return;
    if (named && value_get(param, "selector"))
        report_forbidden(s->v, VFIELD(at, "name"), "name and selector are mutually exclusive");
    else if (!named && !value_get(param, "selector"))
        report_required(s->v, at, "one of name or selector must be specified");
    if (!value_get(param, "parameterNotFoundAction"))
        report_required(s->v, VFIELD(at, "parameterNotFoundAction"), NULL);
}

static const struct rule rules[] = {
    {"RuleWithOperations", NULL, check_operation_rule},
    {"ValidatingWebhook", NULL, check_webhook},
    {"MutatingWebhook", NULL, check_webhook},
    {"ValidatingWebhookConfiguration", "webhooks", check_webhook_names},
    {"MutatingWebhookConfiguration", "webhooks", check_webhook_names},
    {"MatchResources", NULL, check_selectors},
    {"ValidatingAdmissionPolicySpec", NULL, check_policy},
    {"ValidatingAdmissionPolicyBindingSpec", NULL, check_policy_binding},
};
const struct rule_set validate_rules_admission = {rules, ARRAY_SIZE(rules)};
