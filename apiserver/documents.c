/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of kinds does not change, so every document is written once: when it is first asked for, because together they
 * are most of a start and of an idle server's memory. The table of names is complete from the start; a document's body
 * comes under the lock and never changes afterwards.
 */
#include "apiserver/documents.h"

#include <pthread.h>
#include <stdio.h>

#include "api/openapi.h"
#include "api/schema.h"
#include "lib/encoding.h"
#include "lib/map.h"

#define DOCUMENTS_JSON "application/json"
/* A dot, not the '@' of the request: an '@' breaks the clients' parser (wire.md, section 4). */
#define DOCUMENTS_PROTOBUF "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

struct documents {
    struct map by_name; /* struct entry */
    struct documents_options options;
    pthread_mutex_t lock;
};

struct entry {
    struct document document;
    /* False: there is no such document after all (a group version that only subresources use). */
    bool (*write)(const struct documents *docs, const struct entry *e, struct buf *out);
    const char *group; /* where the writer needs them */
    const char *version;
    bool written;
};

/* ---- writers ------------------------------------------------------------------------------------------------------
 */

static bool write_versions(const struct documents *docs, const struct entry *e, struct buf *out)
{
    discovery_write_versions(out, docs->options.server_address);
    return true;
}

static bool write_groups(const struct documents *docs, const struct entry *e, struct buf *out)
{
    discovery_write_groups(out, docs->options.kinds, docs->options.count);
    return true;
}

/* `version` is the document's own: "v2" or "v2beta1". */
static bool write_aggregated_core(const struct documents *docs, const struct entry *e, struct buf *out)
{
    discovery_write_aggregated(out, docs->options.kinds, docs->options.count, true, e->version);
    return true;
}

static bool write_aggregated_groups(const struct documents *docs, const struct entry *e, struct buf *out)
{
    discovery_write_aggregated(out, docs->options.kinds, docs->options.count, false, e->version);
    return true;
}

static bool write_resources(const struct documents *docs, const struct entry *e, struct buf *out)
{
    return discovery_write_resources(out, docs->options.kinds, docs->options.count, slice_str(e->group),
                                     slice_str(e->version));
}

static bool write_group(const struct documents *docs, const struct entry *e, struct buf *out)
{
    return discovery_write_group(out, docs->options.kinds, docs->options.count, slice_str(e->group));
}

static bool write_v3(const struct documents *docs, const struct entry *e, struct buf *out)
{
    const struct documents_options *o = &docs->options;
    struct slice group = slice_str(e->group);
    struct slice version = slice_str(e->version);
    CLEANUP_FREE const struct schema_kind **kinds = mem_calloc(o->count + 1, sizeof(*kinds));
    bool written;

    for (size_t i = 0; i < o->count; i++) {
        const struct schema_kind *k = o->kinds[i];
        bool here = slice_is(group, k->group) && slice_is(version, k->version);

        kinds[i] = here && o->describe ? o->describe(o->arg, k) : k;
    }
    written = openapi_write_v3(out, kinds, o->count, group, version);
    for (size_t i = 0; i < o->count; i++)
        if (kinds[i] != o->kinds[i])
            o->described(o->arg, kinds[i]);
    return written;
}

static bool write_v3_index(const struct documents *docs, const struct entry *e, struct buf *out)
{
    openapi_write_v3_index(out, docs->options.kinds, docs->options.count);
    return true;
}

static bool write_v2(const struct documents *docs, const struct entry *e, struct buf *out)
{
    openapi_write_v2(out, docs->options.kinds, docs->options.count);
    return true;
}

static bool write_v2_protobuf(const struct documents *docs, const struct entry *e, struct buf *out)
{
    openapi_write_v2_protobuf(out, docs->options.kinds, docs->options.count);
    return true;
}

static const struct {
    const char *name;
    struct entry entry;
} documents_fixed[] = {
    {"api", {{.content_type = DOCUMENTS_JSON}, write_versions}},
    {"apis", {{.content_type = DOCUMENTS_JSON}, write_groups}},
    {"api#v2",
     {{.content_type = DOCUMENTS_JSON ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"},
      write_aggregated_core,
      .version = "v2"}},
    {"apis#v2",
     {{.content_type = DOCUMENTS_JSON ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"},
      write_aggregated_groups,
      .version = "v2"}},
    {"api#v2beta1",
     {{.content_type = DOCUMENTS_JSON ";g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"},
      write_aggregated_core,
      .version = "v2beta1"}},
    {"apis#v2beta1",
     {{.content_type = DOCUMENTS_JSON ";g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"},
      write_aggregated_groups,
      .version = "v2beta1"}},
    {"openapi/v3", {{.content_type = DOCUMENTS_JSON}, write_v3_index}},
    {"openapi/v2", {{.content_type = DOCUMENTS_JSON}, write_v2}},
    {"openapi/v2#protobuf", {{.content_type = DOCUMENTS_PROTOBUF}, write_v2_protobuf}},
};

/* ---- the table ----------------------------------------------------------------------------------------------------
 */

static void entry_free(void *p)
{
    struct entry *e = p;

    refbuf_unref(e->document.body);
    free(e);
}

static void documents_add(struct documents *docs, const char *name, const struct entry *from)
{
    struct entry *e = mem_zalloc(sizeof(*e));

    *e = *from;
    if ((e = map_put(&docs->by_name, slice_str(name), e)))
        entry_free(e);
}

/* What belongs to the group version of one kind; its other kinds find it there. */
static void documents_add_version(struct documents *docs, const struct schema_kind *kind)
{
    bool core = !*kind->group;
    char *base CLEANUP_FREE = core ? mem_printf("api/%s", kind->version)
                                   : mem_printf("apis/%s/%s", kind->group, kind->version);
    char *group CLEANUP_FREE = mem_printf("apis/%s", kind->group);
    char *openapi CLEANUP_FREE = mem_printf("openapi/v3/%s", base);
    struct entry e = {.document = {.content_type = DOCUMENTS_JSON}, .group = kind->group, .version = kind->version};

    if (map_get(&docs->by_name, slice_str(base)))
        return;
    e.write = write_resources;
    documents_add(docs, base, &e);
    e.write = write_v3;
    documents_add(docs, openapi, &e);
    e.write = write_group;
    if (!core)
        documents_add(docs, group, &e);
}

struct documents *documents_make(const struct documents_options *options)
{
    struct documents *docs = mem_zalloc(sizeof(*docs));

    docs->options = *options;
    (void)pthread_mutex_init(&docs->lock, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(documents_fixed); i++)
        documents_add(docs, documents_fixed[i].name, &documents_fixed[i].entry);
    for (size_t i = 0; i < options->count; i++)
        documents_add_version(docs, options->kinds[i]);
    return docs;
}

void documents_free(struct documents *docs)
{
    if (!docs)
        return;
    map_clear(&docs->by_name, entry_free);
    (void)pthread_mutex_destroy(&docs->lock);
    free(docs);
}

static void entry_write(const struct documents *docs, struct entry *e)
{
    char hex[SHA256_SIZE * 2 + 1];
    BUF_LOCAL(body);

    e->written = true;
    if (!e->write(docs, e, &body))
        return;
    sha256_hex(buf_slice(&body), hex);
    (void)snprintf(e->document.etag, sizeof(e->document.etag), "\"%s\"", hex);
    e->document.body = refbuf_new(body.data, body.len); /* exactly as large as it is: it stays for good */
}

const struct document *documents_get(struct documents *docs, struct slice name)
{
    struct entry *e = map_get(&docs->by_name, name);

    if (!e)
        return NULL;
    (void)pthread_mutex_lock(&docs->lock);
    if (!e->written)
        entry_write(docs, e);
    (void)pthread_mutex_unlock(&docs->lock);
    return e->document.body ? &e->document : NULL;
}
