/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/registry.h"

#include "api/status.h"
#include "lib/encoding.h"
#include "lib/log.h"

/* The store's keys end at STORE_KEY_MAX: group and resource of a custom kind that has long ones stand there by their
 * hash. No group begins with a '~'. */
#define RESOURCE_PLAIN_MAX 100

static const char *registry_place_of(struct pool *pool, const struct schema_kind *kind)
{
    const char *const pieces[] = {schema_stored(kind)->group, "/", kind->plural};
    const char *plain = pool_join(pool, pieces, ARRAY_SIZE(pieces));
    char hash[SHA256_SIZE * 2 + 1];

    if (strlen(plain) <= RESOURCE_PLAIN_MAX)
        return plain;
    sha256_hex(slice_str(plain), hash);
    return pool_printf(pool, "~%.32s/x", hash);
}

struct slice registry_key(struct pool *pool, const struct schema_kind *kind, const char *namespace_, const char *name)
{
    const char *pieces[] = {REGISTRY_PREFIX, registry_place_of(pool, kind), "/", namespace_, "/", name};

    if (!kind->namespaced)
        pieces[3] = pieces[4] = "";
    return slice_str(pool_join(pool, pieces, ARRAY_SIZE(pieces)));
}

struct slice registry_prefix(struct pool *pool, const struct schema_kind *kind, const char *namespace_)
{
    const char *pieces[] = {REGISTRY_PREFIX, registry_place_of(pool, kind), "/", namespace_, "/"};

    if (!kind->namespaced || !*namespace_)
        pieces[3] = pieces[4] = "";
    return slice_str(pool_join(pool, pieces, ARRAY_SIZE(pieces)));
}

struct slice registry_prefix_of(struct pool *pool, const char *resource, const char *namespace_)
{
    struct slice group = slice_str(resource);
    struct slice plural;

    (void)slice_split(&group, '.', &plural);
    return slice_str(
        pool_printf(pool, REGISTRY_PREFIX "%.*s/%.*s/%s/", SLICE_ARGS(group), SLICE_ARGS(plural), namespace_));
}

static struct slice registry_skip_prefix(struct slice key)
{
    struct slice prefix = SLICE_LIT(REGISTRY_PREFIX);

    if (!slice_starts(key, prefix))
        return SLICE_NONE;
    return slice_from(key, prefix.len);
}

struct slice registry_resource_of(struct slice key)
{
    struct slice rest = registry_skip_prefix(key);
    ptrdiff_t first = slice_find(rest, '/');
    ptrdiff_t second;

    if (first < 0)
        return SLICE_NONE;
    second = slice_find(slice_from(rest, (size_t)first + 1), '/');
    return second < 0 ? SLICE_NONE : slice_make(rest.data, (size_t)(first + 1 + second));
}

struct slice registry_resource(struct pool *pool, const struct schema_kind *kind)
{
    return slice_str(registry_place_of(pool, kind));
}

enum store_class registry_class(const struct schema_kind *kind)
{
    switch (kind->history) {
    case SCHEMA_HISTORY_WINDOW:
        return STORE_HISTORY_WINDOW;
    case SCHEMA_HISTORY_NONE:
        return STORE_HISTORY_NONE;
    default:
        return STORE_HISTORY_FULL;
    }
}

static bool registry_is_resource(struct slice resource, const struct schema_kind *kind)
{
    size_t group = strlen(kind->group);

    return resource.data && resource.len > group && resource.data[group] == '/' &&
           !memcmp(resource.data, kind->group, group) &&
           slice_equal(slice_from(resource, group + 1), slice_str(kind->plural));
}

enum store_class registry_class_of(struct slice key)
{
    struct slice resource = registry_resource_of(key);
    size_t count;
    const struct schema_kind *const *kinds = schema_kinds(&count);

    for (size_t i = 0; i < count; i++)
        if (kinds[i]->history != SCHEMA_HISTORY_FULL && registry_is_resource(resource, kinds[i]))
            return registry_class(kinds[i]);
    return STORE_HISTORY_FULL;
}

bool registry_parse(struct slice key, bool namespaced, struct registry_place *ret_place)
{
    struct slice resource = registry_resource_of(key);
    struct slice rest;
    ptrdiff_t at;

    if (!resource.data)
        return false;
    rest =
        slice_make(resource.data + resource.len + 1, key.len - (size_t)(resource.data - key.data) - resource.len - 1);
    at = namespaced ? slice_find(rest, '/') : 0;
    if (at < 0)
        return false;
    ret_place->resource = resource;
    ret_place->namespace_ = namespaced ? slice_make(rest.data, (size_t)at) : slice_make(rest.data, 0);
    ret_place->name = namespaced ? slice_from(rest, (size_t)at + 1) : rest;
    return true;
}

void registry_item_clear(struct registry_item *item)
{
    buf_free(&item->value);
    buf_free(&item->meta);
    *item = (struct registry_item){0};
}

static int registry_copy(void *arg, const struct store_item *found)
{
    struct registry_item *item = arg;

    buf_append_slice(&item->value, found->value);
    buf_append_slice(&item->meta, found->meta);
    item->revision = found->mod_revision;
    return 0;
}

static void registry_convert(const struct schema_kind *kind, struct registry_item *item)
{
    BUF_LOCAL(converted);

    (void)object_as(kind, buf_slice(&item->value), &converted);
    if (!converted.len)
        return;
    buf_free(&item->value);
    item->value = converted;
    converted = (struct buf){0};
}

int registry_get(struct store *store, const struct schema_kind *kind, const char *namespace_, const char *name,
                 struct registry_item *ret_item, struct error *err)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct slice key = registry_key(pool, kind, namespace_, name);
    ERROR_LOCAL(failed);

    registry_item_clear(ret_item);
    if (key.len > STORE_KEY_MAX)
        return status_not_found(err, kind, slice_str(name));
    if (store_get(store, key, registry_copy, ret_item, NULL, &failed) == 0) {
        registry_convert(kind, ret_item);
        return 0;
    }
    if (failed.code == ERROR_NOT_FOUND)
        return err ? status_not_found(err, kind, slice_str(name)) : -(int)ERROR_NOT_FOUND;
    return error_pass(err, &failed, NULL);
}

const struct schema_kind *registry_need_kind(const char *group, const char *plural)
{
    size_t count;
    const struct schema_kind *const *kinds = schema_kinds(&count);

    for (size_t i = 0; i < count; i++)
        if (kinds[i]->plural[0] == plural[0] && !strcmp(kinds[i]->plural, plural) && !strcmp(kinds[i]->group, group) &&
            !kinds[i]->stored)
            return kinds[i];
    log_error("apiserver", "the schema has no kind %s/%s, which the server's own rules need", group, plural);
    abort();
}
