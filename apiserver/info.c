/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/info.h"

#include "apiserver/account.h"
#include "apiserver/backup.h"
#include "apiserver/dashboard.h"
#include "apiserver/documents_reply.h"
#include "apiserver/metrics.h"

/* kubectl and helm choose their behaviour by these numbers (wire.md, rule 14). */
#define INFO_VERSION                                                                                                   \
    "{\"major\":\"1\",\"minor\":\"35\",\"emulationMajor\":\"1\",\"emulationMinor\":\"35\","                            \
    "\"minCompatibilityMajor\":\"1\",\"minCompatibilityMinor\":\"34\",\"gitVersion\":\"v1.35.0+knarr\","               \
    "\"gitCommit\":\"\",\"gitTreeState\":\"clean\",\"buildDate\":\"1970-01-01T00:00:00Z\",\"goVersion\":\"none\","     \
    "\"compiler\":\"cc\",\"platform\":\"linux/amd64\"}"

static void info_version(struct request *req)
{
    req->media = MEDIA_JSON;
    reply_json(req, 200, SLICE_LIT(INFO_VERSION));
}

/* Who answers at all has passed them. The store has the name that clients and balancers ask for. */
static const struct {
    const char *name;
    const char *of; /* NULL = of all three probes */
} info_checks[] = {{"ping", NULL}, {"log", NULL}, {"etcd", NULL}, {"informer-sync", "readyz"}};

void info_missing(struct request *req)
{
    const struct slice page = SLICE_LIT("404 page not found\n");

    reply_pieces(req, 404, "text/plain; charset=utf-8", &page, 1);
}

static void info_health(struct request *req)
{
    const char *probe = req->info.segments[0];
    const char *excluded = request_query(req, "exclude");
    bool known = req->info.segment_count == 1;
    BUF_LOCAL(text);
    struct slice piece;

    if (req->info.segment_count > 2) {
        info_missing(req);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(info_checks); i++) {
        if (info_checks[i].of && strcmp(info_checks[i].of, probe) != 0)
            continue;
        if (req->info.segment_count == 2 && !strcmp(req->info.segments[1], info_checks[i].name))
            known = true;
        if (req->info.segment_count == 1 && request_query(req, "verbose"))
            buf_printf(&text,
                       excluded && !strcmp(excluded, info_checks[i].name) ? "[+]%s excluded: ok\n" : "[+]%s ok\n",
                       info_checks[i].name);
    }
    if (!known) {
        info_missing(req);
        return;
    }
    if (text.len)
        buf_printf(&text, "%s check passed\n", probe);
    else
        buf_append_str(&text, "ok");
    piece = buf_slice(&text);
    reply_pieces(req, 200, "text/plain; charset=utf-8", &piece, 1);
}

static void info_index(struct request *req)
{
    reply_json(
        req, 200,
        SLICE_LIT("{\"paths\":[\"/.well-known/openid-configuration\",\"/api\",\"/apis\",\"/healthz\",\"/livez\","
                  "\"/metrics\",\"/openapi/v2\",\"/openapi/v3\",\"/openid/v1/jwks\",\"/readyz\",\"/version\"]}"));
}

/* What others verify tokens of ServiceAccounts by. */
static void info_openid(struct request *req, const char *content_type, const char *text)
{
    struct slice piece = slice_str(text);

    req->media = MEDIA_JSON;
    reply_pieces(req, 200, content_type, &piece, 1);
}

static void info_keys(struct request *req)
{
    if (strcmp(req->info.path, "/openid/v1/jwks") != 0)
        info_missing(req);
    else
        info_openid(req, "application/jwk-set+json", req->server->accounts->keys);
}

/* The CA's certificate is for machines that join: they know its hash and check it before they send anything. */
static void info_well_known(struct request *req)
{
    struct slice piece = slice_str(req->server->cluster_ca);

    if (!strcmp(req->info.path, INFO_CA_PATH))
        reply_pieces(req, 200, "application/x-pem-file", &piece, 1);
    else if (!strcmp(req->info.path, "/.well-known/openid-configuration"))
        info_openid(req, "application/json", req->server->accounts->configuration);
    else
        info_missing(req);
}

static void info_metrics(struct request *req)
{
    if (req->info.segment_count == 1)
        metrics_get(req);
    else
        info_missing(req);
}

static void info_knarr(struct request *req)
{
    if (strcmp(req->info.path, BACKUP_PATH) != 0)
        info_missing(req);
    else if (!slice_is(req->http->method, "GET"))
        reply_error_text(req, ERROR_METHOD_NOT_ALLOWED,
                         "the server does not allow this method on the requested resource");
    else
        backup_get(req);
}

static const struct {
    const char *first; /* segment; "" = the root */
    void (*answer)(struct request *req);
    bool any_method;
} info_routes[] = {
    {"", info_index, false},          {"version", info_version, false},    {"healthz", info_health, true},
    {"livez", info_health, true},     {"readyz", info_health, true},       {"api", documents_reply, false},
    {"apis", documents_reply, false}, {"openapi", documents_reply, false}, {".well-known", info_well_known, false},
    {"metrics", info_metrics, false}, {"openid", info_keys, false},        {"dashboard", dashboard_handle, false},
    {"knarr", info_knarr, false},
};

static ptrdiff_t info_find(const struct request_info *info)
{
    const char *first = info->segment_count ? info->segments[0] : "";

    for (size_t i = 0; i < ARRAY_SIZE(info_routes); i++)
        if (!strcmp(info_routes[i].first, first))
            return (ptrdiff_t)i;
    return -1;
}

void info_handle(struct request *req)
{
    ptrdiff_t i = info_find(&req->info);
    bool reads = slice_is(req->http->method, "GET") || slice_is(req->http->method, "HEAD");

    if (i < 0)
        info_missing(req);
    else if (!reads && !info_routes[i].any_method)
        reply_error_text(req, ERROR_METHOD_NOT_ALLOWED,
                         "the server does not allow this method on the requested resource");
    else
        info_routes[i].answer(req);
}
