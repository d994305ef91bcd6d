/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSRs: three signers. For kube-apiserver-client-kubelet a bootstrap token may ask for a node's first client
 * certificate and a node for its next one. For kubelet-serving a node may ask for names and addresses that its Node
 * object has. The same rules are checked again before signing, so that an approval by hand cannot turn a node signer
 * into something else. For kube-apiserver-client people approve, whoever it is about. Everything else is left to other
 * signers.
 *
 *     new --approve--> Approved --sign--> has a certificate --an hour--> gone
 *      |                   \----rules broken----> Failed ------an hour--> gone
 *      '-------------------- a day -------------------------------------> gone
 */
#include "controllers/csr.h"

#include "controllers/rows.h"
#include "lib/encoding.h"

#define CSR_USER        "kubernetes.io/kube-apiserver-client"
#define CSR_CLIENT      "kubernetes.io/kube-apiserver-client-kubelet"
#define CSR_SERVING     "kubernetes.io/kubelet-serving"
#define CSR_NODE_PREFIX "system:node:"
#define CSR_YEAR_S      (365LL * 24 * 3600)
#define CSR_LEAST_S     600
#define CSR_ANSWERED_S  3600 /* as upstream */
#define CSR_PENDING_S   (24 * 3600)
#define CSR_REQUEST_MAX (64u << 10)

struct csr_rule {
    const char *signer;
    const char *usage; /* must be asked for */
    unsigned pki_usage;
    bool names;  /* must (else: must not) have subject alternative names */
    bool anyone; /* the subject may be anybody but an administrator, with any names; people approve */
};

static const struct csr_rule csr_rules[] = {
    {CSR_USER, "client auth", PKI_USAGE_CLIENT, .anyone = true},
    {CSR_CLIENT, "client auth", PKI_USAGE_CLIENT},
    {CSR_SERVING, "server auth", PKI_USAGE_SERVER, .names = true},
};

static struct slice csr_spec(const struct view *csr, const char *name)
{
    return scan_get(view_raw(csr, CSR_SPEC), name);
}

static const struct csr_rule *csr_find_rule(const struct view *csr)
{
    for (size_t i = 0; i < ARRAY_SIZE(csr_rules); i++)
        if (scan_text_is(csr_spec(csr, "signerName"), csr_rules[i].signer))
            return &csr_rules[i];
    return NULL;
}

static bool csr_list_has(struct slice list, const char *text)
{
    struct scan_cursor at = scan_open(list);
    struct slice value;

    while (scan_element(&at, &value))
        if (scan_text_is(value, text))
            return true;
    return false;
}

static bool csr_has_condition(const struct view *csr, const char *type)
{
    struct scan_cursor at = scan_open(view_raw(csr, CSR_CONDITIONS));
    struct slice condition;

    while (scan_element(&at, &condition))
        if (scan_text_is(scan_get(condition, "type"), type))
            return true;
    return false;
}

struct slice csr_node_name(const struct view *csr)
{
    struct slice user = view_unquote(csr_spec(csr, "username"));
    struct slice prefix = SLICE_LIT(CSR_NODE_PREFIX);

    return slice_starts(user, prefix) ? slice_from(user, prefix.len) : slice_make("", 0);
}

int64_t csr_seconds(const struct view *csr, int64_t most)
{
    int64_t seconds = scan_int(csr_spec(csr, "expirationSeconds"), most);

    if (seconds < CSR_LEAST_S)
        seconds = CSR_LEAST_S;
    return seconds > most ? most : seconds;
}

/* The PEM of spec.request. */
static bool csr_read_pem(const struct view *csr, struct buf *pem)
{
    struct slice text = view_unquote(csr_spec(csr, "request"));

    return text.len <= CSR_REQUEST_MAX && base64_decode(pem, text);
}

/* The usages asked for: the rule's own, and nothing but what goes with it. */
static bool csr_usages_fit(const struct view *csr, const struct csr_rule *rule)
{
    struct scan_cursor at = scan_open(csr_spec(csr, "usages"));
    struct slice usage;

    while (scan_element(&at, &usage))
        if (!scan_text_is(usage, rule->usage) && !scan_text_is(usage, "digital signature") &&
            !scan_text_is(usage, "key encipherment"))
            return false;
    return csr_list_has(csr_spec(csr, "usages"), rule->usage) &&
           (rule->anyone || csr_list_has(csr_spec(csr, "usages"), "digital signature"));
}

static bool csr_is_administrator(const struct pki_info *info)
{
    for (size_t i = 0; i < info->organization_count; i++)
        if (!strcmp(info->organizations[i], "system:masters"))
            return true;
    return false;
}

/* What the signer insists on, whoever asked; NULL = fits. */
static const char *csr_misfit(const struct view *csr, const struct csr_rule *rule, const struct pki_info *info)
{
    bool names = info->dns_name_count || info->ip_address_count;

    if (rule->anyone && csr_is_administrator(info))
        return "administrators get no certificate from this signer";
    if (rule->anyone)
        return csr_usages_fit(csr, rule) ? NULL : "usages did not match the signer's";
    if (!info->common_name || strncmp(info->common_name, CSR_NODE_PREFIX, strlen(CSR_NODE_PREFIX)) != 0)
        return "subject common name does not begin with 'system:node:'";
    if (info->organization_count != 1 || strcmp(info->organizations[0], "system:nodes") != 0)
        return "subject organization is not system:nodes";
    if (rule->names && !names)
        return "DNS or IP subjectAltName is required";
    if (!rule->names && names)
        return "DNS and IP subjectAltNames are not allowed";
    if (!csr_usages_fit(csr, rule))
        return "usages did not match the signer's";
    if (rule->names && !scan_text_is(csr_spec(csr, "username"), info->common_name))
        return "requesting user is not the subject of the request";
    return NULL;
}

/* Whether the Node has that address; any type of it counts for a name, as for an IP. */
static bool csr_node_has(const struct view *node, const char *address)
{
    struct scan_cursor at = scan_open(view_raw(node, NODE_ADDRESSES));
    struct slice entry;

    while (scan_element(&at, &entry))
        if (scan_text_is(scan_get(entry, "address"), address))
            return true;
    return false;
}

static bool csr_names_fit(const struct view *node, const struct pki_info *info)
{
    for (size_t i = 0; i < info->dns_name_count; i++)
        if (!slice_is(view_text(node, VIEW_NAME), info->dns_names[i]) && !csr_node_has(node, info->dns_names[i]))
            return false;
    for (size_t i = 0; i < info->ip_address_count; i++)
        if (!csr_node_has(node, info->ip_addresses[i]))
            return false;
    return true;
}

/* The message of an approval; NULL = a person decides. */
static const char *csr_approval(const struct view *csr, const struct csr_rule *rule, const struct pki_info *info,
                                const struct view *node)
{
    struct slice groups = csr_spec(csr, "groups");
    bool self = scan_text_is(csr_spec(csr, "username"), info->common_name) && csr_list_has(groups, "system:nodes");

    if (rule->anyone)
        return NULL;
    if (rule->names)
        return self && node && csr_names_fit(node, info)
                   ? "Auto approving kubelet serving certificate: its names and addresses are the node's."
                   : NULL;
    if (self)
        return "Auto approving self kubelet client certificate after SubjectAccessReview.";
    if (csr_list_has(groups, "system:bootstrappers"))
        return "Auto approving kubelet client certificate after SubjectAccessReview.";
    return NULL;
}

enum csr_verdict csr_judge(const struct view *csr, const struct view *node, const char **ret_text)
{
    const struct csr_rule *rule = csr_find_rule(csr);
    bool approved = csr_has_condition(csr, "Approved");
    struct pki_info info CLEANUP(pki_info_clear) = {0};
    const char *misfit;
    BUF_LOCAL(pem);

    if (!rule || view_raw(csr, CSR_CERTIFICATE).len > 2 || csr_has_condition(csr, "Denied") ||
        csr_has_condition(csr, "Failed"))
        return CSR_LEAVE;
    if (!csr_read_pem(csr, &pem) || pki_read_request(buf_slice(&pem), &info, NULL) < 0)
        misfit = "the request cannot be read";
    else
        misfit = csr_misfit(csr, rule, &info);
    if (approved) {
        *ret_text = misfit;
        return misfit ? CSR_FAIL : CSR_SIGN;
    }
    *ret_text = misfit ? NULL : csr_approval(csr, rule, &info, node);
    return *ret_text ? CSR_APPROVE : CSR_LEAVE;
}

/* ---- the end of it ---- */

/* When the last of these conditions came; 0 = there is none. */
static int64_t csr_answered_ns(const struct view *csr, bool issued)
{
    static const char *const types[] = {"Denied", "Failed", "Approved"};
    struct scan_cursor at = scan_open(view_raw(csr, CSR_CONDITIONS));
    struct slice condition;
    int64_t last = 0;

    while (scan_element(&at, &condition))
        for (size_t i = 0; i < ARRAY_SIZE(types) - (issued ? 0 : 1); i++) {
            int64_t when;

            if (scan_text_is(scan_get(condition, "type"), types[i]) &&
                time_parse(view_unquote(scan_get(condition, "lastUpdateTime")), &when) && when > last)
                last = when;
        }
    return last;
}

/* When the certificate ends; INT64_MAX = there is none, or it cannot be read. */
static int64_t csr_certificate_end_ns(const struct view *csr)
{
    struct pki_info info CLEANUP(pki_info_clear) = {0};
    BUF_LOCAL(pem);

    if (!base64_decode(&pem, view_text(csr, CSR_CERTIFICATE)) || !pem.len ||
        pki_read_certificate(buf_slice(&pem), &info, NULL) < 0)
        return INT64_MAX;
    return info.not_after_ns;
}

int64_t csr_left_s(const struct view *csr, int64_t now_ns)
{
    bool issued = view_raw(csr, CSR_CERTIFICATE).len > 2;
    int64_t answered = csr_answered_ns(csr, issued);
    int64_t end = answered ? answered + CSR_ANSWERED_S * NS_PER_S
                           : view_time(csr, VIEW_CREATED) + CSR_PENDING_S * NS_PER_S;
    int64_t certificate_end = issued ? csr_certificate_end_ns(csr) : INT64_MAX;

    if (certificate_end < end)
        end = certificate_end;
    return end <= now_ns ? 0 : (end - now_ns) / NS_PER_S + 1;
}

/* ---- reconcile ---- */

/* Adds the patch of a subresource that sets the conditions to what they are and one more. */
static void csr_plan_condition(const struct view *csr, const char *sub, const char *type, const char *reason,
                               const char *message, int64_t now, struct plan *plan)
{
    struct action *action = plan_add(plan, ACTION_PATCH, &view_csrs, SLICE_NONE, view_text(csr, VIEW_NAME));
    struct scan_cursor at = scan_open(view_raw(csr, CSR_CONDITIONS));
    struct slice condition;
    char time[TIME_TEXT_MAX];

    time_format_seconds(now, time);
    action->sub = sub;
    action->flags = ACTION_MISSING_IS_FINE;
    buf_append_str(&action->body, "{\"metadata\":{");
    plan_member(&action->body, "resourceVersion", view_text(csr, VIEW_REVISION));
    buf_append_str(&action->body, "},\"status\":{\"conditions\":[");
    while (scan_element(&at, &condition)) {
        buf_append_slice(&action->body, condition);
        buf_append_byte(&action->body, ',');
    }
    buf_append_byte(&action->body, '{');
    plan_member(&action->body, "type", slice_str(type));
    plan_member(&action->body, "status", SLICE_LIT("True"));
    plan_member(&action->body, "reason", slice_str(reason));
    plan_member(&action->body, "message", slice_str(message));
    plan_member(&action->body, "lastUpdateTime", slice_str(time));
    plan_member(&action->body, "lastTransitionTime", slice_str(time));
    buf_append_str(&action->body, "}]}}");
}

static int csr_plan_certificate(struct run *run, const struct view *csr, struct plan *plan)
{
    int64_t most = run_options(run)->certificate_s;
    char *certificate CLEANUP_FREE = NULL;
    struct action *action;
    BUF_LOCAL(pem);
    BUF_LOCAL(text);

    if (!run_options(run)->signer || !csr_read_pem(csr, &pem) ||
        pki_sign_request(run_options(run)->signer, buf_slice(&pem), csr_find_rule(csr)->pki_usage, run_clock(run),
                         csr_seconds(csr, most ? most : CSR_YEAR_S), &certificate, NULL) < 0)
        return -1;
    action = plan_add(plan, ACTION_PATCH, &view_csrs, SLICE_NONE, view_text(csr, VIEW_NAME));
    action->sub = "status";
    action->flags = ACTION_MISSING_IS_FINE;
    buf_append_str(&action->body, "{\"metadata\":{");
    plan_member(&action->body, "resourceVersion", view_text(csr, VIEW_REVISION));
    buf_append_str(&action->body, "},\"status\":{");
    base64_encode(&text, slice_str(certificate));
    plan_member(&action->body, "certificate", buf_slice(&text));
    buf_append_str(&action->body, "}}");
    return 0;
}

static void csr_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    const struct view *csr = run_get_key(run, &view_csrs, key);
    const char *text = NULL;
    enum csr_verdict verdict;
    int64_t left;

    if (!csr || view_deleting(csr))
        return;
    left = csr_left_s(csr, run_now(run));
    if (!left) {
        (void)plan_delete(plan, csr);
        return;
    }
    plan_again(plan, (uint64_t)left * 1000);
    verdict = csr_judge(csr, run_get_key(run, &view_nodes, csr_node_name(csr)), &text);
    if (verdict == CSR_APPROVE)
        csr_plan_condition(csr, "approval", "Approved", "AutoApproved", text, run_now(run), plan);
    else if (verdict == CSR_FAIL)
        csr_plan_condition(csr, "status", "Failed", "SignerValidationFailure", text, run_now(run), plan);
    else if (verdict == CSR_SIGN && csr_plan_certificate(run, csr, plan) < 0)
        csr_plan_condition(csr, "status", "Failed", "SignerValidationFailure", "signing failed", run_now(run), plan);
}

struct csr_wake {
    struct run *run;
    struct slice node;
};

static void csr_wake(void *arg, const struct view *csr)
{
    const struct csr_wake *wake = arg;

    if (!view_raw(csr, CSR_CERTIFICATE).len && slice_equal(csr_node_name(csr), wake->node))
        map_own(wake->run, NULL, csr);
}

/* A serving certificate may wait for its Node's addresses. */
static void csr_map_node(struct run *run, const struct view *before, const struct view *now)
{
    struct csr_wake wake = {run, now ? view_text(now, VIEW_NAME) : SLICE_NONE};

    if (!now || (before && slice_equal(view_raw(before, NODE_ADDRESSES), view_raw(now, NODE_ADDRESSES))))
        return;
    run_each(run, &view_csrs, csr_wake, &wake);
}

const struct controller csr_controller = {
    .name = "certificate-controller",
    .watches = {{&view_csrs, map_own}, {&view_nodes, csr_map_node}},
    .reconcile = csr_reconcile,
};
