/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images as pods want them: found, imported from home/images, or pulled, by pull policy. On the loop; equal wishes of
 * several containers share one pull.
 */
#ifndef KNARR_AGENT_IMAGES_H
#define KNARR_AGENT_IMAGES_H

#include "agent/image_store.h"
#include "lib/loop.h"

struct images_options {
    const char *store_dir;             /* home/agent/images */
    const char *archive_dir;           /* home/images */
    const char *const *insecure_hosts; /* NULL = loopback only */
};

struct images_result {
    const struct image *image; /* NULL = failed; hold it to keep it */
    bool pulled;               /* from a registry, just now */
    int64_t pull_ns;
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
/* `started` (may be NULL) is called when a registry has to be asked. `policy` "" = the default for the name. Both
 * callbacks come later, never from inside. */
struct images_request *images_ensure(struct images *images, const char *name, const char *policy,
                                     void (*started)(void *arg), images_done *done, void *arg);
void images_request_cancel(struct images_request *request); /* no callback follows; NULL is allowed */
const struct image_store *images_store(const struct images *images);

#endif
