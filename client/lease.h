/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leader election by a coordination.k8s.io Lease, as client-go's leaderelection does it (15 s / 10 s / 2 s). `name` is
 * a plain object name.
 */
#ifndef KNARR_CLIENT_LEASE_H
#define KNARR_CLIENT_LEASE_H

#include "client/client.h"

struct lease_election;
struct lease_election_options {
    const char *namespace_;
    const char *name;
    const char *identity;
    void (*started)(void *arg); /* we lead now */
    void (*stopped)(void *arg); /* we lost it */
    void *arg;
};
struct lease_election *lease_election_start(struct client *client, const struct lease_election_options *options);
void lease_election_free(struct lease_election *e);

#endif
