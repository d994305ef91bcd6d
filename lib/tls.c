/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS settings in one place. Resumption is off altogether: a resumed session keeps the verdict on a client certificate
 * without looking again. A client certificate that fails is no handshake error (upstream answers 401, and clients read
 * that), so the verdict is kept on the connection and asked for by whoever authenticates.
 */
#include "lib/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

int tls_error(struct error *err, enum error_code code, const char *what)
{
    unsigned long number = ERR_peek_error();
    const char *reason = number ? ERR_reason_error_string(number) : NULL;

    ERR_clear_error();
    return error_set(err, code, "%s: %s", what, reason ? reason : "refused by OpenSSL");
}

void tls_certificates_free(STACK_OF(X509) * certificates)
{
    sk_X509_pop_free(certificates, X509_free);
}

STACK_OF(X509) * tls_read_certificates(struct slice pem, struct error *err)
{
    BIO *bio = pem.len && pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
    STACK_OF(X509) *all = sk_X509_new_null();
    X509 *certificate;

    while (bio && all && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        if (!sk_X509_push(all, certificate))
            mem_die(0);
    BIO_free(bio);
    if (sk_X509_num(all) > 0) {
        ERR_clear_error(); /* "no start line" ends the text */
        return all;
    }
    tls_certificates_free(all);
    (void)tls_error(err, ERROR_BAD_REQUEST, "reading certificate");
    return NULL;
}

EVP_PKEY *tls_read_key(struct slice pem, struct error *err)
{
    BIO *bio = pem.len && pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    if (!key)
        (void)tls_error(err, ERROR_BAD_REQUEST, "reading private key");
    return key;
}

X509_REQ *tls_read_request(struct slice pem, struct error *err)
{
    BIO *bio = pem.len && pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
    X509_REQ *request = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = request ? X509_REQ_get0_pubkey(request) : NULL;

    BIO_free(bio);
    if (key && X509_REQ_verify(request, key) == 1)
        return request;
    (void)tls_error(err, ERROR_BAD_REQUEST, request ? "signature of the certificate request" : "certificate request");
    X509_REQ_free(request);
    return NULL;
}

/* Goes on whatever the verdict, and marks the connection when it is bad: with several certificates in a chain the
 * verify result alone could be that of a later, good one. */
static int tls_on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    static char bad;

    if (!ok)
        SSL_set_app_data(ssl, &bad);
    return 1;
}

bool tls_peer_verified(const SSL *ssl)
{
    return SSL_get0_peer_certificate(ssl) && SSL_get_verify_result(ssl) == X509_V_OK && !SSL_get_app_data(ssl);
}

static int tls_use_certificate(SSL_CTX *ctx, const struct tls_server_options *options, struct error *err)
{
    STACK_OF(X509) *chain = tls_read_certificates(options->certificate, err);
    EVP_PKEY *key = chain ? tls_read_key(options->key, err) : NULL;
    int ok = chain && key && SSL_CTX_use_certificate(ctx, sk_X509_value(chain, 0)) == 1;

    for (int i = 1; ok && i < sk_X509_num(chain); i++)
        ok = SSL_CTX_add1_chain_cert(ctx, sk_X509_value(chain, i)) == 1;
    ok = ok && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    if (chain && key && !ok)
        (void)tls_error(err, ERROR_BAD_REQUEST, "certificate and key");
    tls_certificates_free(chain);
    EVP_PKEY_free(key);
    return ok ? 0 : -1;
}

static int tls_use_client_ca(SSL_CTX *ctx, const struct tls_server_options *options, struct error *err)
{
    STACK_OF(X509) * authorities;

    if (!options->client_ca.len)
        return 0;
    authorities = tls_read_certificates(options->client_ca, err);
    if (!authorities)
        return error_wrap(err, "client CA");
    for (int i = 0; i < sk_X509_num(authorities); i++) {
        X509 *authority = sk_X509_value(authorities, i);

        (void)X509_check_purpose(authority, -1, 0); /* parses the extensions now, not in the first of many threads */
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), authority) != 1 ||
            SSL_CTX_add_client_CA(ctx, authority) != 1)
            mem_die(0);
    }
    tls_certificates_free(authorities);
    if (options->client_certificate_required)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    else
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, tls_on_verify);
    return 0;
}

SSL_CTX *tls_server_context(const struct tls_server_options *options, struct error *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx)
        mem_die(0);
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    (void)SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(ctx, 0);
    /* Without it libh2o tries to send close_notify on a connection that was reset, never hears back from libuv, and
     * keeps descriptor and memory for ever. */
    SSL_CTX_set_quiet_shutdown(ctx, 1);
    if (!tls_use_certificate(ctx, options, err) && !tls_use_client_ca(ctx, options, err))
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}
