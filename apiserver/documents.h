/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents about the API (discovery, OpenAPI): written from the schema when first asked for, then served from memory
 * with an ETag. One set for each set of kinds: customs.h has the newest.
 */
#ifndef KNARR_APISERVER_DOCUMENTS_H
#define KNARR_APISERVER_DOCUMENTS_H

#include "api/schema.h"
#include "lib/bytes.h"

struct document {
    struct refbuf *body;
    const char *content_type;
    char etag[68]; /* with its quotes */
};

struct documents; /* shared by all fronts */

/* About these kinds (borrowed). `describe` gives a kind with its OpenAPI schema in the place of one of them that has
 * none (its own lifetime: until `described` is called for it); NULL: all have theirs. */
struct documents_options {
    const char *server_address;
    const struct schema_kind *const *kinds;
    size_t count;
    const struct schema_kind *(*describe)(void *arg, const struct schema_kind *kind);
    void (*described)(void *arg, const struct schema_kind *kind);
    void *arg;
};
struct documents *documents_make(const struct documents_options *options);
void documents_free(struct documents *docs);
/* The document of a name: "api", "api/v1", "apis", "apis/apps", "apis/apps/v1", with "#v2" or "#v2beta1" behind "api"
 * and "apis" for the aggregated form; "openapi/v2", "openapi/v2#protobuf", "openapi/v3", "openapi/v3/apis/apps/v1".
 * NULL when there is none. From any thread; what it returns lives as long as docs. */
const struct document *documents_get(struct documents *docs, struct slice name);

#endif
