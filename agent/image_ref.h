/* SPDX-License-Identifier: Apache-2.0 */
/* Image references: "busybox" is docker.io/library/busybox:latest (distribution's reference grammar). Pure. */
#ifndef KNARR_AGENT_IMAGE_REF_H
#define KNARR_AGENT_IMAGE_REF_H

#include "lib/bytes.h"
#include "lib/error.h"

struct image_ref {
    char *registry;   /* "docker.io", "127.0.0.1:5000" */
    char *repository; /* "library/busybox" */
    char *tag;        /* NULL when only a digest was given */
    char *digest;     /* "sha256:<64 hex>" or NULL; it wins over the tag */
};

/* ERROR_INVALID with upstream's words ("couldn't parse image name ..."). */
int image_ref_parse(struct slice text, struct image_ref *ret_ref, struct error *err);
void image_ref_clear(struct image_ref *ref);
#define IMAGE_REF_LOCAL(name) struct image_ref name CLEANUP(image_ref_clear) = {0}
/* "docker.io/library/busybox:latest" or "docker.io/library/busybox@sha256:..."; caller frees. */
char *image_ref_name(const struct image_ref *ref);
/* "docker.io/library/busybox"; caller frees. */
char *image_ref_repository(const struct image_ref *ref);
/* The pull policy that holds when none is given: Always for :latest, else IfNotPresent. */
const char *image_ref_default_policy(const struct image_ref *ref);
/* Is it "sha256:" and 64 lower-case hex digits? */
bool image_digest_valid(struct slice digest);

#endif
