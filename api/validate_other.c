/* SPDX-License-Identifier: Apache-2.0 */
/* Leases, requests for certificates. */
#include "api/validate_internal.h"

#include "lib/encoding.h"

static void check_lease(const struct rule_site *s)
{
    const struct value *duration = value_get(s->object, "leaseDurationSeconds");
    const struct value *holder = value_get(s->object, "holderIdentity");

    if (duration && value_int(duration) <= 0)
        report_invalid(s->v, VFIELD(s->at, "leaseDurationSeconds"), duration, "must be greater than 0");
    (void)check_not_negative(s->v, VFIELD(s->at, "leaseTransitions"), value_get(s->object, "leaseTransitions"));
    if (holder && !value_string(holder).len)
        report_required(s->v, VFIELD(s->at, "holderIdentity"), "must not be empty");
}

/* DOMAIN/PATH */
static const char *signer_rule(struct slice s)
{
    ptrdiff_t slash = slice_find(s, '/');

    if (slash <= 0 || (size_t)slash + 1 == s.len)
        return "must be a fully qualified domain and path of the form 'example.com/signer-name'";
    return validate_dns1123_subdomain(slice_make(s.data, (size_t)slash));
}

static void check_request_text(struct validator *v, const struct vpath *at, const struct value *request)
{
    struct value *none CLEANUP_VALUE = value_new_null();
    BUF_LOCAL(pem);

    if (!request || !base64_decode(&pem, value_string(request)) || !pem.len ||
        slice_find_text(buf_slice(&pem), SLICE_LIT("-----BEGIN CERTIFICATE REQUEST-----")) < 0 ||
        slice_find_text(buf_slice(&pem), SLICE_LIT("-----END CERTIFICATE REQUEST-----")) < 0)
        report_invalid(v, at, request ? request : none, "PEM block type must be CERTIFICATE REQUEST");
}

static void check_repeated_usages(struct validator *v, const struct vpath *at, const struct value *usages)
{
    for (size_t i = 0; i < value_count(usages) && i < 100; i++)
        for (size_t j = 0; j < i; j++)
            if (value_equal(value_at(usages, i), value_at(usages, j))) {
                report_duplicate(v, VINDEX(at, i), value_at(usages, i));
                break;
            }
}

static void check_certificate_request(const struct rule_site *s)
{
    static const char *const usages[] = {"any",
                                         "cert sign",
                                         "client auth",
                                         "code signing",
                                         "content commitment",
                                         "crl sign",
                                         "data encipherment",
                                         "decipher only",
                                         "digital signature",
                                         "email protection",
                                         "encipher only",
                                         "ipsec end system",
                                         "ipsec tunnel",
                                         "ipsec user",
                                         "key agreement",
                                         "key encipherment",
                                         "microsoft sgc",
                                         "netscape sgc",
                                         "ocsp signing",
                                         "s/mime",
                                         "server auth",
                                         "signing",
                                         "timestamping",
                                         NULL};
    const struct value *wanted = value_get(s->object, "usages");
    const struct value *seconds = value_get(s->object, "expirationSeconds");
    struct slice signer = value_string(value_get(s->object, "signerName"));

    check_request_text(s->v, VFIELD(s->at, "request"), value_get(s->object, "request"));
    if (!value_count(wanted))
        report_required(s->v, VFIELD(s->at, "usages"), "usages must be provided");
    for (size_t i = 0; i < value_count(wanted); i++)
        (void)check_one_of(s->v, VINDEX(VFIELD(s->at, "usages"), i), value_string(value_at(wanted, i)), usages);
    check_repeated_usages(s->v, VFIELD(s->at, "usages"), wanted);
    if (!signer.len)
        report_required(s->v, VFIELD(s->at, "signerName"), "signerName must be provided");
    else if (slice_is(signer, "kubernetes.io/legacy-unknown"))
        report_invalid_text(s->v, VFIELD(s->at, "signerName"), signer,
                            "the legacy signerName is not allowed via this API version");
    else
        (void)check_name(s->v, VFIELD(s->at, "signerName"), signer, signer_rule);
    if (seconds && value_int(seconds) < 600)
        report_invalid(s->v, VFIELD(s->at, "expirationSeconds"), seconds,
                       "may not specify a duration less than 600 seconds (10 minutes)");
    if (s->old && !value_equal(s->old, s->object))
        report_invalid(s->v, s->at, s->object, "field is immutable");
}

/* Approved and Denied are true or absent, and exclude each other. */
static void check_certificate_conditions(const struct rule_site *s)
{
    static const char *const truth[] = {"True", NULL};
    struct slice verdict = SLICE_NONE;

    for (size_t i = 0; i < value_count(s->value); i++) {
        const struct value *condition = value_at(s->value, i);
        struct slice type = value_string(value_get(condition, "type"));
        const struct vpath *at = VINDEX(s->at, i);

        if (!slice_is(type, "Approved") && !slice_is(type, "Denied"))
            continue;
        (void)check_one_of(s->v, VFIELD(at, "status"), value_string(value_get(condition, "status")), truth);
        if (verdict.len && !slice_equal(verdict, type))
            report_invalid_text(s->v, VFIELD(at, "type"), type,
                                "Approved and Denied conditions are mutually exclusive");
        verdict = type;
    }
}

/* The contents are not shown. */
static void check_certificate(const struct rule_site *s)
{
    BUF_LOCAL(pem);

    if (value_string(s->value).len && (!base64_decode(&pem, value_string(s->value)) ||
                                       slice_find_text(buf_slice(&pem), SLICE_LIT("-----BEGIN CERTIFICATE-----")) < 0))
        report_invalid_text(s->v, s->at, SLICE_LIT("<certificate data>"),
                            "must contain at least one CERTIFICATE PEM block");
}

static const struct rule rules[] = {
    {"LeaseSpec", NULL, check_lease},
    {"CertificateSigningRequestSpec", NULL, check_certificate_request},
    {"CertificateSigningRequestStatus", "conditions", check_certificate_conditions},
    {"CertificateSigningRequestStatus", "certificate", check_certificate},
};
const struct rule_set validate_rules_other = {rules, ARRAY_SIZE(rules)};
