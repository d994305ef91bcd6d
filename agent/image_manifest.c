/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Everything here came from a registry or a file of strangers: nothing is used before it is checked. */
#include "agent/image_manifest.h"

#include <sys/utsname.h>

#include "agent/image_ref.h"

void image_manifest_clear(struct image_manifest *m)
{
    free(m->config.digest);
    for (size_t i = 0; i < m->layer_count; i++)
        free(m->layers[i].digest);
    free(m->layers);
    *m = (struct image_manifest){0};
}

const char *image_architecture(void)
{
    static const char *const names[][2] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}, {"armv7l", "arm"}};
    struct utsname u;

    if (!uname(&u))
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
            if (!strcmp(u.machine, names[i][0]))
                return names[i][1];
    return "unknown";
}

bool image_is_index(const struct value *document)
{
    return value_is(value_get(document, "manifests"), VALUE_ARRAY);
}

const char *image_index_pick(const struct value *index, const char *architecture, struct error *err)
{
    const struct value *manifests = value_get(index, "manifests");
    size_t count = value_count(manifests);

    for (size_t i = 0; i < count; i++) {
        const struct value *m = value_at(manifests, i);
        const struct value *platform = value_get(m, "platform");
        const char *digest = value_str(value_get(m, "digest"));

        if (!digest || !image_digest_valid(slice_str(digest)))
            continue;
        /* An index of one without a platform is what `skopeo copy ... oci:` writes. */
        if (!platform && count == 1)
            return digest;
        if (slice_is(value_string(value_get(platform, "os")), "linux") &&
            slice_is(value_string(value_get(platform, "architecture")), architecture))
            return digest;
    }
    (void)error_set(err, ERROR_NOT_FOUND, "no match for platform in manifest: linux/%s", architecture);
    return NULL;
}

static int blob_read(const struct value *v, struct image_blob *ret_blob, struct error *err)
{
    struct slice digest = value_string(value_get(v, "digest"));

    if (!image_digest_valid(digest))
        return error_set(err, ERROR_INVALID, "manifest has a bad digest \"%.*s\"", SLICE_ARGS(digest));
    ret_blob->digest = slice_dup(digest);
    ret_blob->size = value_int(value_get(v, "size"));
    return ret_blob->size >= 0 ? 0 : error_set(err, ERROR_INVALID, "manifest has a negative size");
}

static int manifest_fill(const struct value *document, struct image_manifest *m, struct error *err)
{
    const struct value *layers = value_get(document, "layers");
    size_t count = value_count(layers);

    if (!value_is(layers, VALUE_ARRAY) || count > IMAGE_LAYERS_MAX)
        return error_set(err, ERROR_INVALID, "not an image manifest, or more than %d layers", IMAGE_LAYERS_MAX);
    if (blob_read(value_get(document, "config"), &m->config, err) < 0)
        return -1;
    m->layers = mem_calloc(count + 1, sizeof(*m->layers));
    for (size_t i = 0; i < count; i++) {
        m->layer_count = i + 1;
        if (blob_read(value_at(layers, i), &m->layers[i], err) < 0)
            return -1;
    }
    return 0;
}

int image_manifest_read(const struct value *document, struct image_manifest *ret_manifest, struct error *err)
{
    struct image_manifest m = {0};

    if (manifest_fill(document, &m, err) < 0) {
        image_manifest_clear(&m);
        return -1;
    }
    *ret_manifest = m;
    return 0;
}

int image_config_layers(const struct value *config, struct str_list *ret_layers, struct error *err)
{
    const struct value *ids = value_path(config, "rootfs", "diff_ids", NULL);
    size_t count = value_count(ids);

    if (!value_is(ids, VALUE_ARRAY) || count > IMAGE_LAYERS_MAX)
        return error_set(err, ERROR_INVALID, "the image's config has no list of layers");
    for (size_t i = 0; i < count; i++) {
        struct slice id = value_string(value_at(ids, i));

        if (!image_digest_valid(id))
            return error_set(err, ERROR_INVALID, "the image's config has a bad layer \"%.*s\"", SLICE_ARGS(id));
        str_list_take(ret_layers, slice_dup(slice_from(id, 7)));
    }
    return 0;
}
