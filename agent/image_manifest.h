/* SPDX-License-Identifier: Apache-2.0 */
/* The documents an image is made of: index, manifest, config (OCI image-spec, Docker schema 2). Pure. */
#ifndef KNARR_AGENT_IMAGE_MANIFEST_H
#define KNARR_AGENT_IMAGE_MANIFEST_H

#include "agent/str_list.h"
#include "api/value.h"
#include "lib/error.h"

#define IMAGE_DOCUMENT_MAX (4u << 20) /* bytes of one manifest or config */
#define IMAGE_LAYERS_MAX   127        /* as other engines bound it */

struct image_blob {
    char *digest; /* "sha256:..." */
    int64_t size;
};

struct image_manifest {
    struct image_blob config;
    struct image_blob *layers; /* lowest first */
    size_t layer_count;
};
void image_manifest_clear(struct image_manifest *m);

/* "amd64", "arm64": this machine's architecture in the field's words. */
const char *image_architecture(void);
/* Is it a list of manifests rather than one? */
bool image_is_index(const struct value *document);
/* The digest of the manifest for linux on `architecture` in an index; borrowed. NULL with ERROR_NOT_FOUND. */
const char *image_index_pick(const struct value *index, const char *architecture, struct error *err);
int image_manifest_read(const struct value *document, struct image_manifest *ret_manifest, struct error *err);
/* Adds the diffIDs of a config (hex, without "sha256:") to *ret_layers. */
int image_config_layers(const struct value *config, struct str_list *ret_layers, struct error *err);

#endif
