/* SPDX-License-Identifier: Apache-2.0 */
/* Controllers: level-triggered loops over the public API; one file and one row each (controllers/table.c). */
#ifndef KNARR_CONTROLLERS_CONTROLLERS_H
#define KNARR_CONTROLLERS_CONTROLLERS_H

#include "client/client.h"
#include "lib/pki.h"

struct controllers;
struct controllers_options {
    struct loop *loop;
    /* A client of its own for each controller; the name is the service account ("deployment-controller"), NULL for the
     * one that reads for all of them. */
    struct client *(*client_for)(void *arg, const char *name);
    void *arg;
    const struct pki_pair *signer; /* signs approved CSRs */
    struct slice root_ca;          /* PEM for kube-root-ca.crt */
    int64_t certificate_s;         /* the longest life of what it signs; 0 = a year */
    size_t terminated_pods;        /* pods that have ended and are kept; 0 = 12500 */
    unsigned node_grace_s;         /* no Lease renewal for so long = Unknown; 0 = 50 */
};
struct controllers *controllers_start(const struct controllers_options *options);
void controllers_free(struct controllers *c);

#endif
