/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pull of one image. One document or layer at a time:
 *
 *     MANIFEST -> (index: MANIFEST of this machine) -> CONFIG -> LAYER -> UNPACKING -> LAYER ... -> RECORD -> done
 *        401 with a Bearer challenge: TOKEN, then the same request again, once
 *
 * Bytes are hashed while they arrive; a layer is unpacked only after its digest has matched, and unpacking checks the
 * digest of the uncompressed tar again. Everything that comes from the registry is bounded.
 */
#include "agent/image_pull.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "agent/fs.h"
#include "agent/image_manifest.h"
#include "lib/encoding.h"
#include "lib/http_client.h"
#include "lib/random.h"

#define LAYER_MAX      (16LL << 30) /* bytes of one compressed layer */
#define INDEX_DEPTH    3
#define IDLE_MS        60000
#define TOKEN_MAX      65536
#define ERROR_BODY_MAX 4096

#define ACCEPT_MANIFEST                                                                                                \
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "                            \
    "application/vnd.docker.distribution.manifest.v2+json, "                                                           \
    "application/vnd.docker.distribution.manifest.list.v2+json"

enum pull_state { PULL_MANIFEST, PULL_TOKEN, PULL_CONFIG, PULL_LAYER, PULL_UNPACKING, PULL_RECORD, PULL_DONE };

struct image_pull {
    struct loop *loop;
    struct http_client *http;
    struct http_call *call;
    struct loop_timer *fail; /* reports a failure that happened inside the start */
    enum pull_state state;
    enum pull_state after_token;
    bool token_tried;
    bool insecure;
    bool cancelled;
    bool on_pool;
    char *store_dir;
    char *registry;
    char *repository;
    char *reference; /* tag or digest of the manifest asked for */
    char *name;
    char *token;
    char *manifest_digest; /* of the manifest of this machine */
    char *top_digest;      /* of what the tag names: goes into the repo digest */
    unsigned depth;
    struct image_manifest manifest;
    struct image *image;
    size_t layer;
    /* what is being received */
    const char *want; /* digest, NULL = unknown (a tag) */
    int64_t limit;
    int64_t received;
    int status;
    EVP_MD_CTX *hash;
    struct buf body;
    int file;
    char *path; /* of the file */
    char *challenge;
    struct error err;
    void (*done)(void *arg, struct image *image, const struct error *err);
    void *arg;
};

static void pull_request(struct image_pull *p);

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

/* The value of `key="value"` in a challenge. */
static struct slice challenge_get(struct slice header, const char *key)
{
    size_t len = strlen(key);

    for (size_t i = 0; i + len + 2 < header.len; i++) {
        struct slice rest = slice_make(header.data + i, header.len - i);
        ptrdiff_t end;

        if (!slice_starts(rest, slice_str(key)) || rest.data[len] != '=' || rest.data[len + 1] != '"')
            continue;
        if (i && header.data[i - 1] != ' ' && header.data[i - 1] != ',')
            continue;
        rest = slice_make(rest.data + len + 2, rest.len - len - 2);
        end = slice_find(rest, '"');
        return end < 0 ? SLICE_NONE : slice_make(rest.data, (size_t)end);
    }
    return SLICE_NONE;
}

char *image_token_url(struct slice header, const char *repository)
{
    struct slice realm = challenge_get(header, "realm");
    struct slice service = challenge_get(header, "service");
    struct slice scope = challenge_get(header, "scope");
    char *own CLEANUP_FREE = mem_printf("repository:%s:pull", repository);
    BUF_LOCAL(url);

    if (header.len < 7 || !slice_equal_nocase(slice_make(header.data, 7), SLICE_LIT("Bearer ")) || !realm.len)
        return NULL;
    if (!slice_starts(realm, SLICE_LIT("https://")) && !slice_starts(realm, SLICE_LIT("http://")))
        return NULL;
    buf_append_slice(&url, realm);
    buf_append_byte(&url, slice_find(realm, '?') < 0 ? '?' : '&');
    if (service.len) {
        buf_append_str(&url, "service=");
        percent_encode(&url, service);
        buf_append_byte(&url, '&');
    }
    buf_append_str(&url, "scope=");
    percent_encode(&url, scope.len ? scope : slice_str(own));
    return buf_steal_str(&url);
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
    buf_free(&p->body);
    error_clear(&p->err);
    free(p->store_dir);
    free(p->registry);
    free(p->repository);
    free(p->reference);
    free(p->name);
    free(p->token);
    free(p->manifest_digest);
    free(p->top_digest);
    free(p->challenge);
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

static void next_layer(struct image_pull *p)
{
    char suffix[9];

    while (p->layer < p->image->layers.count && image_layer_present(p->store_dir, p->image->layers.items[p->layer]))
        p->layer++;
    if (p->layer == p->image->layers.count) {
        p->state = PULL_RECORD;
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
    pull_request(p);
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
    free(p->token);
    p->token = mem_strdup(token);
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

static int pull_received(struct image_pull *p)
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

/* ---- one request ---- */

static int want_token(struct image_pull *p)
{
    if (p->status != 401 || p->token_tried || p->state == PULL_TOKEN)
        return 0;
    p->token_tried = true;
    p->after_token = p->state;
    p->state = PULL_TOKEN;
    return 1;
}

static int status_error(struct image_pull *p)
{
    struct value *v CLEANUP_VALUE = value_parse_lenient(buf_slice(&p->body), NULL);
    struct slice message = value_string(value_path(value_at(value_get(v, "errors"), 0), "message", NULL));
    static const char *const what[] = {"manifest", "token", "config", "layer"};

    if (p->status == 404 && p->state == PULL_MANIFEST)
        return error_set(&p->err, ERROR_NOT_FOUND, "%s: not found", p->name);
    return error_set(&p->err, ERROR_IO, "reading the %s: the registry answered %d%s%.*s", what[p->state], p->status,
                     message.len ? ": " : "", SLICE_ARGS(message));
}

static void on_head(void *arg, int status, const struct http_header *headers, size_t header_count)
{
    struct image_pull *p = arg;

    p->status = status;
    for (size_t i = 0; status == 401 && i < header_count; i++) {
        if (strcmp(headers[i].name, "www-authenticate") != 0)
            continue;
        free(p->challenge);
        p->challenge = slice_dup(headers[i].value);
    }
}

static void on_data(void *arg, struct slice data)
{
    struct image_pull *p = arg;
    int64_t limit = p->status == 200 ? p->limit : ERROR_BODY_MAX;

    if (error_is_set(&p->err))
        return;
    p->received += (int64_t)data.len;
    if (p->received > limit) {
        if (p->status == 200)
            (void)error_set(&p->err, ERROR_TOO_LARGE, "the registry sends more than %lld bytes", (long long)limit);
        return;
    }
    if (p->status != 200 || p->file < 0) {
        buf_append_slice(&p->body, data);
    } else if (write(p->file, data.data, data.len) != (ssize_t)data.len) {
        (void)error_set_errno(&p->err, errno, "writing %s", p->path);
        return;
    }
    (void)EVP_DigestUpdate(p->hash, data.data, data.len);
}

static void on_end(void *arg, const struct error *err)
{
    struct image_pull *p = arg;

    p->call = NULL;
    if (err && !error_is_set(&p->err)) {
        error_copy(&p->err, err);
        (void)error_wrap(&p->err, "failed to do request to %s", p->registry);
    }
    if (!error_is_set(&p->err) && p->status != 200 && !want_token(p))
        (void)status_error(p);
    else if (!error_is_set(&p->err) && p->status == 200)
        (void)pull_received(p);
    if (error_is_set(&p->err)) {
        pull_end(p);
    } else if (p->status == 200 && p->state == PULL_LAYER && p->file >= 0) {
        p->state = PULL_UNPACKING;
        pull_to_pool(p, unpack_work, unpack_done);
    } else if (p->state == PULL_CONFIG && p->image) {
        next_layer(p);
    } else {
        pull_request(p);
    }
}

static char *request_url(struct image_pull *p)
{
    const char *scheme = p->insecure ? "http" : "https";
    const char *host = !strcmp(p->registry, "docker.io") ? "registry-1.docker.io" : p->registry;

    if (p->state == PULL_TOKEN)
        return image_token_url(slice_str(p->challenge ? p->challenge : ""), p->repository);
    if (p->state == PULL_MANIFEST)
        return mem_printf("%s://%s/v2/%s/manifests/%s", scheme, host, p->repository, p->reference);
    return mem_printf("%s://%s/v2/%s/blobs/%s", scheme, host, p->repository, p->want);
}

static void request_bounds(struct image_pull *p)
{
    switch (p->state) {
    case PULL_MANIFEST:
        p->want = image_digest_valid(slice_str(p->reference)) ? p->reference : NULL;
        p->limit = IMAGE_DOCUMENT_MAX;
        break;
    case PULL_CONFIG:
        p->want = p->manifest.config.digest;
        p->limit = IMAGE_DOCUMENT_MAX;
        break;
    case PULL_LAYER:
        p->want = p->manifest.layers[p->layer].digest;
        p->limit = p->manifest.layers[p->layer].size < LAYER_MAX ? p->manifest.layers[p->layer].size : LAYER_MAX;
        break;
    default:
        p->want = NULL;
        p->limit = TOKEN_MAX;
    }
}

static void pull_request(struct image_pull *p)
{
    static const struct http_call_events events = {on_head, on_data, on_end};
    struct http_call_options options = {.method = "GET", .idle_timeout_ms = IDLE_MS, .redirects_max = 5};
    struct http_header headers[2];
    char *authorization CLEANUP_FREE = NULL;
    char *url CLEANUP_FREE = NULL;

    request_bounds(p);
    url = request_url(p);
    if (!url) {
        (void)error_set(&p->err, ERROR_UNAUTHORIZED, "the registry wants an authorization that is not supported: %s",
                        p->challenge ? p->challenge : "none named");
        pull_end(p);
        return;
    }
    buf_reset(&p->body);
    p->received = 0;
    p->status = 0;
    (void)EVP_DigestInit_ex(p->hash, EVP_sha256(), NULL);
    headers[options.header_count++] = (struct http_header){"accept", SLICE_LIT(ACCEPT_MANIFEST)};
    if (p->token && p->state != PULL_TOKEN) {
        authorization = mem_printf("Bearer %s", p->token);
        headers[options.header_count++] = (struct http_header){"authorization", slice_str(authorization)};
    }
    options.headers = headers;
    options.url = url;
    p->call = http_client_call(p->http, &options, &events, p);
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
    pull_request(p);
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
