/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that write OpenAPI documents share. One description of a document serves version 3 (one for each group
 * version) and version 2 (one for all); the two differ in where schemas stand and in how bodies are described. Private
 * to api/.
 */
#ifndef KNARR_API_OPENAPI_INTERNAL_H
#define KNARR_API_OPENAPI_INTERNAL_H

#include "api/groups.h"
#include "api/openapi.h"
#include "lib/map.h"

struct openapi_doc {
    struct buf *out;
    bool v2;
    struct kind_list list; /* all kinds of the server: a kind's subresources exchange kinds of other groups */
    struct map seen;       /* openapi_name to its type */
    const struct schema_type **types;
    size_t type_count;
    size_t type_cap;
    const struct openapi_describer *describer; /* NULL = none */
    size_t custom_paths;                       /* bytes of custom resources so far */
    size_t custom_schemas;
    uint32_t bases; /* bit i: enum schema_base i is referred to */
};

/* Schemas (openapi_schema.c) */

/* Notes the type and all it refers to, so that openapi_write_schemas writes them. */
void openapi_collect(struct openapi_doc *doc, const struct schema_type *type);
/* The members of "schemas" (version 3) or "definitions" (version 2): what was collected, and the lists of `kinds`. */
void openapi_write_schemas(struct openapi_doc *doc, struct kind_list kinds);
/* {"$ref":...} to a schema of that name (`suffix` is put behind it). */
void openapi_write_ref(struct openapi_doc *doc, const char *name, const char *suffix);

#define OPENAPI_META          "io.k8s.apimachinery.pkg.apis.meta.v1."
#define OPENAPI_PATCH         OPENAPI_META "Patch"
#define OPENAPI_RAW_EXTENSION "io.k8s.apimachinery.pkg.runtime.RawExtension"
#define OPENAPI_WATCH_EVENT   OPENAPI_META "WatchEvent"

/* Parameters in the query (openapi_parameters.c); both lists end with one without a name. */

struct openapi_parameter {
    const char *name;
    const char *type;
    const char *description;
};

const struct openapi_parameter *openapi_parameters_of_verb(enum schema_verb verb);
/* Of a subresource that exchanges text or bytes: "log", "exec" ... */
const struct openapi_parameter *openapi_parameters_of_stream(const char *subresource);

/* Paths (openapi_paths.c) */

/* Notes the types that the operations of a kind exchange. */
void openapi_collect_kind(struct openapi_doc *doc, const struct schema_kind *kind);
/* The members of "paths" for one kind and its subresources. */
void openapi_write_paths(struct openapi_doc *doc, const struct schema_kind *kind);
/* Whether it is compiled in, not defined by a custom resource: only those take strategic merge patches. */
bool openapi_is_builtin(const struct schema_kind *kind);
/* {"group":...,"kind":...,"version":...} */
void openapi_write_gvk(struct buf *out, const struct schema_kind *kind, const char *suffix);

#endif
