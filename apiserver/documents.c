/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of built-in kinds does not change while the server runs, so every document is written once at start. */
#include "apiserver/documents.h"

#include <stdio.h>

#include "api/openapi.h"
#include "api/schema.h"
#include "lib/encoding.h"
#include "lib/map.h"

#define DOCUMENTS_JSON "application/json"

struct documents {
    struct map by_name;
};

static void document_free(void *p)
{
    struct document *d = p;

    refbuf_unref(d->body);
    free(d);
}

static void documents_add(struct documents *docs, const char *name, const char *content_type, struct buf *body)
{
    struct document *d = mem_zalloc(sizeof(*d));
    char hex[SHA256_SIZE * 2 + 1];

    sha256_hex(buf_slice(body), hex);
    (void)snprintf(d->etag, sizeof(d->etag), "\"%s\"", hex);
    d->body = refbuf_from(body);
    d->content_type = content_type;
    if ((d = map_put(&docs->by_name, slice_str(name), d)))
        document_free(d);
    buf_reset(body);
}

static void documents_add_discovery(struct documents *docs, const struct schema_kind *const *kinds, size_t count,
                                    const char *server_address)
{
    BUF_LOCAL(body);

    discovery_write_versions(&body, server_address);
    documents_add(docs, "api", DOCUMENTS_JSON, &body);
    discovery_write_groups(&body, kinds, count);
    documents_add(docs, "apis", DOCUMENTS_JSON, &body);
    discovery_write_aggregated(&body, kinds, count, true, "v2");
    documents_add(docs, "api#v2", DOCUMENTS_JSON ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", &body);
    discovery_write_aggregated(&body, kinds, count, false, "v2");
    documents_add(docs, "apis#v2", DOCUMENTS_JSON ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", &body);
    discovery_write_aggregated(&body, kinds, count, true, "v2beta1");
    documents_add(docs, "api#v2beta1", DOCUMENTS_JSON ";g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
                  &body);
    discovery_write_aggregated(&body, kinds, count, false, "v2beta1");
    documents_add(docs, "apis#v2beta1", DOCUMENTS_JSON ";g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
                  &body);
}

/* What belongs to the group version of one kind; written again for each of its kinds only the first time. */
static void documents_add_version(struct documents *docs, const struct schema_kind *const *kinds, size_t count,
                                  const struct schema_kind *kind)
{
    bool core = !*kind->group;
    char *base CLEANUP_FREE = core ? mem_printf("api/%s", kind->version)
                                   : mem_printf("apis/%s/%s", kind->group, kind->version);
    char *group CLEANUP_FREE = mem_printf("apis/%s", kind->group);
    char *openapi CLEANUP_FREE = mem_printf("openapi/v3/%s", base);
    BUF_LOCAL(body);

    if (map_get(&docs->by_name, slice_str(base)) || map_get(&docs->by_name, slice_str(openapi)))
        return;
    if (discovery_write_resources(&body, kinds, count, slice_str(kind->group), slice_str(kind->version)))
        documents_add(docs, base, DOCUMENTS_JSON, &body);
    buf_reset(&body);
    if (!core && discovery_write_group(&body, kinds, count, slice_str(kind->group)))
        documents_add(docs, group, DOCUMENTS_JSON, &body);
    buf_reset(&body);
    if (openapi_write_v3(&body, kinds, count, slice_str(kind->group), slice_str(kind->version)))
        documents_add(docs, openapi, DOCUMENTS_JSON, &body);
}

struct documents *documents_make(const char *server_address)
{
    struct documents *docs = mem_zalloc(sizeof(*docs));
    size_t count;
    const struct schema_kind *const *kinds = schema_kinds(&count);
    BUF_LOCAL(body);

    documents_add_discovery(docs, kinds, count, server_address);
    for (size_t i = 0; i < count; i++)
        documents_add_version(docs, kinds, count, kinds[i]);
    openapi_write_v3_index(&body, kinds, count);
    documents_add(docs, "openapi/v3", DOCUMENTS_JSON, &body);
    openapi_write_v2(&body, kinds, count);
    documents_add(docs, "openapi/v2", DOCUMENTS_JSON, &body);
    openapi_write_v2_protobuf(&body, kinds, count);
    /* A dot, not the '@' of the request: an '@' breaks the clients' parser (wire.md, section 4). */
    documents_add(docs, "openapi/v2#protobuf", "application/com.github.proto-openapi.spec.v2.v1.0+protobuf", &body);
    return docs;
}

void documents_free(struct documents *docs)
{
    if (!docs)
        return;
    map_clear(&docs->by_name, document_free);
    free(docs);
}

const struct document *documents_get(const struct documents *docs, struct slice name)
{
    return map_get(&docs->by_name, name);
}
