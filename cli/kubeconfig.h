/* SPDX-License-Identifier: Apache-2.0 */
/* Kubeconfig: which cluster, and who we are there; what kubectl reads, as far as certificates and tokens go. */
#ifndef KNARR_CLI_KUBECONFIG_H
#define KNARR_CLI_KUBECONFIG_H

#include "lib/bytes.h"
#include "lib/error.h"

struct kubeconfig {
    char *server;
    char *namespace_; /* of the context; "default" when it has none */
    struct buf ca;    /* PEM */
    struct buf certificate;
    struct buf key;
    char *token; /* NULL = none */
};

/* `path` NULL = the usual places (see 'knarr help'), the first that exists. */
int kubeconfig_load(const char *path, struct kubeconfig *ret_config, struct error *err);
void kubeconfig_clear(struct kubeconfig *config);

#endif
