/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where objects stand in the store: "/registry/GROUP/PLURAL/[NAMESPACE/]NAME" (GROUP empty for core), all versions of a
 * kind in one place. GROUP/PLURAL longer than 100 bytes stand as "~HASH/x".
 */
#ifndef KNARR_APISERVER_REGISTRY_H
#define KNARR_APISERVER_REGISTRY_H

#include "api/object.h"
#include "api/schema.h"
#include "lib/pool.h"
#include "store/store.h"

#define REGISTRY_PREFIX "/registry/"

/* namespace_ "" for cluster-scoped kinds. In the pool. A kind may be of another version than the stored one
 * (version.h).
 */
struct slice registry_key(struct pool *pool, const struct schema_kind *kind, const char *namespace_, const char *name);
/* What registry_resource_of says of definitions of custom resources. */
#define REGISTRY_DEFINITIONS "apiextensions.k8s.io/customresourcedefinitions"
/* Of all objects of the kind, or those of one namespace. */
struct slice registry_prefix(struct pool *pool, const struct schema_kind *kind, const char *namespace_);
/* Of all objects in a namespace of what is called "deployments.apps" or "pods", whatever serves it. */
struct slice registry_prefix_of(struct pool *pool, const char *resource, const char *namespace_);

/* A key taken apart; all borrowed from it. */
struct registry_place {
    struct slice resource; /* "apps/deployments", "/pods" */
    struct slice namespace_;
    struct slice name;
};
bool registry_parse(struct slice key, bool namespaced, struct registry_place *ret_place);
/* "apps/deployments" of a key or of a kind. */
struct slice registry_resource_of(struct slice key);
struct slice registry_resource(struct pool *pool, const struct schema_kind *kind);

/* How long the store is to keep what a key of the kind was. */
enum store_class registry_class(const struct schema_kind *kind);
/* By the key alone; full for what is no object of a kind. */
enum store_class registry_class_of(struct slice key);

/* One stored object, copied out. All zero is a valid empty one. */
struct registry_item {
    struct buf value;
    struct buf meta;
    uint64_t revision;
};
void registry_item_clear(struct registry_item *item);
#define CLEANUP_REGISTRY_ITEM CLEANUP(registry_item_clear)
/* ERROR_NOT_FOUND worded as upstream words it. */
int registry_get(struct store *store, const struct schema_kind *kind, const char *namespace_, const char *name,
                 struct registry_item *ret_item, struct error *err);

/* A kind by its resource; aborts the process when the schema lacks a kind this server's own rules need. */
const struct schema_kind *registry_need_kind(const char *group, const char *plural);

#endif
