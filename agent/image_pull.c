/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pull of one image. One document or layer at a time:
 *
 *     MANIFEST -> (index: MANIFEST of this machine) -> CONFIG -> LAYER -> UNPACKING -> LAYER ... -> RECORD -> done
 *        401 from the registry itself: (Bearer: TOKEN), then the same request again, once
 *        MANIFEST or CONFIG refused, or no token: from the start with the next login, if there is one
 *
 * Bytes are hashed while they arrive; a layer is unpacked only after its digest has matched, and unpacking checks the
 * digest of the uncompressed tar again. Everything that comes from the registry is bounded. With logins nothing is
 * asked for without one: an image that a login is for is pulled as somebody, or not at all.
 */
#include "agent/image_pull_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/fs.h"
#include "lib/encoding.h"
#include "lib/random.h"

#define INDEX_DEPTH 3

/* ---- pure helpers ---- */

bool image_host_insecure(const char *registry, const char *const *insecure_hosts)
{
    static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]"};
    size_t host = *registry == '[' ? strcspn(registry, "]") + 1 : strcspn(registry, ":");

    if (!insecure_hosts) {
        for (size_t i = 0; i < ARRAY_SIZE(loopback); i++)
            if (strlen(loopback[i]) == host && !strncmp(loopback[i], registry, host))
                return true;
        return false;
    }
    for (; *insecure_hosts; insecure_hosts++)
        if (!strcmp(*insecure_hosts, registry) ||
            (strlen(*insecure_hosts) == host && !strncmp(*insecure_hosts, registry, host)))
            return true;
    return false;
}

/* ---- end ---- */

static void receive_reset(struct image_pull *p)
{
    buf_reset(&p->body);
    p->received = 0;
    if (p->file >= 0)
        (void)close(p->file);
    p->file = -1;
    if (p->path)
        (void)unlink(p->path);
    free(p->path);
    p->path = NULL;
}

static void pull_free(struct image_pull *p)
{
    receive_reset(p);
    if (p->call)
        http_call_cancel(p->call);
    http_client_free(p->http);
    loop_timer_free(p->fail);
    EVP_MD_CTX_free(p->hash);
    image_manifest_clear(&p->manifest);
    image_free(p->image);
    image_free((struct image *)p->present);
    buf_free(&p->body);
    error_clear(&p->err);
    image_pull_authorize(p, NULL);
    registry_logins_clear(&p->logins);
    registry_challenge_clear(&p->challenge);
    free(p->store_dir);
    free(p->base);
    free(p->registry);
    free(p->repository);
    free(p->reference);
    free(p->name);
    free(p->top_digest);
    free(p);
}

/* Reports from the loop, never from inside a call into us. */
static void pull_report(void *arg)
{
    struct image_pull *p = arg;
    struct image *image = error_is_set(&p->err) ? NULL : STEAL(p->image);

    p->done(p->arg, image, error_is_set(&p->err) ? &p->err : NULL);
    pull_free(p);
}

static void pull_end(struct image_pull *p)
{
    p->state = PULL_DONE;
    if (error_is_set(&p->err))
        (void)error_wrap(&p->err, "failed to pull and unpack image \"%s\"", p->name);
    loop_timer_start(p->fail, 0, 0);
}

/* ---- after the layers: the record ---- */

static void record_work(void *arg)
{
    struct image_pull *p = arg;

    (void)image_record_write(p->store_dir, p->image, &p->err);
}

static void record_done(void *arg)
{
    struct image_pull *p = arg;

    p->on_pool = false;
    if (p->cancelled)
        pull_free(p);
    else
        pull_end(p);
}

static void pull_to_pool(struct image_pull *p, void (*work)(void *), void (*done)(void *))
{
    p->on_pool = true;
    loop_work(p->loop, work, done, p);
}

/* ---- layers ---- */

static void next_layer(struct image_pull *p);

static void unpack_work(void *arg)
{
    struct image_pull *p = arg;

    (void)image_layer_unpack(p->store_dir, p->image->layers.items[p->layer], p->path, &p->err);
}

static void unpack_done(void *arg)
{
    struct image_pull *p = arg;

    p->on_pool = false;
    if (p->cancelled) {
        pull_free(p);
        return;
    }
    receive_reset(p);
    p->layer++;
    if (error_is_set(&p->err))
        pull_end(p);
    else
        next_layer(p);
}

/* Who may have the image without being asked again: everybody when the registry asked for no login, or got the node's;
 * else whose login it was, beside those who could before. */
static void record_access(struct image_pull *p)
{
    const struct image *before = p->present;
    bool same = before && !strcmp(before->id, p->image->id);
    char hash[REGISTRY_LOGIN_HASH_LEN + 1];

    if (!p->authorization || p->login >= p->host_logins || (same && !before->access.count))
        return;
    registry_login_hash(&p->logins.items[p->login], hash);
    str_list_add(&p->image->access, hash);
    for (size_t i = 0; same && i < before->access.count && p->image->access.count < IMAGE_ACCESS_MAX; i++)
        if (!str_list_has(&p->image->access, before->access.items[i]))
            str_list_add(&p->image->access, before->access.items[i]);
}

static void next_layer(struct image_pull *p)
{
    char suffix[9];

    while (p->layer < p->image->layers.count && image_layer_present(p->store_dir, p->image->layers.items[p->layer]))
        p->layer++;
    if (p->layer == p->image->layers.count) {
        p->state = PULL_RECORD;
        record_access(p);
        pull_to_pool(p, record_work, record_done);
        return;
    }
    p->state = PULL_LAYER;
    random_suffix(suffix, sizeof(suffix) - 1);
    p->path = mem_printf("%s/blobs/%s-%s", p->store_dir, p->manifest.layers[p->layer].digest + 7, suffix);
    p->file = open(p->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (p->file < 0) {
        (void)error_set_errno(&p->err, errno, "making %s", p->path);
        pull_end(p);
        return;
    }
    image_pull_request(p);
}

/* ---- documents ---- */

static int got_manifest(struct image_pull *p, const char *digest)
{
    struct value *v CLEANUP_VALUE = value_parse_lenient(buf_slice(&p->body), &p->err);
    const char *next;

    if (!v)
        return error_wrap(&p->err, "reading the manifest");
    if (!p->top_digest)
        p->top_digest = mem_strdup(digest);
    if (!image_is_index(v)) {
        if (image_manifest_read(v, &p->manifest, &p->err) < 0)
            return -1;
        p->state = PULL_CONFIG;
        return 0;
    }
    if (++p->depth > INDEX_DEPTH)
        return error_set(&p->err, ERROR_INVALID, "indexes nested too deeply");
    next = image_index_pick(v, image_architecture(), &p->err);
    if (!next)
        return -1;
    free(p->reference);
    p->reference = mem_strdup(next);
    return 0;
}

static int got_config(struct image_pull *p)
{
    struct value *v CLEANUP_VALUE = value_parse_lenient(buf_slice(&p->body), &p->err);

    if (!v)
        return error_wrap(&p->err, "reading the image's config");
    p->image = mem_zalloc(sizeof(*p->image));
    if (image_config_layers(v, &p->image->layers, &p->err) < 0)
        return -1;
    if (p->image->layers.count != p->manifest.layer_count)
        return error_set(&p->err, ERROR_INVALID, "manifest and config disagree on the layers");
    p->image->name = mem_strdup(p->name);
    p->image->id = mem_strdup(p->manifest.config.digest);
    p->image->digest = mem_printf("%s/%s@%s", p->registry, p->repository, p->top_digest);
    p->image->config = value_take(v, "config");
    for (size_t i = 0; i < p->manifest.layer_count; i++)
        p->image->size += p->manifest.layers[i].size;
    return 0;
}

static int got_token(struct image_pull *p)
{
    struct value *v CLEANUP_VALUE = value_parse_lenient(buf_slice(&p->body), NULL);
    const char *token = value_str(value_get(v, "token"));

    if (!token)
        token = value_str(value_get(v, "access_token"));
    if (!token || strpbrk(token, "\r\n"))
        return error_set(&p->err, ERROR_UNAUTHORIZED, "the registry's token service gave no token");
    image_pull_authorize(p, mem_printf("Bearer %s", token));
    p->state = p->after_token;
    return 0;
}

/* The digest of what was received, checked when one was wanted. */
static int check_digest(struct image_pull *p, char ret_digest[7 + 65])
{
    unsigned char digest[SHA256_SIZE];
    BUF_LOCAL(hex);

    if (!EVP_DigestFinal_ex(p->hash, digest, NULL))
        mem_die(0);
    hex_encode(&hex, slice_make(digest, sizeof(digest)));
    memcpy(ret_digest, "sha256:", 7);
    memcpy(ret_digest + 7, buf_cstr(&hex), 65);
    if (p->want && strcmp(p->want, ret_digest) != 0)
        return error_set(&p->err, ERROR_INVALID, "digest mismatch: the registry sent %s where %s was asked for",
                         ret_digest, p->want);
    return 0;
}

int image_pull_received(struct image_pull *p)
{
    char digest[7 + 65];

    if (p->state == PULL_TOKEN)
        return got_token(p);
    if (check_digest(p, digest) < 0)
        return -1;
    if (p->state == PULL_MANIFEST)
        return got_manifest(p, digest);
    if (p->state == PULL_CONFIG)
        return got_config(p);
    return 0;
}

/* ---- steps ---- */

/* What follows from an answer, or from a failure. */
void image_pull_step(struct image_pull *p)
{
    if (error_is_set(&p->err) && !image_pull_login_next(p)) {
        pull_end(p);
    } else if (p->status == 200 && p->state == PULL_LAYER && p->file >= 0) {
        p->state = PULL_UNPACKING;
        pull_to_pool(p, unpack_work, unpack_done);
    } else if (p->state == PULL_CONFIG && p->image) {
        next_layer(p);
    } else {
        image_pull_request(p);
    }
}

static char *registry_base(const struct image_pull_options *options)
{
    const char *registry = options->ref->registry;

    return mem_printf("%s://%s", options->insecure ? "http" : "https",
                      !strcmp(registry, "docker.io") ? "registry-1.docker.io" : registry);
}

struct image_pull *image_pull_start(struct loop *loop, const struct image_pull_options *options,
                                    void (*done)(void *arg, struct image *image, const struct error *err), void *arg)
{
    struct image_pull *p = mem_zalloc(sizeof(*p));
    const struct image_ref *ref = options->ref;

    p->loop = loop;
    p->http = http_client_new(loop, &(struct http_client_options){0});
    p->fail = loop_timer_new(loop, pull_report, p);
    p->insecure = options->insecure;
    p->base = registry_base(options);
    if (options->present)
        p->present = image_hold(options->present);
    registry_logins_append(&p->logins, options->logins);
    p->host_logins = options->host_logins;
    p->store_dir = mem_strdup(options->store_dir);
    p->registry = mem_strdup(ref->registry);
    p->repository = mem_strdup(ref->repository);
    p->reference = mem_strdup(ref->digest ? ref->digest : ref->tag);
    p->name = image_ref_name(ref);
    p->file = -1;
    p->hash = EVP_MD_CTX_new();
    p->done = done;
    p->arg = arg;
    if (!p->hash)
        mem_die(0);
    image_pull_login(p);
    image_pull_request(p);
    return p;
}

void image_pull_cancel(struct image_pull *pull)
{
    if (!pull)
        return;
    if (!pull->on_pool) {
        pull_free(pull);
        return;
    }
    pull->cancelled = true;
}
