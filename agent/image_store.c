/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images on this node. A layer appears by rename after it was unpacked whole and its digest matched, so that layers/ID
 * is complete or absent, also after a crash. Records are written after the layers they name.
 */
#include "agent/image_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/fs.h"
#include "agent/image_manifest.h"
#include "agent/image_unpack.h"
#include "lib/random.h"

struct image *image_hold(const struct image *image)
{
    struct image *held = (struct image *)image;

    held->refs++;
    return held;
}

void image_free(struct image *image)
{
    /* A fresh image counts 0: one owner. */
    if (!image || image->refs-- > 0)
        return;
    free(image->name);
    free(image->id);
    free(image->digest);
    str_list_clear(&image->layers);
    str_list_clear(&image->access);
    value_free(image->config);
    free(image);
}

static void image_free_item(void *item)
{
    image_free(item);
}

static struct image *record_parse(struct slice json, struct error *err)
{
    struct value *v CLEANUP_VALUE = value_parse(json, err);
    const struct value *layers = value_get(v, "layers");
    const struct value *access = value_get(v, "access");
    struct image *image;

    if (!v)
        return NULL;
    if (!value_str(value_get(v, "name")) || !value_str(value_get(v, "id"))) {
        (void)error_set(err, ERROR_CORRUPT, "image record without name or id");
        return NULL;
    }
    image = mem_zalloc(sizeof(*image));
    image->name = slice_dup(value_string(value_get(v, "name")));
    image->id = slice_dup(value_string(value_get(v, "id")));
    if (value_str(value_get(v, "digest")))
        image->digest = slice_dup(value_string(value_get(v, "digest")));
    for (size_t i = 0; i < value_count(layers); i++)
        str_list_take(&image->layers, slice_dup(value_string(value_at(layers, i))));
    for (size_t i = 0; i < value_count(access); i++)
        str_list_take(&image->access, slice_dup(value_string(value_at(access, i))));
    image->size = value_int(value_get(v, "size"));
    image->config = value_take(v, "config");
    return image;
}

static char *record_path(const char *dir, const char *name)
{
    char hash[SHA256_SIZE * 2 + 1];

    sha256_hex(slice_str(name), hash);
    return mem_printf("%s/records/%s.json", dir, hash);
}

int image_record_write(const char *dir, const struct image *image, struct error *err)
{
    char *path CLEANUP_FREE = record_path(dir, image->name);
    struct value *v CLEANUP_VALUE = value_new_object();
    struct value *layers;
    struct value *access;
    BUF_LOCAL(json);

    value_set_str(v, "name", image->name);
    value_set_str(v, "id", image->id);
    if (image->digest)
        value_set_str(v, "digest", image->digest);
    layers = value_need_array(v, "layers");
    for (size_t i = 0; i < image->layers.count; i++)
        value_append(layers, value_new_str(image->layers.items[i]));
    if (image->access.count) {
        access = value_need_array(v, "access");
        for (size_t i = 0; i < image->access.count; i++)
            value_append(access, value_new_str(image->access.items[i]));
    }
    value_set(v, "size", value_new_int(image->size));
    value_set(v, "config", image->config ? value_copy(image->config) : value_new_object());
    value_write(v, &json);
    return fs_write(path, buf_slice(&json), 0600, err);
}

static bool image_complete(const struct image_store *store, const struct image *image)
{
    for (size_t i = 0; i < image->layers.count; i++)
        if (!image_layer_present(store->dir, image->layers.items[i]))
            return false;
    return true;
}

/* A record that cannot be read, or whose layers are gone, is dropped: its image is pulled or imported again. */
static int record_load(void *arg, const char *name, struct error *err)
{
    struct image_store *store = arg;
    char *path CLEANUP_FREE = mem_printf("%s/records/%s", store->dir, name);
    struct image *image;
    BUF_LOCAL(json);

    if (fs_read(path, IMAGE_DOCUMENT_MAX, &json, err) < 0)
        return -1;
    image = record_parse(buf_slice(&json), NULL);
    if (image && image_complete(store, image)) {
        image_store_add(store, image);
        return 0;
    }
    image_free(image);
    (void)remove(path);
    return 0;
}

#define PARTS_KEPT 3 /* of the directories below; the others hold work under way */

int image_store_open(const char *dir, struct image_store **ret_store, struct error *err)
{
    static const char *const parts[] = {"layers", "records", "imports", "blobs", "tmp"};
    struct image_store *store = mem_zalloc(sizeof(*store));
    char *records CLEANUP_FREE = mem_printf("%s/records", dir);
    int r = 0;

    store->dir = mem_strdup(dir);
    for (size_t i = 0; !r && i < ARRAY_SIZE(parts); i++) {
        char *path CLEANUP_FREE = mem_printf("%s/%s", dir, parts[i]);

        /* What an earlier run left half done. */
        if (i >= PARTS_KEPT)
            r = fs_remove_tree(path, err);
        if (!r)
            r = fs_make_dirs(path, 0700, err);
    }
    if (!r)
        r = fs_each_name(records, record_load, store, err);
    if (r < 0) {
        image_store_free(store);
        return error_wrap(err, "opening the image store");
    }
    *ret_store = store;
    return 0;
}

void image_store_free(struct image_store *store)
{
    if (!store)
        return;
    map_clear(&store->images, image_free_item);
    free(store->dir);
    free(store);
}

const struct image *image_store_find(const struct image_store *store, const struct image_ref *ref)
{
    char *name CLEANUP_FREE = image_ref_name(ref);
    const struct image *found = map_get(&store->images, slice_str(name));

    if (found || !ref->digest)
        return found;
    map_for_each (e, &store->images) {
        const struct image *image = e->value;

        if (image->digest && !strcmp(image->digest, name))
            return image;
    }
    return NULL;
}

void image_store_add(struct image_store *store, struct image *image)
{
    image_free(map_put(&store->images, slice_str(image->name), image));
}

static char *layer_path(const char *dir, const char *diff_id)
{
    return mem_printf("%s/layers/%.*s", dir, IMAGE_LAYER_NAME_LEN, diff_id);
}

bool image_layer_present(const char *dir, const char *diff_id)
{
    char *path CLEANUP_FREE = layer_path(dir, diff_id);

    return fs_exists(path);
}

static int layer_unpack_into(const char *tmp, const char *diff_id, const char *file, struct error *err)
{
    static const struct image_unpack_options options = {.layer = true};
    char digest[SHA256_SIZE * 2 + 1];
    int root CLEANUP_FD = -1;

    if (mkdir(tmp, 0755))
        return error_set_errno(err, errno, "making %s", tmp);
    root = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return error_set_errno(err, errno, "opening %s", tmp);
    if (fchmod(root, 0755))
        return error_set_errno(err, errno, "setting the mode of %s", tmp);
    if (image_unpack_file(root, file, &options, digest, err) < 0)
        return -1;
    if (strcmp(digest, diff_id) != 0)
        return error_set(err, ERROR_INVALID, "layer has digest sha256:%s, the image says sha256:%s", digest, diff_id);
    return syncfs(root) ? error_set_errno(err, errno, "writing the layer out") : 0;
}

int image_layer_unpack(const char *dir, const char *diff_id, const char *file, struct error *err)
{
    char *path CLEANUP_FREE = layer_path(dir, diff_id);
    char *tmp CLEANUP_FREE = NULL;
    char suffix[9];
    int r;

    if (fs_exists(path))
        return 0;
    random_suffix(suffix, sizeof(suffix) - 1);
    tmp = mem_printf("%s/tmp/layer-%s", dir, suffix);
    r = layer_unpack_into(tmp, diff_id, file, err);
    if (!r && rename(tmp, path) && errno != EEXIST && errno != ENOTEMPTY)
        r = error_set_errno(err, errno, "placing the layer");
    (void)fs_remove_tree(tmp, NULL);
    return r;
}
