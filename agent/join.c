/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a machine becomes a node. A join token is one line:
 *
 *     <SHA-256 of the cluster CA's public key (SubjectPublicKeyInfo), 64 hex digits>.<id, 6>.<secret, 16 to 64>
 *
 * id and secret are lower-case letters and digits; "id.secret" is upstream's bootstrap token. The order matters:
 *
 *     CA        GET /.well-known/knarr/ca.crt without any credential, whoever answers; only the first certificate
 * counts; its key's hash must be the token's, else nothing more is sent to that server REQUEST   with that CA pinned
 * and the bootstrap token: a CSR for system:node:NAME in system:nodes JOINED    certificate, key, CA and server address
 * on disk (0600); the token is not needed again
 *
 * The certificate and its key are one file, so that one never lies there without the other. Renewal (renew.c) changes
 * them under the running client.
 */
#include "agent/join.h"

#include <ctype.h>

#include "agent/csr.h"
#include "agent/fs.h"
#include "agent/renew.h"
#include "lib/encoding.h"
#include "lib/http_client.h"
#include "lib/log.h"

#define CA_PATH  "/.well-known/knarr/ca.crt"
#define CA_MAX   65536
#define RETRY_MS 2000

#define CLIENT_SIGNER "kubernetes.io/kube-apiserver-client-kubelet"

struct join {
    struct agent *agent;
    char *dir; /* home/agent/pki */
    char *server;
    char *ca;
    struct pki_pair client;
    struct join_token token;
    struct pki_pair pending;  /* the request (in the place of a certificate) and its key */
    char *pending_path;       /* where they are kept until the machine has joined; NULL = it has */
    struct http_client *http; /* to read the CA */
    struct http_call *call;
    int status;
    struct buf body;
    struct client *bootstrap;
    struct csr *csr; /* of the first client certificate */
    struct loop_timer *timer;
    struct renew *client_renew;
    struct renew *serving_renew;
    bool saving;  /* a save is under way */
    bool unsaved; /* and the identity has changed since it began */
    bool done;    /* joined or failed was called, or nobody shall be told any more */
    void (*joined)(void *arg, const struct join_identity *identity);
    void (*failed)(void *arg, const struct error *err);
    void (*on_serving)(void *arg, struct slice certificate, struct slice key, struct slice ca);
    void *arg;
};

/* ---- token ---- */

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

int join_token_parse(const char *text, struct join_token *ret_token, struct error *err)
{
    struct slice rest = slice_trim(slice_str(text));
    struct slice hash = SLICE_NONE;
    struct slice id = SLICE_NONE;
    bool good = slice_split(&rest, '.', &hash) && slice_split(&rest, '.', &id);

    good = good && hash.len == 64 && id.len == 6 && rest.len >= JOIN_SECRET_MIN && rest.len <= JOIN_SECRET_MAX;
    for (size_t i = 0; good && i < hash.len; i++)
        good = isxdigit((unsigned char)hash.data[i]) != 0;
    for (size_t i = 0; good && i < id.len; i++)
        good = is_token_char(id.data[i]);
    for (size_t i = 0; good && i < rest.len; i++)
        good = is_token_char(rest.data[i]);
    if (!good)
        return error_set(err, ERROR_INVALID,
                         "the join token is not of the form HASH.ID.SECRET that `knarr token create` prints");
    for (size_t i = 0; i < hash.len; i++)
        ret_token->ca_hash[i] = (char)tolower((unsigned char)hash.data[i]);
    ret_token->ca_hash[hash.len] = '\0';
    ret_token->bearer = mem_printf("%.*s.%.*s", SLICE_ARGS(id), SLICE_ARGS(rest));
    return 0;
}

void join_token_clear(struct join_token *t)
{
    free(t->bearer);
    *t = (struct join_token){0};
}

/* ---- files ---- */

static int file_read(const struct join *j, const char *name, char **ret_text, struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", j->dir, name);
    BUF_LOCAL(text);

    if (fs_read(path, CA_MAX, &text, err) < 0)
        return -1;
    *ret_text = buf_steal_str(&text);
    return 0;
}

/* The identity of an earlier join, when it is whole and still holds. */
static int identity_read(struct join *j, struct error *err)
{
    struct pki_info info CLEANUP(pki_info_clear) = {0};
    char *name CLEANUP_FREE = mem_printf("system:node:%s", j->agent->config.node_name);
    char *server = NULL;

    if (file_read(j, "ca.crt", &j->ca, err) < 0 || file_read(j, "client.pem", &j->client.certificate, err) < 0 ||
        file_read(j, "server", &server, err) < 0)
        return -1;
    j->client.key = mem_strdup(j->client.certificate); /* readers take what they look for */
    if (j->server)
        free(server);
    else
        j->server = server;
    if (pki_read_certificate(slice_str(j->client.certificate), &info, err) < 0)
        return -1;
    if (!info.common_name || strcmp(info.common_name, name) != 0)
        return error_set(err, ERROR_INVALID, "the stored certificate is for %s",
                         info.common_name ? info.common_name : "nobody");
    if (info.not_after_ns <= clock_wall_ns(j->agent->clock))
        return error_set(err, ERROR_INVALID, "the stored certificate has expired");
    return 0;
}

/* ---- the request of this join ---- */

static struct pki_subject join_subject(const char *name)
{
    static const char *const organizations[] = {"system:nodes"};

    return (struct pki_subject){.common_name = name, .organizations = organizations, .organization_count = 1};
}

/* The request and the key behind it, when an earlier start left them for this node. */
static bool pending_read(struct join *j, const char *name)
{
    static const char end[] = "-----END CERTIFICATE REQUEST-----\n";
    struct pki_info info CLEANUP(pki_info_clear) = {0};
    const char *key;
    BUF_LOCAL(text);

    if (fs_read(j->pending_path, CA_MAX, &text, NULL) < 0 || !(key = strstr(buf_cstr(&text), end)) ||
        pki_read_request(buf_slice(&text), &info, NULL) < 0 || !info.common_name || strcmp(info.common_name, name) != 0)
        return false;
    key += sizeof(end) - 1;
    j->pending.certificate = mem_strndup(text.data, (size_t)(key - text.data));
    j->pending.key = mem_strdup(key);
    explicit_bzero(text.data, text.len);
    return true;
}

/* What this machine asks with stays on disk until it has joined: one that starts again in between asks for the same
 * certificate, which is not another use of its token. Another token is another request. Blocks. */
static int pending_make(struct join *j, struct error *err)
{
    char *name CLEANUP_FREE = mem_printf("system:node:%s", j->agent->config.node_name);
    const struct pki_subject subject = join_subject(name);
    char *text;
    int r;

    j->pending_path = mem_printf("%s/pending-%.*s.pem", j->dir, (int)strcspn(j->token.bearer, "."), j->token.bearer);
    if (pending_read(j, name))
        return 0;
    if (pki_make_request(&subject, &j->pending.certificate, &j->pending.key, err) < 0)
        return error_wrap(err, "making a certificate signing request");
    text = mem_printf("%s%s", j->pending.certificate, j->pending.key);
    r = fs_write(j->pending_path, slice_str(text), 0600, err);
    pki_key_free(text);
    return r;
}

/* ---- joining ---- */

static void join_failed(struct join *j, const struct error *err)
{
    j->done = true;
    j->failed(j->arg, err);
}

static void join_finished(struct join *j)
{
    const struct join_identity identity = {.ca = slice_str(j->ca),
                                           .certificate = slice_str(j->client.certificate),
                                           .key = slice_str(j->client.key),
                                           .server = j->server};

    j->done = true;
    j->joined(j->arg, &identity);
}

/* Files are written on the pool, because they are synced, from copies, because the next renewal may come meanwhile. */
struct save {
    struct join *join;
    char *dir;
    char *ca;
    char *server;
    char *client;  /* certificate and key */
    char *pending; /* the request is not needed any more; NULL = there was none */
    struct error err;
};

static int save_file(const struct save *s, const char *name, const char *text, struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", s->dir, name);

    return fs_write(path, slice_str(text), 0600, err);
}

static void save_work(void *arg)
{
    struct save *s = arg;

    if (save_file(s, "ca.crt", s->ca, &s->err) == 0 && save_file(s, "server", s->server, &s->err) == 0 &&
        save_file(s, "client.pem", s->client, &s->err) == 0 && s->pending)
        (void)unlink(s->pending);
}

static void save_free(struct save *s)
{
    if (s->client)
        explicit_bzero(s->client, strlen(s->client));
    free(s->dir);
    free(s->ca);
    free(s->server);
    free(s->client);
    free(s->pending);
    error_clear(&s->err);
    free(s);
}

static void save_start(struct join *j);

static void save_done(void *arg)
{
    struct save *s = arg;
    struct join *j = s->join;
    bool failed = error_is_set(&s->err);

    j->saving = false;
    if (j->done && failed) {
        log_error("agent", "the renewed certificate cannot be stored: %s; it is used all the same",
                  error_text(&s->err));
    } else if (failed) {
        join_failed(j, &s->err);
    } else if (!j->done) {
        log_info("agent", "joined %s as node %s", j->server, j->agent->config.node_name);
        join_finished(j);
    }
    save_free(s);
    if (j->unsaved)
        save_start(j);
}

static void save_start(struct join *j)
{
    struct save *s;

    j->unsaved = j->saving;
    if (j->saving)
        return;
    s = mem_zalloc(sizeof(*s));
    *s = (struct save){.join = j,
                       .dir = mem_strdup(j->dir),
                       .ca = mem_strdup(j->ca),
                       .server = mem_strdup(j->server),
                       .client = mem_printf("%s%s", j->client.certificate, j->client.key)};
    s->pending = STEAL(j->pending_path);
    j->saving = true;
    agent_work(j->agent, save_work, save_done, s);
}

static void take_pair(struct pki_pair *to, struct pki_pair *from)
{
    pki_pair_clear(to);
    *to = *from;
    *from = (struct pki_pair){0};
}

static void csr_signed(void *arg, struct pki_pair *pair, const struct error *err)
{
    struct join *j = arg;
    ERROR_LOCAL(why);

    j->csr = NULL;
    if (!err) {
        take_pair(&j->client, pair);
        save_start(j);
        return;
    }
    error_copy(&why, err);
    if (err->code == ERROR_UNAUTHORIZED)
        (void)error_wrap(&why,
                         "%s refused the join token: it is wrong, was deleted or has expired (make a new one with "
                         "`knarr token create`)",
                         j->server);
    else if (err->code == ERROR_FORBIDDEN)
        (void)error_wrap(&why, "%s refused the join (another token: `knarr token create`)", j->server);
    else
        (void)error_wrap(&why, "joining %s", j->server);
    join_failed(j, &why);
}

static void join_request(struct join *j)
{
    const struct csr_options options = {
        .signer = CLIENT_SIGNER, .usage = "client auth", .request = j->pending.certificate, .key = j->pending.key};
    const struct client_https_options https = {.server = j->server, .ca = slice_str(j->ca), .token = j->token.bearer};
    ERROR_LOCAL(err);

    j->bootstrap = client_new(j->agent->loop, client_transport_https(j->agent->loop, &https));
    if (csr_start(j->bootstrap, &options, csr_signed, j, &j->csr, &err) < 0)
        join_failed(j, &err);
}

/* The first certificate of what the server sent; nothing after it is ever trusted. */
static char *first_certificate(struct slice pem)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    static const char end[] = "-----END CERTIFICATE-----";
    const char *from = memmem(pem.data, pem.len, begin, sizeof(begin) - 1);
    const char *to;

    if (!from)
        return NULL;
    to = memmem(from, pem.len - (size_t)(from - pem.data), end, sizeof(end) - 1);
    return to ? mem_printf("%.*s\n", (int)(to - from + (ptrdiff_t)sizeof(end) - 1), from) : NULL;
}

static void ca_check(struct join *j)
{
    char *pem = first_certificate(buf_slice(&j->body));
    char hash[65] = "";
    ERROR_LOCAL(err);

    if (!pem || pki_public_key_hash(slice_str(pem), hash, &err) < 0) {
        (void)error_set(&err, ERROR_INVALID, "%s does not answer with a cluster CA: it is no Knarr server", j->server);
    } else if (!slice_equal_constant_time(slice_str(hash), slice_str(j->token.ca_hash))) {
        (void)error_set(
            &err, ERROR_UNAUTHORIZED,
            "the CA of %s has hash %s, the join token says %s: this is another cluster or somebody in between. "
            "Nothing was sent to it",
            j->server, hash, j->token.ca_hash);
    } else {
        free(j->ca);
        j->ca = pem;
        join_request(j);
        return;
    }
    free(pem);
    join_failed(j, &err);
}

static void ca_head(void *arg, int status, const struct http_header *headers, size_t header_count)
{
    struct join *j = arg;

    j->status = status;
}

static void ca_data(void *arg, struct slice data)
{
    struct join *j = arg;

    if (j->body.len + data.len <= CA_MAX)
        buf_append_slice(&j->body, data);
}

static void ca_end(void *arg, const struct error *err)
{
    struct join *j = arg;

    j->call = NULL;
    if (!err && j->status == 200) {
        ca_check(j);
        return;
    }
    log_warning("agent", "reading the CA of %s: %s; trying again", j->server,
                err ? error_text(err) : "the server does not have it yet");
    loop_timer_start(j->timer, RETRY_MS, 0);
}

static void join_read_ca(void *arg)
{
    static const struct http_call_events events = {ca_head, ca_data, ca_end};
    struct join *j = arg;
    char *url CLEANUP_FREE = mem_printf("%s" CA_PATH, j->server);
    const struct http_call_options options = {.method = "GET", .url = url, .timeout_ms = 10000};

    /* Whoever answers: what it says is checked before anything else is done with it. No credential is sent. */
    if (!j->http)
        j->http = http_client_new(j->agent->loop, &(struct http_client_options){.insecure_skip_verify = true});
    buf_reset(&j->body);
    j->status = 0;
    j->call = http_client_call(j->http, &options, &events, j);
}

static void join_ready(void *arg)
{
    join_finished(arg);
}

int join_start(struct agent *agent, const struct join_options *options,
               void (*joined)(void *arg, const struct join_identity *identity),
               void (*failed)(void *arg, const struct error *err), void *arg, struct join **ret_join, struct error *err)
{
    struct join *j = mem_zalloc(sizeof(*j));
    ERROR_LOCAL(why);
    int r = 0;
    bool known;

    j->agent = agent;
    j->dir = mem_printf("%s/pki", agent->config.home);
    j->server = options->server ? mem_strdup(options->server) : NULL;
    j->joined = joined;
    j->failed = failed;
    j->arg = arg;
    r = fs_make_dirs(j->dir, 0700, err);
    known = !r && identity_read(j, &why) == 0;
    if (!r && !known && !options->token)
        r = error_set(err, ERROR_INVALID, "this machine has not joined yet (%s): give --server and --token",
                      error_text(&why));
    if (!r && !known && !j->server)
        r = error_set(err, ERROR_INVALID, "--server is missing");
    /* Without TLS the CA, which is no secret, could be passed on by anybody who then reads the token. */
    if (!r && j->server && !slice_starts(slice_str(j->server), SLICE_LIT("https://")))
        r = error_set(err, ERROR_INVALID, "--server %s: the address must begin with https://", j->server);
    if (!r && !known)
        r = join_token_parse(options->token, &j->token, err);
    if (!r && !known)
        r = pending_make(j, err);
    if (r < 0) {
        join_free(j);
        return r;
    }
    j->timer = loop_timer_new(agent->loop, known ? join_ready : join_read_ca, j);
    loop_timer_start(j->timer, 0, 0);
    *ret_join = j;
    return 0;
}

/* ---- keeping ---- */

static void client_renewed(void *arg, struct pki_pair *pair)
{
    struct join *j = arg;

    take_pair(&j->client, pair);
    client_transport_https_set_certificate(j->agent->transport, slice_str(j->client.certificate),
                                           slice_str(j->client.key));
    save_start(j);
}

static void serving_renewed(void *arg, struct pki_pair *pair)
{
    struct join *j = arg;

    j->on_serving(j->arg, slice_str(pair->certificate), slice_str(pair->key), slice_str(j->ca));
}

void join_keep(struct join *join,
               void (*serving)(void *arg, struct slice certificate, struct slice key, struct slice ca))
{
    const struct agent_config *config = &join->agent->config;

    join->on_serving = serving;
    client_free(join->bootstrap);
    join->bootstrap = NULL;
    join->client_renew = renew_start(join->agent, &(struct renew_options){.what = "client certificate",
                                                                          .signer = CLIENT_SIGNER,
                                                                          .usage = "client auth",
                                                                          .current = join->client.certificate,
                                                                          .ca = join->ca,
                                                                          .taken = client_renewed,
                                                                          .arg = join});
    join->serving_renew = renew_start(join->agent, &(struct renew_options){.what = "certificate of the node server",
                                                                           .signer = "kubernetes.io/kubelet-serving",
                                                                           .usage = "server auth",
                                                                           .dns_name = config->node_name,
                                                                           .ip_address = config->node_ip,
                                                                           .ca = join->ca,
                                                                           .taken = serving_renewed,
                                                                           .arg = join});
}

void join_stop(struct join *join)
{
    if (!join)
        return;
    join->done = true;
    loop_timer_free(STEAL(join->timer));
    if (join->call)
        http_call_cancel(STEAL(join->call));
    csr_cancel(STEAL(join->csr));
    renew_free(STEAL(join->client_renew));
    renew_free(STEAL(join->serving_renew));
}

void join_free(struct join *join)
{
    if (!join)
        return;
    join_stop(join);
    http_client_free(join->http);
    client_free(join->bootstrap);
    pki_pair_clear(&join->client);
    pki_pair_clear(&join->pending);
    free(join->pending_path);
    join_token_clear(&join->token);
    buf_free(&join->body);
    free(join->server);
    free(join->ca);
    free(join->dir);
    free(join);
}
