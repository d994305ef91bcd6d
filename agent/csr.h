/* SPDX-License-Identifier: Apache-2.0 */
/* One CertificateSigningRequest, from a fresh key to the signed certificate. */
#ifndef KNARR_AGENT_CSR_H
#define KNARR_AGENT_CSR_H

#include "client/client.h"
#include "lib/pki.h"

struct csr;
struct csr_options {
    const char *signer; /* "kubernetes.io/kube-apiserver-client-kubelet" */
    const char *usage;  /* "client auth", "server auth" */
    struct pki_subject subject;
    const char *request; /* made before, with its key; NULL = a new one for the subject */
    const char *key;
};
/* Tries until the request was answered; `done` comes once, later, with a pair (the receiver's) or an error that trying
 * again would not mend: refused (ERROR_FORBIDDEN, ERROR_UNAUTHORIZED), denied, failed. */
int csr_start(struct client *client, const struct csr_options *options,
              void (*done)(void *arg, struct pki_pair *pair, const struct error *err), void *arg, struct csr **ret_csr,
              struct error *err);
void csr_cancel(struct csr *csr); /* no callback follows; NULL is allowed */

#endif
