/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of admission share. */
#ifndef KNARR_APISERVER_ADMISSION_INTERNAL_H
#define KNARR_APISERVER_ADMISSION_INTERNAL_H

#include "apiserver/admission.h"

/* ERROR_FORBIDDEN: `pods "x" is forbidden: ...`. */
int admission_forbid(const struct admission *a, struct error *err, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool admission_is_kind(const struct admission *a, const char *group, const char *plural);

/* admission_account.c */
int admit_pod_account(const struct admission *a, struct error *err);
/* A node gets tokens only for the pods that run on it, and only those that they ask for. */
int admit_node_token(const struct admission *a, const char *node, struct error *err);

/* admission_certificates.c */
int admit_csr_approval(const struct admission *a, struct error *err);
int admit_csr_signing(const struct admission *a, struct error *err);
int admit_csr_subject(const struct admission *a, struct error *err);

/* admission_node.c */
int admit_node(const struct admission *a, struct error *err);
int admit_node_taint(const struct admission *a, struct error *err);

/* admission_limits.c */
int admit_limit_defaults(const struct admission *a, struct error *err);
int admit_limits(const struct admission *a, struct error *err);
/* Warns of entries that are about nothing. */
int admit_limit_range(const struct admission *a, struct error *err);

/* admission_quota.c */
int admit_quota(const struct admission *a, struct error *err);
/* Counts what a status of a quota leaves out. */
int admit_quota_status(const struct admission *a, struct error *err);
/* Warns of limits that nothing counts against. */
int admit_quota_limits(const struct admission *a, struct error *err);

/* admission_secret.c */
int admit_account_secret(const struct admission *a, struct error *err);

/* admission_classes.c */
int admit_pod_priority(const struct admission *a, struct error *err);
int admit_pod_runtime(const struct admission *a, struct error *err);
int admit_priority_class(const struct admission *a, struct error *err);
/* What names no class gets the default one, where there is one. */
int admit_default_class(const struct admission *a, struct error *err);
/* A claim may grow where its class says so. */
int admit_claim_size(const struct admission *a, struct error *err);

#endif
