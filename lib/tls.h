/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL helpers that the HTTP server and pki share. Private to lib/. */
#ifndef KNARR_LIB_TLS_H
#define KNARR_LIB_TLS_H

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "lib/bytes.h"
#include "lib/error.h"

/* All certificates of a PEM text, in order; an error when there is none. Free with tls_certificates_free. */
STACK_OF(X509) * tls_read_certificates(struct slice pem, struct error *err);
void tls_certificates_free(STACK_OF(X509) * certificates);
EVP_PKEY *tls_read_key(struct slice pem, struct error *err);
/* A PKCS#10 request whose own signature holds. */
X509_REQ *tls_read_request(struct slice pem, struct error *err);
/* Sets err to "what: the oldest OpenSSL error" and empties OpenSSL's queue. */
int tls_error(struct error *err, enum error_code code, const char *what);

struct tls_server_options {
    struct slice certificate; /* leaf first, then the chain */
    struct slice key;
    struct slice client_ca; /* empty = ask for no certificate */
    bool client_certificate_required;
};

/* A server's SSL_CTX: TLS 1.2 and later with AEAD ciphers, no session resumption, no renegotiation. Unless it is
 * required, a client certificate that does not verify lets the handshake through; tls_peer_verified tells. */
SSL_CTX *tls_server_context(const struct tls_server_options *options, struct error *err);
bool tls_peer_verified(const SSL *ssl);

#endif
