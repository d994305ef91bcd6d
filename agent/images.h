/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images as pods want them: found, imported from home/images, or pulled, by pull policy. On the loop; equal wishes of
 * several containers share one pull.
 *
 * An image that was pulled with somebody's login is not handed to others because it happens to be here: they must show
 * the same login, or the registry is asked again (upstream's KubeletEnsureSecretPulledImages). Imported images, and
 * those that came without a login or with the node's own, are everybody's.
 */
#ifndef KNARR_AGENT_IMAGES_H
#define KNARR_AGENT_IMAGES_H

#include "agent/image_store.h"
#include "agent/registry_login.h"
#include "lib/loop.h"

struct images_options {
    const char *store_dir;             /* home/agent/images */
    const char *archive_dir;           /* home/images */
    const char *logins;                /* file: the node's own logins, as Docker's config.json; may be absent */
    const char *const *insecure_hosts; /* NULL = loopback only */
};

struct images_result {
    const struct image *image; /* NULL = failed; hold it to keep it */
    bool pulled;               /* from a registry, just now */
    int64_t pull_ns;
    int64_t wait_ns;    /* since it was asked for */
    const char *reason; /* of a failure: "ErrImagePull", "ErrImageNeverPull", "InvalidImageName" */
    const struct error *err;
};
typedef void images_done(void *arg, const struct images_result *result);

struct images;
struct images_request;

/* Opens the store and starts to import what lies in archive_dir, and what appears there later. Blocks a little. */
int images_new(struct loop *loop, const struct images_options *options, struct images **ret_images, struct error *err);
/* No request may be under way. Waits for nothing: jobs on the pool end on their own. */
void images_free(struct images *images);
struct images_wish {
    const char *name;
    const char *policy;                   /* "" = the default for the name */
    const struct registry_logins *logins; /* of the pod's Secrets; copied */
};
/* `started` (may be NULL) is called when a registry has to be asked. Both callbacks come later, never from inside. */
struct images_request *images_ensure(struct images *images, const struct images_wish *wish, void (*started)(void *arg),
                                     images_done *done, void *arg);
void images_request_cancel(struct images_request *request); /* no callback follows; NULL is allowed */
const struct image_store *images_store(const struct images *images);

#endif
