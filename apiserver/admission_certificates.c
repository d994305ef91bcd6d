/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates: to approve a request, or to sign it, takes a right on its signer too (CertificateApproval,
 * CertificateSigning); and nobody asks for a certificate of the administrators' group by way of the signer that others
 * may be trusted with (CertificateSubjectRestriction).
 */
#include "apiserver/admission_internal.h"
#include "apiserver/authz.h"
#include "lib/encoding.h"
#include "lib/pki.h"

#define ADMINISTRATORS "system:masters"

static bool signer_allows(const struct admission *a, const char *verb, const char *name)
{
    const struct authz_question q = {.user = &a->req->user,
                                     .is_resource = true,
                                     .verb = verb,
                                     .path = "",
                                     .group = "certificates.k8s.io",
                                     .resource = "signers",
                                     .subresource = "",
                                     .namespace_ = "",
                                     .name = name,
                                     .field_selector = ""};
    const char *reason = NULL;

    return authz_allows(a->req, &q, &reason);
}

/* A right on the signer, or on all of its domain ("example.com/" and "*"). */
static int signer_require(const struct admission *a, const char *verb, struct error *err)
{
    const char *name = value_str(value_path(a->old, "spec", "signerName", NULL));
    ptrdiff_t slash;

    if (!name)
        name = "";
    slash = slice_find(slice_str(name), '/');
    if (signer_allows(a, verb, name) ||
        (slash >= 0 && signer_allows(a, verb, pool_printf(a->req->pool, "%.*s/*", (int)slash, name))))
        return 0;
    return admission_forbid(a, err, "user not permitted to %s requests with signerName \"%s\"", verb, name);
}

int admit_csr_approval(const struct admission *a, struct error *err)
{
    return signer_require(a, "approve", err);
}

int admit_csr_signing(const struct admission *a, struct error *err)
{
    static const char *const fields[] = {"certificate", "conditions"};

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (!value_equal(value_path(a->object, "status", fields[i], NULL),
                         value_path(a->old, "status", fields[i], NULL)))
            return signer_require(a, "sign", err);
    return 0;
}

int admit_csr_subject(const struct admission *a, struct error *err)
{
    const struct value *spec = value_get(a->object, "spec");
    struct slice signer = value_string(value_get(spec, "signerName"));
    struct pki_info info CLEANUP(pki_info_clear) = {0};
    bool administrators = false;
    BUF_LOCAL(pem);

    if (!slice_is(signer, "kubernetes.io/kube-apiserver-client") ||
        !base64_decode(&pem, value_string(value_get(spec, "request"))) ||
        pki_read_request(buf_slice(&pem), &info, NULL) < 0)
        return 0; /* what cannot be read was refused by its kind's rules */
    for (size_t i = 0; i < info.organization_count; i++)
        administrators = administrators || !strcmp(info.organizations[i], ADMINISTRATORS);
    return administrators ? admission_forbid(a, err, "use of %.*s signer with " ADMINISTRATORS " group is not allowed",
                                             SLICE_ARGS(signer))
                          : 0;
}
