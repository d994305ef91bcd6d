/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/registry_auth.h"

#include <string.h>

#include "lib/encoding.h"

#define CLIENT_ID "knarr"

static void wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void registry_challenge_clear(struct registry_challenge *c)
{
    free(c->realm);
    free(c->service);
    free(c->scope);
    *c = (struct registry_challenge){0};
}

/* The value of `key="value"` in a challenge. */
static struct slice challenge_get(struct slice header, const char *key)
{
    size_t len = strlen(key);

    for (size_t i = 0; i + len + 2 < header.len; i++) {
        struct slice rest = slice_from(header, i);
        ptrdiff_t end;

        if (!slice_starts(rest, slice_str(key)) || rest.data[len] != '=' || rest.data[len + 1] != '"')
            continue;
        if (i && header.data[i - 1] != ' ' && header.data[i - 1] != ',')
            continue;
        rest = slice_from(rest, len + 2);
        end = slice_find(rest, '"');
        return end < 0 ? SLICE_NONE : slice_make(rest.data, (size_t)end);
    }
    return SLICE_NONE;
}

static bool scheme_is(struct slice header, const char *scheme)
{
    size_t len = strlen(scheme);

    return header.len >= len && slice_equal_nocase(slice_make(header.data, len), slice_str(scheme)) &&
           (header.len == len || header.data[len] == ' ');
}

static void replace(char **place, struct slice text)
{
    free(*place);
    *place = text.len ? slice_dup(text) : NULL;
}

void registry_challenge_add(struct registry_challenge *c, struct slice header)
{
    if (scheme_is(header, "Basic"))
        c->basic = true;
    if (!scheme_is(header, "Bearer"))
        return;
    c->bearer = true;
    replace(&c->realm, challenge_get(header, "realm"));
    replace(&c->service, challenge_get(header, "service"));
    replace(&c->scope, challenge_get(header, "scope"));
}

/* ---- the token service ---- */

void registry_token_request_clear(struct registry_token_request *r)
{
    free(r->url);
    wipe(&r->authorization);
    wipe(&r->body);
    *r = (struct registry_token_request){0};
}

static void append_field(struct buf *out, const char *name, const char *value)
{
    if (out->len && out->data[out->len - 1] != '?' && out->data[out->len - 1] != '&')
        buf_append_byte(out, '&');
    buf_printf(out, "%s=", name);
    percent_encode(out, slice_str(value));
}

static void fill_form(const struct registry_challenge *c, const char *scope, const struct registry_login *login,
                      struct registry_token_request *r)
{
    BUF_LOCAL(form);

    append_field(&form, "grant_type", "refresh_token");
    append_field(&form, "service", c->service ? c->service : "");
    append_field(&form, "client_id", CLIENT_ID);
    append_field(&form, "scope", scope);
    append_field(&form, "refresh_token", login->identity_token);
    r->method = "POST";
    r->url = mem_strdup(c->realm);
    r->body = buf_steal_str(&form);
}

static void fill_query(const struct registry_challenge *c, const char *scope, const struct registry_login *login,
                       struct registry_token_request *r)
{
    BUF_LOCAL(url);

    buf_append_str(&url, c->realm);
    buf_append_byte(&url, strchr(c->realm, '?') ? '&' : '?');
    if (c->service)
        append_field(&url, "service", c->service);
    append_field(&url, "scope", scope);
    r->method = "GET";
    r->url = buf_steal_str(&url);
    r->authorization = login ? registry_auth_basic(login) : NULL;
}

int registry_token_request_make(const struct registry_challenge *c, const char *repository,
                                const struct registry_login *login, bool in_clear,
                                struct registry_token_request *ret_request, struct error *err)
{
    char *own CLEANUP_FREE = mem_printf("repository:%s:pull", repository);
    const char *scope = c->scope ? c->scope : own;
    bool tls = c->realm && !strncmp(c->realm, "https://", 8);

    *ret_request = (struct registry_token_request){0};
    if (!c->bearer || !c->realm || (!tls && strncmp(c->realm, "http://", 7) != 0))
        return error_set(err, ERROR_UNAUTHORIZED, "the registry wants an authorization that is not supported");
    if (!tls && !in_clear)
        return error_set(err, ERROR_UNAUTHORIZED, "the registry's token service %s is not on TLS: it is not asked",
                         c->realm);
    if (login && login->identity_token)
        fill_form(c, scope, login, ret_request);
    else
        fill_query(c, scope, login, ret_request);
    return 0;
}

char *registry_auth_basic(const struct registry_login *login)
{
    char *plain = NULL;
    BUF_LOCAL(out);

    if (!login->user)
        return NULL;
    plain = mem_printf("%s:%s", login->user, login->password);
    buf_append_str(&out, "Basic ");
    base64_encode(&out, slice_str(plain));
    wipe(&plain);
    return buf_steal_str(&out);
}

bool registry_url_within(const char *url, const char *base)
{
    size_t len = strlen(base);

    return url && !strncasecmp(url, base, len) && (url[len] == '/' || url[len] == '?' || !url[len]);
}
