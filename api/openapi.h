/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery and OpenAPI documents, all made from the schema's tables. */
#ifndef KNARR_API_OPENAPI_H
#define KNARR_API_OPENAPI_H

#include "api/schema.h"

/* Aggregated discovery of /api (core = true) or /apis; `version` is "v2" or "v2beta1". */
void discovery_write_aggregated(struct buf *out, const struct schema_kind *const *kinds, size_t count, bool core,
                                const char *version);
/* Legacy: APIVersions of /api, APIGroupList of /apis, APIGroup of /apis/GROUP, APIResourceList of a group version. */
void discovery_write_versions(struct buf *out, const char *server_address);
void discovery_write_groups(struct buf *out, const struct schema_kind *const *kinds, size_t count);
/* False when the group (and version) has no kinds. */
bool discovery_write_group(struct buf *out, const struct schema_kind *const *kinds, size_t count, struct slice group);
bool discovery_write_resources(struct buf *out, const struct schema_kind *const *kinds, size_t count,
                               struct slice group, struct slice version);

/* Gives a kind that a definition made with its OpenAPI schema: for version 2 or 3. It is taken back before the next one
 * is asked for, so that a document of many has one of them in memory at a time. */
struct openapi_describer {
    const struct schema_kind *(*describe)(void *arg, const struct schema_kind *kind, bool v2);
    void (*described)(void *arg, const struct schema_kind *kind); /* not called for one that is `kind` itself */
    void *arg;
};

/* Of custom resources so much goes into the document of version 2: beyond it a kind is said to be any object, and its
 * paths are left out. Clients that read it take all of it each time. */
#define OPENAPI_V2_SCHEMAS_MAX (8u << 20)
#define OPENAPI_V2_PATHS_MAX   (2u << 20)

/* The hashes of documents of which all kinds are built in: they never change, and are found out once. From any thread.
 */
struct openapi_hashes;
struct openapi_hashes *openapi_hashes_new(void);
void openapi_hashes_free(struct openapi_hashes *hashes); /* NULL is allowed */

/* /openapi/v3: the index with hashes (`hashes` NULL: each is found out anew), and one document per group version.
 * describer NULL: all kinds have their schemas. */
void openapi_write_v3_index(struct buf *out, const struct schema_kind *const *kinds, size_t count,
                            struct openapi_hashes *hashes);
bool openapi_write_v3(struct buf *out, const struct schema_kind *const *kinds, size_t count, struct slice group,
                      struct slice version, const struct openapi_describer *describer);
/* /openapi/v2 as JSON, and as the protobuf form that older kubectl asks for. */
void openapi_write_v2(struct buf *out, const struct schema_kind *const *kinds, size_t count,
                      const struct openapi_describer *describer);
void openapi_write_v2_protobuf(struct buf *out, const struct schema_kind *const *kinds, size_t count,
                               const struct openapi_describer *describer);

#endif
