/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents about the API (discovery, OpenAPI): written from the schema when first asked for, then served from memory
 * with an ETag as long as somebody asks. One set for each set of kinds: customs.h has the newest.
 */
#ifndef KNARR_APISERVER_DOCUMENTS_H
#define KNARR_APISERVER_DOCUMENTS_H

#include "api/openapi.h"
#include "lib/bytes.h"

#define DOCUMENT_ETAG_SIZE 68 /* a SHA-256 in hex, with its quotes */

struct document {
    struct refbuf *body; /* NULL: the client has it */
    const char *content_type;
    bool gzip; /* the body is packed */
    char etag[DOCUMENT_ETAG_SIZE];
};

struct documents; /* shared by all fronts */

/* About these kinds (borrowed); what `describer` gives has the OpenAPI schema of one that a definition made. It is
 * asked on the thread that wants the document. */
struct documents_options {
    const char *server_address;
    const struct schema_kind *const *kinds;
    size_t count;
    struct openapi_describer describer;
    struct openapi_hashes *hashes; /* borrowed; NULL = none are kept */
};
struct documents *documents_make(const struct documents_options *options);
void documents_free(struct documents *docs);
/* Whether it takes long to answer with the document: it is large and not in memory. Then on the pool, not on a loop. */
bool documents_is_long(struct documents *docs, struct slice name);
/* The document of a name: "api", "api/v1", "apis", "apis/apps", "apis/apps/v1", with "#v2" or "#v2beta1" behind "api"
 * and "apis" for the aggregated form; "openapi/v2", "openapi/v2#protobuf", "openapi/v3", "openapi/v3/apis/apps/v1".
 * False when there is none. From any thread; the body is the caller's reference. `known` are the ETags that the client
 * has: when the document's is among them there may be no body. */
bool documents_get(struct documents *docs, struct slice name, struct slice known, struct document *ret);
/* Puts the packed body in place of the document's, for who takes gzip: where it is kept (true), or else, with `make`,
 * anew, which takes long: on the pool. Small bodies stay as they are, which is true, too. */
bool documents_pack(struct documents *docs, struct slice name, bool make, struct document *document);
/* One of the regular calls after DOCUMENTS_KEPT of which a body that nobody asked for is let go; its ETag stays. */
#define DOCUMENTS_KEPT 6
void documents_tidy(struct documents *docs);

#endif
