/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images on this node. On disk, below home/agent/images:
 *
 *     layers/ID/         one layer, unpacked once and shared by all images (ID: the start of its diffID)
 *     records/HASH.json  one name of an image: what it is made of
 *     imports/HASH       archives that were imported (path, size, time)
 *     blobs/  tmp/       downloads and unpacking under way
 *
 * The table of names lives on the loop; the functions that touch layers block and are for pool threads.
 */
#ifndef KNARR_AGENT_IMAGE_STORE_H
#define KNARR_AGENT_IMAGE_STORE_H

#include "agent/image_ref.h"
#include "agent/str_list.h"
#include "api/value.h"
#include "lib/map.h"

#define IMAGE_ACCESS_MAX 64

/* Immutable once it is in a store; counted, so that a pool thread may look at one while the store gets another. */
struct image {
    int refs;               /* touched on the loop only */
    char *name;             /* "docker.io/library/hello:1" */
    char *id;               /* "sha256:..." of the config: the image's identity */
    char *digest;           /* "docker.io/library/hello@sha256:..." of the manifest; NULL = unknown */
    struct str_list layers; /* diffIDs in hex, lowest first */
    int64_t size;           /* bytes as transferred */
    struct str_list access; /* registry_login_hash of those who may have it; empty = everybody */
    struct value *config;   /* the "config" object of the image's config */
};
struct image *image_hold(const struct image *image);
/* Drops a reference; a fresh image has one. NULL is allowed. */
void image_free(struct image *image);

struct image_store {
    char *dir;
    struct map images; /* name -> struct image */
};

/* Makes the directories, reads the records; what was under way is thrown away. Blocks: call at start. */
int image_store_open(const char *dir, struct image_store **ret_store, struct error *err);
void image_store_free(struct image_store *store);
/* By name or digest. Borrowed until the next add. NULL when absent. */
const struct image *image_store_find(const struct image_store *store, const struct image_ref *ref);
/* Takes the image over; one of the same name is replaced. */
void image_store_add(struct image_store *store, struct image *image);

/* ---- pool threads: only `dir` of a store is used, which never changes ---- */

int image_record_write(const char *dir, const struct image *image, struct error *err);
/* "ID" as in layers/ID: what overlay mounts are given, relative to layers/. */
#define IMAGE_LAYER_NAME_LEN 24
bool image_layer_present(const char *dir, const char *diff_id);
/* Unpacks the layer from a file and checks its diffID; ERROR_INVALID when it is another. Two at once are fine. */
int image_layer_unpack(const char *dir, const char *diff_id, const char *file, struct error *err);

#endif
