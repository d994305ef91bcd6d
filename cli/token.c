/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `knarr token`: bootstrap tokens, which machines join with. What `create` prints is
 *
 *     <SHA-256 of the cluster CA's public key, 64 hex digits>.<id, 6>.<secret, 26>
 *
 * The hash lets the node recognise the server before it sends anything; id and secret are upstream's bootstrap token
 * (Secret bootstrap-token-<id> in kube-system), with a secret of 134 bits instead of 83 and a count of uses. The secret
 * is shown once, by `create`.
 */
#include <stdio.h>

#include "api/value.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "cli/span.h"
#include "lib/encoding.h"
#include "lib/pki.h"
#include "lib/random.h"

#define ID_SIZE         6
#define SECRET_SIZE     26
#define TTL_DEFAULT     "1h"
#define TTL_MAX_S       (365L * 24 * 3600)
#define USES_MAX        10000
#define DESCRIPTION_MAX 256
#define SECRET_TYPE     "bootstrap.kubernetes.io/token"

struct token_command {
    struct session session;
    const char *kubeconfig;
    const char *ttl;
    const char *description;
    long uses; /* 0 = any number */
    const char *argument;
};

static const struct schema_kind *secret_kind(void)
{
    return schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("Secret"));
}

/* ---- create -------------------------------------------------------------------------------------------------------
 */

static void draw(char *out, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

    for (size_t i = 0; i < len; i++)
        out[i] = letters[random_below(sizeof(letters) - 1)];
    out[len] = '\0';
}

static void add_data(struct buf *body, const char *name, const char *value)
{
    buf_printf(body, "%s\"%s\":\"", body->data[body->len - 1] == '{' ? "" : ",", name);
    base64_encode(body, slice_str(value));
    buf_append_byte(body, '"');
}

static int create_secret(struct token_command *c, const char *id, const char *secret, int64_t ttl, struct error *err)
{
    char *path CLEANUP_FREE = client_path(secret_kind(), "kube-system", NULL, NULL);
    char *uses CLEANUP_FREE = mem_printf("%ld", c->uses);
    struct client_request request = {.method = "POST", .path = path};
    char expiration[TIME_TEXT_MAX];
    BUF_LOCAL(body);

    time_format_seconds(clock_wall_ns(clock_system()) + ttl * NS_PER_S, expiration);
    buf_printf(&body,
               "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"bootstrap-token-%s\","
               "\"namespace\":\"kube-system\"},\"type\":\"" SECRET_TYPE "\",\"data\":{",
               id);
    if (c->description)
        add_data(&body, "description", c->description);
    add_data(&body, "token-id", id);
    add_data(&body, "token-secret", secret);
    add_data(&body, "expiration", expiration);
    add_data(&body, "usage-bootstrap-authentication", "true");
    add_data(&body, "auth-extra-groups", "system:bootstrappers:knarr");
    if (c->uses)
        add_data(&body, "uses-left", uses);
    buf_append_str(&body, "}}");
    request.body = buf_slice(&body);
    return session_call(&c->session, &request, NULL, err);
}

/* False after saying what is wrong. */
static bool token_create_check(const struct token_command *c)
{
    if (!span_read(c->ttl, TTL_MAX_S))
        (void)fprintf(stderr, "knarr token: --ttl %s is not a time of at most 365d: say 90s, 15m, 24h or 7d\n", c->ttl);
    else if (c->uses < 0 || c->uses > USES_MAX)
        (void)fprintf(stderr, "knarr token: --uses is 1 to %d, or 0 for any number of machines\n", USES_MAX);
    else if (c->description && (strlen(c->description) > DESCRIPTION_MAX || !utf8_valid(slice_str(c->description))))
        (void)fprintf(stderr, "knarr token: --description is UTF-8 of at most %d bytes\n", DESCRIPTION_MAX);
    else
        return true;
    return false;
}

static int token_create(struct token_command *c, struct error *err)
{
    char id[ID_SIZE + 1], secret[SECRET_SIZE + 1], hash[65];
    draw(id, ID_SIZE);
    draw(secret, SECRET_SIZE);
    if (pki_public_key_hash(buf_slice(&c->session.config.ca), hash, err) < 0 ||
        create_secret(c, id, secret, span_read(c->ttl, TTL_MAX_S), err) < 0)
        return -(int)err->code;
    (void)printf("%s.%s.%s\n", hash, id, secret);
    return 0;
}

/* ---- list ---------------------------------------------------------------------------------------------------------
 */

/* The text of one key, as it may be printed; "" when absent. */
static const char *read_data(const struct value *secret, const char *name, struct buf *out)
{
    buf_reset(out);
    if (!base64_decode(out, value_string(value_path(secret, "data", name, NULL))) || !utf8_valid(buf_slice(out)))
        buf_reset(out);
    for (size_t i = 0; i < out->len; i++)
        if ((unsigned char)out->data[i] < 0x20 || out->data[i] == 0x7f)
            out->data[i] = ' ';
    return buf_cstr(out);
}

static void print_token(const struct value *secret)
{
    int64_t now = clock_wall_ns(clock_system());
    char expires[TIME_TEXT_MAX] = "never";
    int64_t at;
    BUF_LOCAL(id);
    BUF_LOCAL(end);
    BUF_LOCAL(uses);
    BUF_LOCAL(description);

    (void)read_data(secret, "expiration", &end);
    if (end.len && (!time_parse(buf_slice(&end), &at) || at <= now))
        (void)snprintf(expires, sizeof(expires), "expired");
    else if (end.len)
        time_format_age(at - now, expires);
    (void)read_data(secret, "uses-left", &uses);
    (void)printf("%-8s   %-8s   %-9s   %s\n", read_data(secret, "token-id", &id), expires,
                 uses.len ? buf_cstr(&uses) : "unlimited", read_data(secret, "description", &description));
}

static int token_list(struct token_command *c, struct error *err)
{
    char *path CLEANUP_FREE = client_path(secret_kind(), "kube-system", NULL, NULL);
    const struct client_request request = {
        .method = "GET", .path = path, .query = "fieldSelector=type%3Dbootstrap.kubernetes.io%2Ftoken"};
    struct value *list CLEANUP_VALUE = NULL;
    const struct value *items;
    BUF_LOCAL(body);

    if (session_call(&c->session, &request, &body, err) < 0 || !(list = value_parse(buf_slice(&body), err)))
        return -(int)err->code;
    items = value_get(list, "items");
    (void)printf("%-8s   %-8s   %-9s   %s\n", "ID", "EXPIRES", "USES LEFT", "DESCRIPTION");
    for (size_t i = 0; i < value_count(items); i++)
        print_token(value_at(items, i));
    return 0;
}

/* ---- revoke -------------------------------------------------------------------------------------------------------
 */

/* The id of "ID", "ID.SECRET" or "HASH.ID.SECRET"; NULL when it is none of them. Caller frees. */
static char *read_id(const char *text)
{
    struct slice rest = slice_str(text);
    struct slice part = SLICE_NONE;

    (void)slice_split(&rest, '.', &part);
    if (part.len == SHA256_SIZE * 2)
        (void)slice_split(&rest, '.', &part);
    for (size_t i = 0; i < part.len; i++)
        if (!(part.data[i] >= 'a' && part.data[i] <= 'z') && !(part.data[i] >= '0' && part.data[i] <= '9'))
            return NULL;
    return part.len == ID_SIZE ? slice_dup(part) : NULL;
}

static bool token_revoke_check(const struct token_command *c)
{
    char *id CLEANUP_FREE = read_id(c->argument);

    if (!id)
        (void)fprintf(stderr, "knarr token: an id is 6 small letters or digits; 'knarr token list' shows them\n");
    return id != NULL;
}

static int token_revoke(struct token_command *c, struct error *err)
{
    char *id CLEANUP_FREE = read_id(c->argument);
    char *name CLEANUP_FREE = mem_printf("bootstrap-token-%s", id);
    char *path CLEANUP_FREE = client_path(secret_kind(), "kube-system", name, NULL);
    const struct client_request request = {.method = "DELETE", .path = path};

    if (session_call(&c->session, &request, NULL, err) < 0)
        return err->code == ERROR_NOT_FOUND ? error_set(err, ERROR_NOT_FOUND, "there is no token %s", id)
                                            : -(int)err->code;
    (void)printf("token %s revoked\n", id);
    return 0;
}

/* ---- the command --------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    size_t arguments;
    bool (*check)(const struct token_command *c);
    int (*run)(struct token_command *c, struct error *err);
} token_actions[] = {{"create", 0, token_create_check, token_create},
                     {"list", 0, NULL, token_list},
                     {"revoke", 1, token_revoke_check, token_revoke}};

int cli_token(int argc, char **argv)
{
    struct token_command c = {.ttl = TTL_DEFAULT, .uses = 1};
    const struct flag flags[] = {
        SESSION_FLAGS(c.kubeconfig),       {"ttl", 0, FLAG_TEXT, &c.ttl},
        {"uses", 0, FLAG_NUMBER, &c.uses}, {"description", 0, FLAG_TEXT, &c.description},
        {NULL, 0, FLAG_BOOL, NULL},
    };
    struct arguments arguments;
    size_t action = ARRAY_SIZE(token_actions);
    ERROR_LOCAL(err);
    int code = 0;

    if (!flags_parse(flags, argc, argv, &arguments))
        return 2;
    for (size_t i = 0; arguments.count && i < ARRAY_SIZE(token_actions); i++)
        if (!strcmp(arguments.items[0], token_actions[i].name) && arguments.count == 1 + token_actions[i].arguments)
            action = i;
    if (action == ARRAY_SIZE(token_actions)) {
        (void)fprintf(stderr,
                      "knarr token: say 'create [--ttl T] [--uses N] [--description D]', 'list' or 'revoke ID'\n");
        return 2;
    }
    c.argument = arguments.count > 1 ? arguments.items[1] : NULL;
    if (token_actions[action].check && !token_actions[action].check(&c))
        return 2;
    if (session_open(&c.session, c.kubeconfig, &err) < 0)
        return session_fail(&err);
    if (token_actions[action].run(&c, &err) < 0)
        code = session_fail(&err);
    session_close(&c.session);
    return code;
}
