/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pull of one image from a registry (OCI distribution, Docker registry v2): manifest, config and the layers that are
 * not here yet, every byte checked against its digest. On the loop; unpacking goes to the pool.
 */
#ifndef KNARR_AGENT_IMAGE_PULL_H
#define KNARR_AGENT_IMAGE_PULL_H

#include "agent/image_store.h"
#include "agent/registry_login.h"
#include "lib/loop.h"

struct image_pull;
struct image_pull_options {
    const char *store_dir;
    const struct image_ref *ref;
    bool insecure; /* plain HTTP */
    /* Tried in turn; none = anonymous. Those from `host_logins` on are the node's own and count as everybody's. */
    const struct registry_logins *logins;
    size_t host_logins;
    const struct image *present; /* of that name, as it is here; NULL = none */
};
/* `done` comes once, later: `image` is the caller's and NULL when it failed. The record is on disk by then. */
struct image_pull *image_pull_start(struct loop *loop, const struct image_pull_options *options,
                                    void (*done)(void *arg, struct image *image, const struct error *err), void *arg);
/* No callback follows. A job that is on the pool ends on its own. */
void image_pull_cancel(struct image_pull *pull);

/* Is the host one that is spoken to over plain HTTP? `insecure_hosts` NULL = loopback only. */
bool image_host_insecure(const char *registry, const char *const *insecure_hosts);

#endif
