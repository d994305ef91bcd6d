/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery: what resources the server has. The aggregated form lists everything in two documents; the legacy form
 * (kubectl 1.20, `kubectl drain`, python) is one small document per group version. Both are walks over the same kinds.
 */
#include "api/emit.h"
#include "api/groups.h"
#include "api/openapi.h"
#include "lib/encoding.h"

static void write_verbs(struct buf *out, const struct schema_kind *kind, uint8_t verbs)
{
    const char *names[GROUPS_VERBS_MAX];
    groups_verbs(verbs, kind->custom, names);
    emit_texts(out, "verbs", names);
}

static void write_names(struct buf *out, const struct schema_kind *kind)
{
    if (kind->short_names && kind->short_names[0])
        emit_texts(out, "shortNames", kind->short_names);
    if (kind->categories && kind->categories[0])
        emit_texts(out, "categories", kind->categories);
}

/* Empty group and version say: as the parent's. */
static void write_response_kind(struct buf *out, const char *group, const char *version, const char *name)
{
    emit_open_key(out, "responseKind", '{');
    emit_member(out, "group", group);
    emit_member(out, "version", version);
    emit_member(out, "kind", name);
    emit_close(out, '}');
}

static void write_aggregated_resource(struct buf *out, const struct schema_kind *kind)
{
    emit_open(out, '{');
    emit_member(out, "resource", kind->plural);
    write_response_kind(out, "", "", kind->kind);
    emit_member(out, "scope", kind->namespaced ? "Namespaced" : "Cluster");
    emit_member(out, "singularResource", kind->singular);
    write_verbs(out, kind, kind->verbs);
    write_names(out, kind);
    if (kind->subresource_count)
        emit_open_key(out, "subresources", '[');
    for (size_t i = 0; i < kind->subresource_count; i++) {
        const struct schema_subresource *sub = &kind->subresources[i];
        emit_open(out, '{');
        emit_member(out, "subresource", sub->name);
        write_response_kind(out, sub->group ? sub->group : "", sub->group ? sub->version : "",
                            sub->kind ? sub->kind : kind->kind);
        write_verbs(out, kind, sub->verbs);
        emit_close(out, '}');
    }
    if (kind->subresource_count)
        emit_close(out, ']');
    emit_close(out, '}');
}

static void write_aggregated_version(struct buf *out, struct kind_list list, const struct group_version *gv)
{
    emit_open(out, '{');
    emit_member(out, "version", gv->version);
    emit_open_key(out, "resources", '[');
    for (size_t k = 0; k < list.count; k++)
        if (groups_has(list.kinds[k], slice_str(gv->group), slice_str(gv->version)))
            write_aggregated_resource(out, list.kinds[k]);
    emit_close(out, ']');
    emit_member(out, "freshness", "Current");
    emit_close(out, '}');
}

void discovery_write_aggregated(struct buf *out, const struct schema_kind *const *kinds, size_t count, bool core,
                                const char *version)
{
    struct kind_list list = {kinds, count};
    size_t gv_count;
    CLEANUP_FREE struct group_version *gvs = groups_list(list, &gv_count);
    emit_open(out, '{');
    emit_member(out, "kind", "APIGroupDiscoveryList");
    emit_key(out, "apiVersion");
    buf_printf(out, "\"apidiscovery.k8s.io/%s\"", version);
    emit_raw(out, "metadata", "{}");
    emit_open_key(out, "items", '[');
    for (size_t i = 0; i < gv_count;) {
        const char *group = gvs[i].group;
        bool wanted = !*group == core;
        if (wanted) {
            emit_open(out, '{');
            emit_open_key(out, "metadata", '{');
            emit_member_some(out, "name", group);
            emit_close(out, '}');
            emit_open_key(out, "versions", '[');
        }
        for (; i < gv_count && !strcmp(gvs[i].group, group); i++)
            if (wanted)
                write_aggregated_version(out, list, &gvs[i]);
        if (wanted)
            buf_append_str(out, "]}");
    }
    buf_append_str(out, "]}");
}

void discovery_write_versions(struct buf *out, const char *server_address)
{
    emit_open(out, '{');
    emit_member(out, "kind", "APIVersions");
    buf_append_str(out, ",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":[{\"clientCIDR\":\"0.0.0.0/0\"");
    emit_member(out, "serverAddress", server_address);
    buf_append_str(out, "}]}");
}

static void write_group_version(struct buf *out, const struct group_version *gv)
{
    CLEANUP_FREE char *api_version = groups_api_version(gv->group, gv->version);
    emit_member(out, "groupVersion", api_version);
    emit_member(out, "version", gv->version);
}

/* name, versions and preferredVersion of the group that starts at gvs[0]; gives the number of its versions. */
static size_t write_group_members(struct buf *out, const struct group_version *gvs, size_t count)
{
    size_t n = 0;
    emit_member(out, "name", gvs[0].group);
    emit_open_key(out, "versions", '[');
    for (; n < count && !strcmp(gvs[n].group, gvs[0].group); n++) {
        emit_open(out, '{');
        write_group_version(out, &gvs[n]);
        emit_close(out, '}');
    }
    emit_close(out, ']');
    emit_open_key(out, "preferredVersion", '{');
    write_group_version(out, &gvs[0]);
    emit_close(out, '}');
    return n;
}

void discovery_write_groups(struct buf *out, const struct schema_kind *const *kinds, size_t count)
{
    size_t gv_count;
    CLEANUP_FREE struct group_version *gvs = groups_list((struct kind_list){kinds, count}, &gv_count);
    buf_append_str(out, "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[");
    for (size_t i = 0; i < gv_count;) {
        if (!*gvs[i].group) {
            i++;
            continue;
        }
        emit_open(out, '{');
        i += write_group_members(out, gvs + i, gv_count - i);
        emit_close(out, '}');
    }
    buf_append_str(out, "]}");
}

bool discovery_write_group(struct buf *out, const struct schema_kind *const *kinds, size_t count, struct slice group)
{
    size_t gv_count;
    CLEANUP_FREE struct group_version *gvs = groups_list((struct kind_list){kinds, count}, &gv_count);
    for (size_t i = 0; i < gv_count; i++) {
        if (!*gvs[i].group || !slice_is(group, gvs[i].group))
            continue;
        buf_append_str(out, "{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\"");
        write_group_members(out, gvs + i, gv_count - i);
        emit_close(out, '}');
        return true;
    }
    return false;
}

static void write_legacy_subresource(struct buf *out, const struct schema_kind *kind,
                                     const struct schema_subresource *sub)
{
    emit_open(out, '{');
    emit_key(out, "name");
    buf_printf(out, "\"%s/%s\"", kind->plural, sub->name);
    emit_member(out, "singularName", "");
    emit_raw(out, "namespaced", kind->namespaced ? "true" : "false");
    if (sub->group) {
        emit_member_some(out, "group", sub->group);
        emit_member(out, "version", sub->version);
    }
    emit_member(out, "kind", sub->kind ? sub->kind : kind->kind);
    write_verbs(out, kind, sub->verbs);
    emit_close(out, '}');
}

/* Upstream's: tells a migrator of stored objects whether the version that they are stored in has changed. What is not
 * stored has none. */
static void write_storage_hash(struct buf *out, const struct schema_kind *kind)
{
    char *name CLEANUP_FREE = mem_printf("%s/%s/%s", kind->group, kind->version, kind->kind);
    unsigned char digest[SHA256_SIZE];

    if (kind->virtual_kind)
        return;
    sha256(slice_str(name), digest);
    emit_key(out, "storageVersionHash");
    buf_append_str(out, "\"");
    base64_encode(out, slice_make((const char *)digest, 8));
    buf_append_str(out, "\"");
}

static void write_legacy_resource(struct buf *out, const struct schema_kind *kind)
{
    emit_open(out, '{');
    emit_member(out, "name", kind->plural);
    emit_member(out, "singularName", kind->singular);
    emit_raw(out, "namespaced", kind->namespaced ? "true" : "false");
    emit_member(out, "kind", kind->kind);
    write_verbs(out, kind, kind->verbs);
    write_names(out, kind);
    write_storage_hash(out, kind);
    emit_close(out, '}');
    for (size_t i = 0; i < kind->subresource_count; i++)
        write_legacy_subresource(out, kind, &kind->subresources[i]);
}

bool discovery_write_resources(struct buf *out, const struct schema_kind *const *kinds, size_t count,
                               struct slice group, struct slice version)
{
    bool found = false;
    for (size_t k = 0; k < count; k++) {
        if (!groups_has(kinds[k], group, version))
            continue;
        if (!found) {
            CLEANUP_FREE char *api_version = groups_api_version(kinds[k]->group, kinds[k]->version);
            buf_append_str(out, "{\"kind\":\"APIResourceList\"");
            /* Upstream's core document has no apiVersion; everywhere else it has. */
            if (kinds[k]->group[0])
                emit_member(out, "apiVersion", "v1");
            emit_member(out, "groupVersion", api_version);
            emit_open_key(out, "resources", '[');
        }
        found = true;
        write_legacy_resource(out, kinds[k]);
    }
    if (found)
        buf_append_str(out, "]}");
    return found;
}
