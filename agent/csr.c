/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     CREATE -> WAIT (GET soon, then every half second, then every five) -> done
 *
 * The object's name comes from the key, so that trying again after a lost answer finds the request that was made.
 * Waiting asks again and again instead of watching, because a joining machine may read its one request and nothing
 * more.
 */
#include "agent/csr.h"

#include "api/value.h"
#include "lib/encoding.h"

#define ASK_FIRST_MS   20 /* the signer is a controller beside the server; doubled up to ASK_FAST_MS */
#define ASK_FAST_MS    500
#define ASK_SLOW_MS    5000
#define ASK_FAST_TIMES 60

struct csr {
    struct client *client;
    struct loop_timer *timer;
    struct client_call *call;
    struct pki_pair pair;
    char *request;
    char *signer;
    char *usage;
    char *name;
    bool created;
    unsigned asked;
    void (*done)(void *arg, struct pki_pair *pair, const struct error *err);
    void *arg;
};

static const struct schema_kind *csr_kind(void)
{
    return schema_find_resource(SLICE_LIT("certificates.k8s.io"), SLICE_LIT("v1"),
                                SLICE_LIT("certificatesigningrequests"));
}

static void csr_free(struct csr *c)
{
    if (c->call)
        client_call_cancel(c->call);
    loop_timer_free(c->timer);
    pki_pair_clear(&c->pair);
    free(c->request);
    free(c->signer);
    free(c->usage);
    free(c->name);
    free(c);
}

static void csr_end(struct csr *c, const struct error *err)
{
    c->done(c->arg, err ? NULL : &c->pair, err);
    csr_free(c);
}

static void csr_later(struct csr *c)
{
    uint64_t ms = c->asked < 5 ? (uint64_t)ASK_FIRST_MS << c->asked : ASK_FAST_MS;

    loop_timer_start(c->timer, ++c->asked < ASK_FAST_TIMES ? ms : ASK_SLOW_MS, 0);
}

/* Would the same request be refused again? */
static bool is_final(const struct error *err)
{
    return err->code == ERROR_UNAUTHORIZED || err->code == ERROR_FORBIDDEN || err->code == ERROR_INVALID ||
           err->code == ERROR_BAD_REQUEST;
}

/* A Denied or Failed condition, as an error. */
static bool csr_refused(const struct value *object, struct error *err)
{
    const struct value *conditions = value_path(object, "status", "conditions", NULL);

    for (size_t i = 0; i < value_count(conditions); i++) {
        const struct value *c = value_at(conditions, i);
        struct slice type = value_string(value_get(c, "type"));

        if (!slice_is(type, "Denied") && !slice_is(type, "Failed"))
            continue;
        (void)error_set(err, ERROR_FORBIDDEN, "the certificate signing request was %s: %.*s",
                        slice_is(type, "Denied") ? "denied" : "not signed",
                        SLICE_ARGS(value_string(value_get(c, "message"))));
        return true;
    }
    return false;
}

static void csr_got(void *arg, int status, struct slice body, const struct error *err)
{
    struct csr *c = arg;
    struct value *object CLEANUP_VALUE = err ? NULL : value_parse(body, NULL);
    struct slice certificate = value_string(value_path(object, "status", "certificate", NULL));
    ERROR_LOCAL(refusal);
    BUF_LOCAL(pem);

    c->call = NULL;
    if (err && err->code == ERROR_NOT_FOUND)
        c->created = false;
    if (err && is_final(err)) {
        csr_end(c, err);
    } else if (csr_refused(object, &refusal)) {
        csr_end(c, &refusal);
    } else if (certificate.len && base64_decode(&pem, certificate) && pem.len) {
        free(c->pair.certificate);
        c->pair.certificate = buf_steal_str(&pem);
        csr_end(c, NULL);
    } else {
        csr_later(c);
    }
}

static void csr_created(void *arg, int status, struct slice body, const struct error *err)
{
    struct csr *c = arg;

    c->call = NULL;
    if (err && is_final(err)) {
        csr_end(c, err);
        return;
    }
    c->created = !err || err->code == ERROR_ALREADY_EXISTS;
    csr_later(c);
}

static void csr_create(struct csr *c)
{
    struct value *v CLEANUP_VALUE = value_new_object();
    struct value *spec;
    struct value *usages;
    BUF_LOCAL(request);
    BUF_LOCAL(body);

    base64_encode(&request, slice_str(c->request));
    value_set_str(v, "apiVersion", "certificates.k8s.io/v1");
    value_set_str(v, "kind", "CertificateSigningRequest");
    value_set_str(value_need_object(v, "metadata"), "name", c->name);
    spec = value_need_object(v, "spec");
    value_set_str(spec, "request", buf_cstr(&request));
    value_set_str(spec, "signerName", c->signer);
    usages = value_need_array(spec, "usages");
    value_append(usages, value_new_str("digital signature"));
    value_append(usages, value_new_str(c->usage));
    value_write(v, &body);
    c->call = client_create(c->client, csr_kind(), NULL, NULL, NULL, buf_slice(&body), csr_created, c);
}

static void csr_tick(void *arg)
{
    struct csr *c = arg;

    if (c->created)
        c->call = client_get(c->client, csr_kind(), NULL, c->name, csr_got, c);
    else
        csr_create(c);
}

int csr_start(struct client *client, const struct csr_options *options,
              void (*done)(void *arg, struct pki_pair *pair, const struct error *err), void *arg, struct csr **ret_csr,
              struct error *err)
{
    struct csr *c = mem_zalloc(sizeof(*c));
    char hash[SHA256_SIZE * 2 + 1];

    if (options->request) {
        c->request = mem_strdup(options->request);
        c->pair.key = mem_strdup(options->key);
    } else if (pki_make_request(&options->subject, &c->request, &c->pair.key, err) < 0) {
        free(c);
        return error_wrap(err, "making a certificate signing request");
    }
    sha256_hex(slice_str(c->request), hash);
    c->client = client;
    c->name = mem_printf("node-csr-%.40s", hash);
    c->signer = mem_strdup(options->signer);
    c->usage = mem_strdup(options->usage);
    c->done = done;
    c->arg = arg;
    c->timer = loop_timer_new(client_loop(client), csr_tick, c);
    loop_timer_start(c->timer, 0, 0);
    *ret_csr = c;
    return 0;
}

void csr_cancel(struct csr *csr)
{
    if (csr)
        csr_free(csr);
}
