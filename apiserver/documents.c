/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of kinds does not change, so neither does a document: it is written when it is first asked for, and given back
 * when nobody has asked for a minute, because together they would be most of a start and of an idle server's memory. A
 * thousand definitions in a row cost nothing here until somebody asks.
 *
 * The table of names is complete from the start; bodies come and go under the lock. The documents of OpenAPI version 2
 * tell of everything: they are written outside of it, one at a time, by threads that may wait (documents_is_long).
 */
#include "apiserver/documents.h"

#include <pthread.h>
#include <stdio.h>

#include "api/openapi.h"
#include "api/schema.h"
#include "apiserver/reply_gzip.h"
#include "lib/encoding.h"
#include "lib/map.h"

#define DOCUMENTS_JSON "application/json"
/* A dot, not the '@' of the request: an '@' breaks the clients' parser (wire.md, section 4). */
#define DOCUMENTS_PROTOBUF "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

struct documents {
    struct map by_name; /* struct entry */
    struct documents_options options;
    pthread_mutex_t lock;
    pthread_mutex_t long_lock; /* before `lock`: of those who write a large one */
};

struct entry {
    struct document document;
    /* False: there is no such document after all (a group version that only subresources use). */
    bool (*write)(const struct documents *docs, const struct entry *e, struct buf *out);
    const char *group; /* where the writer needs them */
    const char *version;
    bool large;            /* about all kinds at once */
    bool written;          /* it has its ETag, or is none */
    unsigned idle;         /* rounds of documents_tidy since somebody asked */
    struct refbuf *packed; /* the body with gzip; NULL = nobody asked for it */
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

    return openapi_write_v3(out, o->kinds, o->count, slice_str(e->group), slice_str(e->version), &o->describer);
}

static bool write_v3_index(const struct documents *docs, const struct entry *e, struct buf *out)
{
    openapi_write_v3_index(out, docs->options.kinds, docs->options.count, docs->options.hashes);
    return true;
}

static bool write_v2(const struct documents *docs, const struct entry *e, struct buf *out)
{
    openapi_write_v2(out, docs->options.kinds, docs->options.count, &docs->options.describer);
    return true;
}

static bool write_v2_protobuf(const struct documents *docs, const struct entry *e, struct buf *out)
{
    openapi_write_v2_protobuf(out, docs->options.kinds, docs->options.count, &docs->options.describer);
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
    {"openapi/v2", {{.content_type = DOCUMENTS_JSON}, write_v2, .large = true}},
    {"openapi/v2#protobuf", {{.content_type = DOCUMENTS_PROTOBUF}, write_v2_protobuf, .large = true}},
};

/* ---- the table ----------------------------------------------------------------------------------------------------
 */

static void entry_free(void *p)
{
    struct entry *e = p;

    refbuf_unref(e->document.body);
    refbuf_unref(e->packed);
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
    (void)pthread_mutex_init(&docs->long_lock, NULL);
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
    (void)pthread_mutex_destroy(&docs->long_lock);
    free(docs);
}

/* ---- bodies -------------------------------------------------------------------------------------------------------
 */

/* NULL when there is no such document after all. */
static struct refbuf *entry_write(const struct documents *docs, const struct entry *e, char etag[DOCUMENT_ETAG_SIZE])
{
    char hex[SHA256_SIZE * 2 + 1];
    BUF_LOCAL(body);

    if (!e->write(docs, e, &body))
        return NULL;
    sha256_hex(buf_slice(&body), hex);
    (void)snprintf(etag, DOCUMENT_ETAG_SIZE, "\"%s\"", hex);
    return refbuf_new(body.data, body.len); /* exactly as large as it is */
}

/* Under the lock. */
static void entry_take(struct entry *e, struct refbuf *body, const char *etag)
{
    e->written = true;
    e->document.body = body;
    memcpy(e->document.etag, etag, sizeof(e->document.etag));
}

/* Under the lock. True when nothing is to be written; then *ret is what to answer with. */
static bool entry_read(struct entry *e, struct slice known, struct document *ret)
{
    bool has_it = e->written && *e->document.etag && slice_find_text(known, slice_str(e->document.etag)) >= 0;

    e->idle = 0;
    if (!has_it && !e->document.body && (!e->written || *e->document.etag))
        return false;
    *ret = e->document;
    ret->body = e->document.body ? refbuf_ref(e->document.body) : NULL;
    return true;
}

static bool documents_read(struct documents *docs, struct entry *e, struct slice known, struct document *ret)
{
    bool done;

    (void)pthread_mutex_lock(&docs->lock);
    done = entry_read(e, known, ret);
    (void)pthread_mutex_unlock(&docs->lock);
    return done;
}

/* Whoever waited for another finds that it is written. */
static void documents_write_large(struct documents *docs, struct entry *e, struct slice known, struct document *ret)
{
    char etag[DOCUMENT_ETAG_SIZE] = "";

    if (documents_read(docs, e, known, ret))
        return;
    (void)pthread_mutex_lock(&docs->long_lock);
    if (!documents_read(docs, e, known, ret)) {
        struct refbuf *body = entry_write(docs, e, etag);

        (void)pthread_mutex_lock(&docs->lock);
        entry_take(e, body, etag);
        (void)entry_read(e, SLICE_NONE, ret);
        (void)pthread_mutex_unlock(&docs->lock);
    }
    (void)pthread_mutex_unlock(&docs->long_lock);
}

bool documents_is_long(struct documents *docs, struct slice name)
{
    struct entry *e = map_get(&docs->by_name, name);
    bool is_long;

    if (!e || !e->large)
        return false;
    (void)pthread_mutex_lock(&docs->lock);
    is_long = !e->document.body;
    (void)pthread_mutex_unlock(&docs->lock);
    return is_long;
}

bool documents_get(struct documents *docs, struct slice name, struct slice known, struct document *ret)
{
    struct entry *e = map_get(&docs->by_name, name);
    char etag[DOCUMENT_ETAG_SIZE] = "";

    if (!e)
        return false;
    if (e->large) {
        documents_write_large(docs, e, known, ret);
        return true;
    }
    (void)pthread_mutex_lock(&docs->lock);
    if (!entry_read(e, known, ret)) {
        struct refbuf *body = entry_write(docs, e, etag);

        entry_take(e, body, etag);
        (void)entry_read(e, SLICE_NONE, ret);
    }
    (void)pthread_mutex_unlock(&docs->lock);
    return *ret->etag;
}

static struct refbuf *entry_packed(struct documents *docs, const struct entry *e)
{
    struct refbuf *packed;

    (void)pthread_mutex_lock(&docs->lock);
    packed = e->packed ? refbuf_ref(e->packed) : NULL;
    (void)pthread_mutex_unlock(&docs->lock);
    return packed;
}

/* Kept as long as the body is. */
static void entry_keep_packed(struct documents *docs, struct entry *e, struct refbuf *packed)
{
    (void)pthread_mutex_lock(&docs->lock);
    if (e->document.body && !e->packed)
        e->packed = refbuf_ref(packed);
    (void)pthread_mutex_unlock(&docs->lock);
}

bool documents_pack(struct documents *docs, struct slice name, bool make, struct document *document)
{
    struct entry *e = map_get(&docs->by_name, name);
    struct refbuf *packed;

    if (!e || !document->body || document->body->len < REPLY_GZIP_MIN)
        return true;
    packed = entry_packed(docs, e);
    if (!packed && !make)
        return false;
    if (!packed &&
        (packed = reply_gzip(&(struct slice){document->body->data, document->body->len}, 1, document->body->len)))
        entry_keep_packed(docs, e, packed);
    if (!packed)
        return true;
    refbuf_unref(document->body);
    document->body = packed;
    document->gzip = true;
    return true;
}

void documents_tidy(struct documents *docs)
{
    (void)pthread_mutex_lock(&docs->lock);
    map_for_each (at, &docs->by_name) {
        struct entry *e = at->value;

        if (e->document.body && ++e->idle >= DOCUMENTS_KEPT) {
            refbuf_unref(e->document.body);
            refbuf_unref(e->packed);
            e->document.body = e->packed = NULL;
        }
    }
    (void)pthread_mutex_unlock(&docs->lock);
}
