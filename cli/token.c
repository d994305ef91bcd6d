/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `knarr token create`: a bootstrap token that a node joins with. What is printed is
 *
 *     <SHA-256 of the cluster CA's public key, 64 hex digits>.<id, 6>.<secret, 26>
 *
 * The hash lets the node recognise the server before it sends anything; id and secret are upstream's bootstrap token
 * (Secret bootstrap-token-<id> in kube-system), with a secret of 134 bits instead of 83.
 */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/session.h"
#include "lib/encoding.h"
#include "lib/pki.h"
#include "lib/random.h"

#define ID_SIZE     6
#define SECRET_SIZE 26
#define TTL_DEFAULT (24 * 3600)

static void draw(char *out, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

    for (size_t i = 0; i < len; i++)
        out[i] = letters[random_below(sizeof(letters) - 1)];
    out[len] = '\0';
}

static void add_data(struct buf *body, const char *name, const char *value)
{
    buf_printf(body, ",\"%s\":\"", name);
    base64_encode(body, slice_str(value));
    buf_append_byte(body, '"');
}

static int create_secret(struct session *s, const char *id, const char *secret, long ttl, struct error *err)
{
    const struct schema_kind *kind = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("Secret"));
    char *path CLEANUP_FREE = client_path(kind, "kube-system", NULL, NULL);
    struct client_request request = {.method = "POST", .path = path};
    char expiration[TIME_TEXT_MAX];
    BUF_LOCAL(body);

    time_format_seconds(clock_wall_ns(clock_system()) + ttl * NS_PER_S, expiration);
    buf_printf(
        &body,
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"bootstrap-token-%s\","
        "\"namespace\":\"kube-system\"},\"type\":\"bootstrap.kubernetes.io/token\",\"data\":{\"description\":\"\"",
        id);
    add_data(&body, "token-id", id);
    add_data(&body, "token-secret", secret);
    add_data(&body, "expiration", expiration);
    add_data(&body, "usage-bootstrap-authentication", "true");
    add_data(&body, "auth-extra-groups", "system:bootstrappers:knarr");
    buf_append_str(&body, "}}");
    request.body = buf_slice(&body);
    return session_call(s, &request, NULL, err);
}

int cli_token(int argc, char **argv)
{
    const char *kubeconfig = NULL;
    long ttl = TTL_DEFAULT;
    const struct flag flags[] = {
        SESSION_FLAGS(kubeconfig),
        {"ttl", 0, FLAG_NUMBER, &ttl},
        {NULL, 0, FLAG_BOOL, NULL},
    };
    char id[ID_SIZE + 1], secret[SECRET_SIZE + 1], hash[65];
    struct arguments arguments;
    struct session session;
    ERROR_LOCAL(err);
    int code = 0;

    if (!flags_parse(flags, argc, argv, &arguments))
        return 2;
    if (arguments.count != 1 || strcmp(arguments.items[0], "create") != 0) {
        (void)fprintf(stderr, "knarr token: the one thing to do is 'knarr token create'\n");
        return 2;
    }
    if (session_open(&session, kubeconfig, &err) < 0)
        return session_fail(&err);
    draw(id, ID_SIZE);
    draw(secret, SECRET_SIZE);
    if (pki_public_key_hash(buf_slice(&session.config.ca), hash, &err) < 0 ||
        create_secret(&session, id, secret, ttl, &err) < 0)
        code = session_fail(&err);
    else
        (void)printf("%s.%s.%s\n", hash, id, secret);
    session_close(&session);
    return code;
}
