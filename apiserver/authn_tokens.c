/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/authn_tokens.h"

#include <errno.h>
#include <stdio.h>

#include "api/scan.h"
#include "apiserver/authn.h"
#include "apiserver/registry.h"
#include "lib/encoding.h"
#include "lib/log.h"

#define AUTHN_TOKENS_FILE_MAX (1u << 20)
#define AUTHN_FIELDS_MAX      4

struct authn_tokens {
    struct authn_token *list;
    size_t count;
    size_t cap;
};

void authn_tokens_free(struct authn_tokens *tokens)
{
    if (!tokens)
        return;
    for (size_t i = 0; i < tokens->count; i++) {
        struct authn_token *t = &tokens->list[i];

        for (size_t g = 0; g < t->group_count; g++)
            free(t->groups[g]);
        free(t->groups);
        free(t->token);
        free(t->user);
        free(t->uid);
    }
    free(tokens->list);
    free(tokens);
}

/* One line of CSV into at most AUTHN_FIELDS_MAX fields; quotes as RFC 4180. False when a quote is left open. */
static bool authn_csv_line(struct slice line, struct buf *fields, size_t *ret_count)
{
    size_t count = 0;
    bool quoted = false;

    for (size_t i = 0; i <= line.len; i++) {
        char c = i < line.len ? line.data[i] : ',';

        if (quoted && i == line.len)
            return false;
        if (quoted && c == '"' && i + 1 < line.len && line.data[i + 1] == '"') {
            buf_append_byte(&fields[count], c);
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            if (++count == AUTHN_FIELDS_MAX)
                break;
        } else {
            buf_append_byte(&fields[count], c);
        }
    }
    *ret_count = count;
    return true;
}

static void authn_tokens_add(struct authn_tokens *tokens, const struct buf *fields, size_t count)
{
    struct authn_token *t;
    struct slice rest = count > 3 ? buf_slice(&fields[3]) : SLICE_NONE;
    struct slice group;
    size_t cap = 0;

    tokens->list = mem_grow(tokens->list, &tokens->cap, tokens->count + 1, sizeof(*tokens->list));
    t = &tokens->list[tokens->count++];
    *t = (struct authn_token){.token = slice_dup(slice_trim(buf_slice(&fields[0]))),
                              .user = slice_dup(slice_trim(buf_slice(&fields[1]))),
                              .uid = slice_dup(slice_trim(buf_slice(&fields[2])))};
    while (rest.len && slice_split(&rest, ',', &group)) {
        group = slice_trim(group);
        if (!group.len)
            continue;
        t->groups = mem_grow(t->groups, &cap, t->group_count + 1, sizeof(*t->groups));
        t->groups[t->group_count++] = slice_dup(group);
    }
}

int authn_tokens_parse(struct slice csv, struct authn_tokens **ret_tokens, struct error *err)
{
    struct authn_tokens *tokens = mem_zalloc(sizeof(*tokens));
    struct slice line;
    unsigned number = 0;
    int r = 0;

    while (r == 0 && csv.len && slice_split(&csv, '\n', &line)) {
        struct buf fields[AUTHN_FIELDS_MAX] = {{0}};
        size_t count = 0;

        number++;
        line = slice_trim(line);
        if (line.len && line.data[0] != '#') {
            if (!authn_csv_line(line, fields, &count) || count < 3 || !fields[0].len || !fields[1].len)
                r = error_set(err, ERROR_BAD_REQUEST, "line %u is not token,user,uid,\"group,...\"", number);
            else
                authn_tokens_add(tokens, fields, count);
        }
        for (size_t i = 0; i < AUTHN_FIELDS_MAX; i++)
            buf_free(&fields[i]);
    }
    if (r < 0)
        authn_tokens_free(tokens);
    else
        *ret_tokens = tokens;
    return r;
}

int authn_tokens_load(const char *path, struct authn_tokens **ret_tokens, struct error *err)
{
    FILE *f = fopen(path, "re");
    BUF_LOCAL(text);
    size_t n = 1;

    if (!f)
        return error_set_errno(err, errno, "opening the token file %s", path);
    while (n && text.len <= AUTHN_TOKENS_FILE_MAX) {
        n = fread(buf_reserve(&text, 4096), 1, 4096, f);
        text.len += n;
    }
    (void)fclose(f);
    if (text.len > AUTHN_TOKENS_FILE_MAX)
        return error_set(err, ERROR_TOO_LARGE, "the token file %s is too large", path);
    if (authn_tokens_parse(buf_slice(&text), ret_tokens, err) < 0)
        return error_wrap(err, "reading the token file %s", path);
    return 0;
}

const struct authn_token *authn_tokens_find(const struct authn_tokens *tokens, struct slice token)
{
    const struct authn_token *found = NULL;

    for (size_t i = 0; tokens && i < tokens->count; i++)
        if (slice_equal_constant_time(slice_str(tokens->list[i].token), token))
            found = &tokens->list[i];
    return found;
}

/* Upstream's secrets have 16 characters (83 bits); `knarr token create` makes longer ones. */
static bool authn_bootstrap_split(struct slice token, struct slice *ret_id, struct slice *ret_secret)
{
    if (token.len < 6 + 1 + 16 || token.len > 6 + 1 + 64 || token.data[6] != '.')
        return false;
    for (size_t i = 0; i < token.len; i++) {
        char c = token.data[i];

        if (i != 6 && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
            return false;
    }
    *ret_id = slice_make(token.data, 6);
    *ret_secret = slice_from(token, 7);
    return true;
}

/* Decodes data.NAME of a Secret; empty when absent or not base64. */
static void authn_secret_data(struct slice secret, const char *path, struct buf *out)
{
    BUF_LOCAL(scratch);
    struct slice text = scan_text(scan_get(secret, path), &scratch);

    buf_reset(out);
    if (!base64_decode(out, text))
        buf_reset(out);
}

static void authn_bootstrap_groups(struct pool *pool, struct slice extra, struct authn_bootstrap *b)
{
    struct slice group;

    b->groups[b->group_count++] = "system:bootstrappers";
    while (extra.len && b->group_count < AUTHN_BOOTSTRAP_GROUPS_MAX && slice_split(&extra, ',', &group)) {
        group = slice_trim(group);
        if (slice_starts(group, SLICE_LIT("system:bootstrappers:")))
            b->groups[b->group_count++] = pool_slice_dup(pool, group);
    }
}

/* NULL when the Secret's document vouches for id and secret, else why not. */
static const char *authn_bootstrap_refusal(struct slice doc, struct slice id, struct slice secret, struct clock *clock)
{
    int64_t expires;
    BUF_LOCAL(data);

    if (!scan_text_is(scan_get(doc, "type"), "bootstrap.kubernetes.io/token") ||
        scan_get(doc, "metadata.deletionTimestamp").data)
        return "its Secret is no bootstrap token";
    authn_secret_data(doc, "data.token-id", &data);
    if (!slice_equal(buf_slice(&data), id))
        return "its Secret names another id";
    authn_secret_data(doc, "data.token-secret", &data);
    if (!slice_equal_constant_time(buf_slice(&data), secret))
        return "wrong secret";
    authn_secret_data(doc, "data.usage-bootstrap-authentication", &data);
    if (!slice_is(buf_slice(&data), "true"))
        return "not for authentication";
    authn_secret_data(doc, "data.expiration", &data);
    if (data.len && (!time_parse(buf_slice(&data), &expires) || expires <= clock_wall_ns(clock)))
        return "expired";
    return NULL;
}

bool authn_bootstrap_find(struct apiserver *server, struct pool *pool, struct slice token,
                          struct authn_bootstrap *ret_bootstrap)
{
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    struct authn_bootstrap b = {.group_count = 0};
    const char *refusal;
    struct slice id;
    struct slice secret;
    BUF_LOCAL(data);

    if (!authn_bootstrap_split(token, &id, &secret))
        return false;
    if (registry_get(server->store, registry_need_kind("", "secrets"), "kube-system",
                     pool_printf(pool, "bootstrap-token-%.*s", SLICE_ARGS(id)), &item, NULL) < 0)
        refusal = "there is none of that id";
    else
        refusal = authn_bootstrap_refusal(buf_slice(&item.value), id, secret, server->clock);
    if (refusal) {
        /* The id is no secret; the client only hears 401. */
        log_warning("apiserver", "bootstrap token %.*s refused: %s", SLICE_ARGS(id), refusal);
        return false;
    }
    authn_secret_data(buf_slice(&item.value), "data.auth-extra-groups", &data);
    authn_bootstrap_groups(pool, buf_slice(&data), &b);
    b.user = pool_printf(pool, AUTHN_BOOTSTRAP_USER "%.*s", SLICE_ARGS(id));
    *ret_bootstrap = b;
    return true;
}
