/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request of a pull: where it goes, as whom, within which bounds, and what a 401 asks for. A login is sent only to
 * the registry it is for, or to the token service that this registry names (agent/registry_auth.h).
 */
#include "agent/image_pull_internal.h"

#include <errno.h>
#include <unistd.h>

#define LAYER_MAX      (16LL << 30) /* bytes of one compressed layer */
#define IDLE_MS        60000
#define REDIRECTS_MAX  5
#define TOKEN_MAX      65536
#define ERROR_BODY_MAX 4096

#define ACCEPT_MANIFEST                                                                                                \
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "                            \
    "application/vnd.docker.distribution.manifest.v2+json, "                                                           \
    "application/vnd.docker.distribution.manifest.list.v2+json"

void image_pull_authorize(struct image_pull *p, char *value)
{
    if (p->authorization)
        explicit_bzero(p->authorization, strlen(p->authorization));
    free(p->authorization);
    p->authorization = value;
}

/* ---- logins ---- */

static const struct registry_login *current_login(const struct image_pull *p)
{
    return p->login < p->logins.count ? &p->logins.items[p->login] : NULL;
}

/* A new try: with the next login, or the first. */
void image_pull_login(struct image_pull *p)
{
    const struct registry_login *login = current_login(p);

    p->state = PULL_MANIFEST;
    p->answered = false;
    image_pull_authorize(p, login && login->registry_token ? mem_printf("Bearer %s", login->registry_token) : NULL);
}

/* Before anything was received, a failure may be the login's. */
bool image_pull_login_next(struct image_pull *p)
{
    if (p->status == 0 || p->top_digest || (p->state != PULL_MANIFEST && p->state != PULL_TOKEN) ||
        p->login + 1 >= p->logins.count)
        return false;
    error_clear(&p->err);
    p->login++;
    image_pull_login(p);
    return true;
}

/* Can the same request go out again, after what the registry wants was fetched? */
static bool challenge_answer(struct image_pull *p)
{
    const struct registry_login *login = current_login(p);
    char *basic;

    if (p->status != 401 || p->answered || p->state == PULL_TOKEN)
        return false;
    p->answered = true;
    if (p->challenge.bearer) {
        p->after_token = p->state;
        p->state = PULL_TOKEN;
        return true;
    }
    basic = p->challenge.basic && login ? registry_auth_basic(login) : NULL;
    if (basic)
        image_pull_authorize(p, basic);
    return basic != NULL;
}

static int status_error(struct image_pull *p)
{
    struct value *v CLEANUP_VALUE = value_parse_lenient(buf_slice(&p->body), NULL);
    struct slice message = value_string(value_path(value_at(value_get(v, "errors"), 0), "message", NULL));
    static const char *const what[] = {"manifest", "token", "config", "layer"};

    if (p->status == 404 && p->state == PULL_MANIFEST)
        return error_set(&p->err, ERROR_NOT_FOUND, "%s: not found", p->name);
    return error_set(&p->err, p->status == 401 || p->status == 403 ? ERROR_UNAUTHORIZED : ERROR_IO,
                     "reading the %s: the registry answered %d%s%.*s", what[p->state], p->status,
                     message.len ? ": " : "", SLICE_ARGS(message));
}

static void on_head(void *arg, int status, const struct http_header *headers, size_t header_count)
{
    struct image_pull *p = arg;

    p->status = status;
    /* Where the registry has redirected to may ask for whatever it likes: it gets no login. */
    if (status != 401 || p->state == PULL_TOKEN || !registry_url_within(http_call_url(p->call), p->base))
        return;
    registry_challenge_clear(&p->challenge);
    for (size_t i = 0; i < header_count; i++)
        if (!strcmp(headers[i].name, "www-authenticate"))
            registry_challenge_add(&p->challenge, headers[i].value);
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
        p->status = 0;
    }
    if (p->status == 200 && p->state != PULL_TOKEN)
        p->answered = false;
    if (!error_is_set(&p->err) && p->status == 200)
        (void)image_pull_received(p);
    else if (!error_is_set(&p->err) && !challenge_answer(p))
        (void)status_error(p);
    image_pull_step(p);
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

static void call_start(struct image_pull *p, const char *method, const char *url, const char *authorization,
                       const char *form)
{
    static const struct http_call_events events = {on_head, on_data, on_end};
    struct http_header headers[3] = {{"accept", SLICE_LIT(ACCEPT_MANIFEST)}};
    struct http_call_options options = {.method = method,
                                        .url = url,
                                        .headers = headers,
                                        .header_count = 1,
                                        .idle_timeout_ms = IDLE_MS,
                                        .redirects_max = form ? 0 : REDIRECTS_MAX};

    /* A header that names who asks does not follow a redirect to another host; a form would. */
    if (authorization)
        headers[options.header_count++] = (struct http_header){"authorization", slice_str(authorization)};
    if (form) {
        headers[options.header_count++] =
            (struct http_header){"content-type", SLICE_LIT("application/x-www-form-urlencoded")};
        options.body = slice_str(form);
    }
    p->call = http_client_call(p->http, &options, &events, p);
}

static void token_ask(struct image_pull *p)
{
    struct registry_token_request r = {0};

    if (registry_token_request_make(&p->challenge, p->repository, current_login(p), p->insecure, &r, &p->err) < 0)
        image_pull_step(p);
    else
        call_start(p, r.method, r.url, r.authorization, r.body);
    registry_token_request_clear(&r);
}

void image_pull_request(struct image_pull *p)
{
    char *url CLEANUP_FREE = NULL;

    request_bounds(p);
    buf_reset(&p->body);
    p->received = 0;
    (void)EVP_DigestInit_ex(p->hash, EVP_sha256(), NULL);
    if (p->state == PULL_TOKEN) {
        token_ask(p);
        return;
    }
    p->status = 0;
    url = p->state == PULL_MANIFEST ? mem_printf("%s/v2/%s/manifests/%s", p->base, p->repository, p->reference)
                                    : mem_printf("%s/v2/%s/blobs/%s", p->base, p->repository, p->want);
    call_start(p, "GET", url, p->authorization, NULL);
}
