/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a bearer among subprotocols are upstream's; that of the origin is ours. */
#include "apiserver/upgrade.h"

#include "lib/encoding.h"

#define BEARER_PREFIX "base64url.bearer.authorization.k8s.io."

static bool is_bearer(struct slice protocol)
{
    return slice_starts(protocol, SLICE_LIT(BEARER_PREFIX));
}

size_t upgrade_protocols(const struct request *req, struct slice *ret_protocols)
{
    struct slice all[WEBSOCKET_PROTOCOLS_MAX];
    size_t count = websocket_protocols(req->http, all);
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (!is_bearer(all[i]))
            ret_protocols[kept++] = all[i];
    return kept;
}

int upgrade_bearer(struct request *req, struct slice *ret_token, struct error *err)
{
    const size_t prefix = sizeof(BEARER_PREFIX) - 1;
    struct slice all[WEBSOCKET_PROTOCOLS_MAX];
    size_t count = websocket_requested(req->http) ? websocket_protocols(req->http, all) : 0;
    size_t bearers = 0;
    BUF_LOCAL(token);

    *ret_token = SLICE_NONE;
    for (size_t i = 0; i < count; i++) {
        if (!is_bearer(all[i]))
            continue;
        bearers++;
        if (bearers > 1 || !base64url_decode(&token, slice_from(all[i], prefix)) || !token.len ||
            !utf8_valid(buf_slice(&token)))
            return error_set(err, ERROR_UNAUTHORIZED, "Unauthorized");
    }
    if (!bearers)
        return 0;
    if (count == bearers)
        return error_set(err, ERROR_UNAUTHORIZED, "Unauthorized");
    *ret_token = slice_make(pool_slice_dup(req->pool, buf_slice(&token)), token.len);
    return 0;
}

bool upgrade_same_origin(const struct request *req)
{
    const struct slice scheme = SLICE_LIT("https://");
    struct slice origin = slice_trim(http_request_header(req->http, "origin"));

    return !origin.len ||
           (slice_starts(origin, scheme) && slice_equal_nocase(slice_from(origin, scheme.len), req->http->authority));
}

int upgrade_check_origin(const struct request *req, struct error *err)
{
    /* Python's library says http whatever it speaks; nothing but TLS is served at this port. */
    const struct slice schemes[] = {SLICE_LIT("https://"), SLICE_LIT("http://")};
    struct slice origin = slice_trim(http_request_header(req->http, "origin"));

    if (!websocket_requested(req->http) || !origin.len)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
        if (slice_starts(origin, schemes[i]) &&
            slice_equal_nocase(slice_from(origin, schemes[i].len), req->http->authority))
            return 0;
    return error_set(err, ERROR_FORBIDDEN,
                     "a WebSocket from another origin is not taken with a client certificate; use a token");
}
