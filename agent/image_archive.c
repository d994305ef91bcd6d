/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images from files. The archive is unpacked into a directory of its own first (the order of its members is free), then
 * read there: an OCI layout by index.json, a Docker archive by manifest.json; newer Docker archives are both and are
 * read as the latter, which has the full names. Digests of all documents and layers are checked as in a pull.
 */
#include "agent/image_archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/fs.h"
#include "agent/image_manifest.h"
#include "agent/image_unpack.h"
#include "lib/encoding.h"
#include "lib/random.h"

#define INDEX_DEPTH_MAX 3

struct archive_reader {
    const char *dir;  /* of the store */
    const char *stem; /* the file's name without directory and ending: names what has no name */
    char *unpacked;
    int root;
    struct image_import *import;
};

void image_import_clear(struct image_import *import)
{
    for (size_t i = 0; i < import->count; i++)
        image_free(import->images[i]);
    free(import->images);
    *import = (struct image_import){0};
}

static const struct slice endings[] = {
    {".tar", 4}, {".tar.gz", 7}, {".tgz", 4}, {".tar.zst", 8}, {".tar.xz", 7}, {".tar.bz2", 8},
};

static size_t archive_ending(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
        if (slice_ends(slice_str(name), endings[i]) && strlen(name) > endings[i].len)
            return endings[i].len;
    return 0;
}

bool image_archive_name(const char *file_name)
{
    return *file_name != '.' && archive_ending(file_name) > 0;
}

static int read_inside(struct archive_reader *a, const char *path, struct buf *out, struct error *err)
{
    char *at CLEANUP_FREE = NULL;
    int fd CLEANUP_FD = image_open_inside(a->root, path, O_RDONLY | O_NONBLOCK, err);

    if (fd < 0)
        return fd;
    at = mem_printf("/proc/self/fd/%d", fd);
    return fs_read(at, IMAGE_DOCUMENT_MAX, out, err);
}

/* A document of the layout, checked against its digest. */
static struct value *read_blob(struct archive_reader *a, const char *digest, struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("blobs/sha256/%s", digest + 7);
    char hash[SHA256_SIZE * 2 + 1];
    BUF_LOCAL(json);

    if (read_inside(a, path, &json, err) < 0)
        return NULL;
    sha256_hex(buf_slice(&json), hash);
    if (strcmp(hash, digest + 7) != 0) {
        (void)error_set(err, ERROR_INVALID, "%s has digest sha256:%s", path, hash);
        return NULL;
    }
    return value_parse_lenient(buf_slice(&json), err);
}

static int layer_import(struct archive_reader *a, const char *path, const char *diff_id, int64_t *size,
                        struct error *err)
{
    struct stat st;
    char *file CLEANUP_FREE = NULL;
    int fd CLEANUP_FD = image_open_inside(a->root, path, O_RDONLY | O_NONBLOCK, err);

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        return error_set(err, ERROR_INVALID, "layer %s is no regular file", path);
    *size += st.st_size;
    file = mem_printf("/proc/self/fd/%d", fd);
    return image_layer_unpack(a->dir, diff_id, file, err);
}

/* Writes one record per name and hands the images over. */
static int import_finish(struct archive_reader *a, const struct image *proto, const struct str_list *names,
                         const char *manifest_digest, struct error *err)
{
    for (size_t i = 0; i < names->count; i++) {
        IMAGE_REF_LOCAL(ref);
        struct image *image;
        char *repository CLEANUP_FREE = NULL;

        if (image_ref_parse(slice_str(names->items[i]), &ref, err) < 0)
            return -1;
        image = mem_zalloc(sizeof(*image));
        image->name = image_ref_name(&ref);
        image->id = mem_strdup(proto->id);
        repository = image_ref_repository(&ref);
        if (manifest_digest)
            image->digest = mem_printf("%s@%s", repository, manifest_digest);
        for (size_t l = 0; l < proto->layers.count; l++)
            str_list_add(&image->layers, proto->layers.items[l]);
        image->size = proto->size;
        image->config = value_copy(proto->config);
        a->import->images =
            mem_grow(a->import->images, &a->import->cap, a->import->count + 1, sizeof(*a->import->images));
        a->import->images[a->import->count++] = image;
        if (image_record_write(a->dir, image, err) < 0)
            return -1;
    }
    return 0;
}

static void image_clear_local(struct image **image)
{
    image_free(*image);
}

/* What all names share: identity, layers (still to be unpacked), configuration. */
static struct image *image_from_config(const char *id, struct value *document, struct error *err)
{
    struct image *image CLEANUP(image_clear_local) = mem_zalloc(sizeof(*image));

    if (image_config_layers(document, &image->layers, err) < 0)
        return NULL;
    image->id = mem_strdup(id);
    image->config = value_take(document, "config");
    if (!value_is(image->config, VALUE_OBJECT)) {
        value_free(image->config);
        image->config = value_new_object();
    }
    return STEAL(image);
}

/* ---- OCI layout ---- */

static int oci_manifest(struct archive_reader *a, const char *digest, const struct str_list *names, struct error *err)
{
    struct value *document CLEANUP_VALUE = read_blob(a, digest, err);
    struct image_manifest m CLEANUP(image_manifest_clear) = {0};
    struct value *config CLEANUP_VALUE = NULL;
    struct image *image CLEANUP(image_clear_local) = NULL;

    if (!document || image_manifest_read(document, &m, err) < 0)
        return -1;
    config = read_blob(a, m.config.digest, err);
    if (!config)
        return -1;
    image = image_from_config(m.config.digest, config, err);
    if (!image)
        return -1;
    if (image->layers.count != m.layer_count)
        return error_set(err, ERROR_INVALID, "manifest and config disagree on the layers");
    for (size_t i = 0; i < m.layer_count; i++) {
        char *path CLEANUP_FREE = mem_printf("blobs/sha256/%s", m.layers[i].digest + 7);

        if (layer_import(a, path, image->layers.items[i], &image->size, err) < 0)
            return -1;
    }
    return import_finish(a, image, names, digest, err);
}

/* The names an entry of index.json gives, or one made from the file's name. */
static void oci_names(const struct archive_reader *a, const struct value *entry, struct str_list *ret_names)
{
    const struct value *annotations = value_get(entry, "annotations");
    const char *full = value_str(value_get(annotations, "io.containerd.image.name"));
    const char *name = value_str(value_get(annotations, "org.opencontainers.image.ref.name"));

    if (full)
        str_list_add(ret_names, full);
    else if (name && (strchr(name, '/') || strchr(name, ':')))
        str_list_add(ret_names, name);
    else
        str_list_take(ret_names, mem_printf("%s:%s", a->stem, name ? name : "latest"));
}

static int oci_entry(struct archive_reader *a, const struct value *entry, struct error *err)
{
    struct slice digest = value_string(value_get(entry, "digest"));
    char *at CLEANUP_FREE = slice_dup(digest);
    STR_LIST_LOCAL(names);

    if (!image_digest_valid(digest))
        return error_set(err, ERROR_INVALID, "index.json has a bad digest");
    oci_names(a, entry, &names);
    for (int depth = 0; depth < INDEX_DEPTH_MAX; depth++) {
        struct value *document CLEANUP_VALUE = read_blob(a, at, err);
        const char *next;

        if (!document)
            return -1;
        if (!image_is_index(document))
            return oci_manifest(a, at, &names, err);
        next = image_index_pick(document, image_architecture(), err);
        if (!next)
            return -1;
        free(at);
        at = mem_strdup(next);
    }
    return error_set(err, ERROR_INVALID, "indexes nested too deeply");
}

static int oci_import(struct archive_reader *a, const struct value *index, struct error *err)
{
    const struct value *manifests = value_get(index, "manifests");

    for (size_t i = 0; i < value_count(manifests); i++)
        if (oci_entry(a, value_at(manifests, i), err) < 0)
            return -1;
    return 0;
}

/* ---- docker save ---- */

static int docker_image(struct archive_reader *a, const struct value *entry, struct error *err)
{
    const char *config_path = value_str(value_get(entry, "Config"));
    const struct value *tags = value_get(entry, "RepoTags");
    const struct value *paths = value_get(entry, "Layers");
    struct value *config CLEANUP_VALUE = NULL;
    struct image *image CLEANUP(image_clear_local) = NULL;
    char id[7 + SHA256_SIZE * 2 + 1] = "sha256:";
    STR_LIST_LOCAL(names);
    BUF_LOCAL(json);

    if (!config_path || read_inside(a, config_path, &json, err) < 0)
        return config_path ? -1 : error_set(err, ERROR_INVALID, "manifest.json names no config");
    sha256_hex(buf_slice(&json), id + 7);
    config = value_parse_lenient(buf_slice(&json), err);
    image = config ? image_from_config(id, config, err) : NULL;
    if (!image)
        return -1;
    if (value_count(paths) != image->layers.count)
        return error_set(err, ERROR_INVALID, "manifest.json and config disagree on the layers");
    for (size_t i = 0; i < image->layers.count; i++) {
        const char *path = value_str(value_at(paths, i));

        if (!path || layer_import(a, path, image->layers.items[i], &image->size, err) < 0)
            return path ? -1 : error_set(err, ERROR_INVALID, "manifest.json has a bad layer");
    }
    for (size_t i = 0; i < value_count(tags); i++)
        str_list_take(&names, slice_dup(value_string(value_at(tags, i))));
    if (!names.count)
        str_list_take(&names, mem_printf("%s:latest", a->stem));
    return import_finish(a, image, &names, NULL, err);
}

static int archive_read_unpacked(struct archive_reader *a, struct error *err)
{
    struct value *document CLEANUP_VALUE = NULL;
    BUF_LOCAL(json);

    if (read_inside(a, "manifest.json", &json, NULL) == 0) {
        document = value_parse_lenient(buf_slice(&json), err);
        if (!document)
            return error_wrap(err, "manifest.json");
        for (size_t i = 0; i < value_count(document); i++)
            if (docker_image(a, value_at(document, i), err) < 0)
                return -1;
        return 0;
    }
    buf_reset(&json);
    if (read_inside(a, "index.json", &json, err) < 0)
        return error_wrap(err, "neither an OCI layout nor a Docker archive");
    document = value_parse_lenient(buf_slice(&json), err);
    return document ? oci_import(a, document, err) : error_wrap(err, "index.json");
}

static int archive_open(struct archive_reader *a, const char *file, struct error *err)
{
    static const struct image_unpack_options options = {.layer = false};

    if (mkdir(a->unpacked, 0700))
        return error_set_errno(err, errno, "making %s", a->unpacked);
    a->root = open(a->unpacked, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->root < 0)
        return error_set_errno(err, errno, "opening %s", a->unpacked);
    return image_unpack_file(a->root, file, &options, NULL, err);
}

/* The mark says: this very file (path, size, time of change) has been imported. */
static char *import_mark(const char *dir, const char *file)
{
    struct stat st = {0};
    char *what CLEANUP_FREE = NULL;
    char hash[SHA256_SIZE * 2 + 1];

    (void)stat(file, &st);
    what =
        mem_printf("%s:%lld:%lld.%09ld", file, (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    sha256_hex(slice_str(what), hash);
    return mem_printf("%s/imports/%s", dir, hash);
}

int image_archive_import(const char *dir, const char *file, struct image_import *import, struct error *err)
{
    const char *slash = strrchr(file, '/');
    const char *base = slash ? slash + 1 : file;
    char *stem CLEANUP_FREE = mem_strndup(base, strlen(base) - archive_ending(base));
    char *mark CLEANUP_FREE = import_mark(dir, file);
    struct archive_reader a = {.dir = dir, .stem = stem, .root = -1, .import = import};
    char suffix[9];
    int r;

    if (fs_exists(mark))
        return 0;
    random_suffix(suffix, sizeof(suffix) - 1);
    a.unpacked = mem_printf("%s/tmp/archive-%s", dir, suffix);
    r = archive_open(&a, file, err);
    if (!r)
        r = archive_read_unpacked(&a, err);
    if (!r)
        r = fs_write(mark, slice_str(file), 0600, err);
    if (a.root >= 0)
        (void)close(a.root);
    (void)fs_remove_tree(a.unpacked, NULL);
    free(a.unpacked);
    return r < 0 ? error_wrap(err, "importing %s", file) : 0;
}
