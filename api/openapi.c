/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OpenAPI documents as wholes. They are made anew on each call and are large: callers keep them until the set of
 * kinds changes.
 */
#include "api/openapi.h"

#include <pthread.h>

#include "api/emit.h"
#include "api/openapi_internal.h"

static void doc_clear(struct openapi_doc *doc)
{
    map_clear(&doc->seen, NULL);
    free(doc->types);
}
#define DOC_LOCAL(name) struct openapi_doc name CLEANUP(doc_clear)

/* The resources of one group version, or all (group NULL). The caller frees the array. */
static const struct schema_kind **select_kinds(struct kind_list list, const struct slice *group,
                                               const struct slice *version, size_t *ret_count)
{
    const struct schema_kind **selected = mem_calloc(list.count + 1, sizeof(void *));
    size_t count = 0;
    for (size_t k = 0; k < list.count; k++)
        if (group ? groups_has(list.kinds[k], *group, *version) : groups_is_resource(list.kinds[k]))
            selected[count++] = list.kinds[k];
    *ret_count = count;
    return selected;
}

static void write_paths(struct openapi_doc *doc, const struct schema_kind *kind)
{
    size_t before = doc->out->len;
    if (kind->custom && doc->v2 && doc->custom_paths >= OPENAPI_V2_PATHS_MAX)
        return;
    openapi_write_paths(doc, kind);
    if (kind->custom)
        doc->custom_paths += doc->out->len - before;
}

static void write_body(struct openapi_doc *doc, struct kind_list selected)
{
    for (size_t k = 0; k < selected.count; k++)
        openapi_collect_kind(doc, selected.kinds[k]);
    emit_open_key(doc->out, "paths", '{');
    for (size_t k = 0; k < selected.count; k++)
        write_paths(doc, selected.kinds[k]);
    emit_close(doc->out, '}');
    if (!doc->v2)
        emit_open_key(doc->out, "components", '{');
    emit_open_key(doc->out, doc->v2 ? "definitions" : "schemas", '{');
    openapi_write_schemas(doc, selected);
    buf_append_str(doc->out, doc->v2 ? "}}" : "}}}");
}

bool openapi_write_v3(struct buf *out, const struct schema_kind *const *kinds, size_t count, struct slice group,
                      struct slice version, const struct openapi_describer *describer)
{
    DOC_LOCAL(doc) = {.out = out, .list = {kinds, count}, .describer = describer};
    size_t selected_count;
    CLEANUP_FREE const struct schema_kind **selected = select_kinds(doc.list, &group, &version, &selected_count);
    if (!selected_count)
        return false;
    buf_append_str(out, "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"Kubernetes\",\"version\":\"unversioned\"}");
    write_body(&doc, (struct kind_list){selected, selected_count});
    return true;
}

struct openapi_hashes {
    pthread_mutex_t lock;
    struct map by_version; /* by apiVersion: hexadecimal text */
};

struct openapi_hashes *openapi_hashes_new(void)
{
    struct openapi_hashes *hashes = mem_zalloc(sizeof(*hashes));

    (void)pthread_mutex_init(&hashes->lock, NULL);
    return hashes;
}

void openapi_hashes_free(struct openapi_hashes *hashes)
{
    if (!hashes)
        return;
    map_clear(&hashes->by_version, free);
    (void)pthread_mutex_destroy(&hashes->lock);
    free(hashes);
}

/* Of what the document of a group version is made, where custom resources are in it; false when there are none. */
static bool hash_custom(struct kind_list list, struct slice group, struct slice version, char hash[SHA256_SIZE * 2 + 1])
{
    bool custom = false;
    BUF_LOCAL(text);
    for (size_t k = 0; k < list.count; k++)
        if (groups_has(list.kinds[k], group, version)) {
            custom = custom || list.kinds[k]->custom;
            buf_printf(&text, "%s %u\n", list.kinds[k]->plural, (unsigned)list.kinds[k]->hash);
        }
    if (custom)
        sha256_hex(buf_slice(&text), hash);
    return custom;
}

static void hash_document(struct kind_list list, const struct group_version *gv, const char *api_version,
                          struct openapi_hashes *hashes, char hash[SHA256_SIZE * 2 + 1])
{
    struct slice group = slice_str(gv->group), version = slice_str(gv->version);
    const char *known;
    if (hash_custom(list, group, version, hash))
        return;
    if (hashes)
        (void)pthread_mutex_lock(&hashes->lock);
    known = hashes ? map_get(&hashes->by_version, slice_str(api_version)) : NULL;
    if (known) {
        memcpy(hash, known, SHA256_SIZE * 2 + 1);
    } else {
        BUF_LOCAL(text);
        openapi_write_v3(&text, list.kinds, list.count, group, version, NULL);
        sha256_hex(buf_slice(&text), hash);
        if (hashes)
            free(map_put(&hashes->by_version, slice_str(api_version), mem_strdup(hash)));
    }
    if (hashes)
        (void)pthread_mutex_unlock(&hashes->lock);
}

void openapi_write_v3_index(struct buf *out, const struct schema_kind *const *kinds, size_t count,
                            struct openapi_hashes *hashes)
{
    size_t gv_count;
    CLEANUP_FREE struct group_version *gvs = groups_list((struct kind_list){kinds, count}, &gv_count);
    buf_append_str(out, "{\"paths\":{");
    for (size_t i = 0; i < gv_count; i++) {
        char hash[SHA256_SIZE * 2 + 1];
        CLEANUP_FREE char *api_version = groups_api_version(gvs[i].group, gvs[i].version);
        CLEANUP_FREE char *path = mem_printf("%s/%s", gvs[i].group[0] ? "apis" : "api", api_version);
        hash_document((struct kind_list){kinds, count}, &gvs[i], api_version, hashes, hash);
        emit_open_key(out, path, '{');
        emit_key(out, "serverRelativeURL");
        buf_printf(out, "\"/openapi/v3/%s?hash=%s\"}", path, hash);
    }
    buf_append_str(out, "}}");
}

void openapi_write_v2(struct buf *out, const struct schema_kind *const *kinds, size_t count,
                      const struct openapi_describer *describer)
{
    DOC_LOCAL(doc) = {.out = out, .v2 = true, .list = {kinds, count}, .describer = describer};
    size_t selected_count;
    CLEANUP_FREE const struct schema_kind **selected = select_kinds(doc.list, NULL, NULL, &selected_count);
    buf_append_str(out, "{\"swagger\":\"2.0\",\"info\":{\"title\":\"Kubernetes\",\"version\":\"v1.35.0\"}");
    write_body(&doc, (struct kind_list){selected, selected_count});
}
