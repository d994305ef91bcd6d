/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates over OpenSSL 3: ECDSA P-256 keys, SHA-256 signatures, random 127-bit serials. Certificates begin five
 * minutes ago, so that a node whose clock is a little behind can join. What a request asks for is never copied: a
 * signed certificate carries the subject and names of the request and the usages that the signer chose.
 */
#include "lib/pki.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "lib/random.h"
#include "lib/tls.h"

#define BACKDATE_S 300 /* for clocks that are behind */

void pki_key_free(char *key)
{
    if (key)
        OPENSSL_cleanse(key, strlen(key));
    free(key);
}

void pki_pair_clear(struct pki_pair *pair)
{
    free(pair->certificate);
    pki_key_free(pair->key);
    *pair = (struct pki_pair){0};
}

/* Texts. */

/* Takes the BIO; `ok` = something was written to it. The text is to be freed; NULL when not ok. */
static char *bio_text(BIO *bio, int ok)
{
    char *data = NULL;
    long len = ok ? BIO_get_mem_data(bio, &data) : 0;
    char *text = len > 0 ? mem_strndup(data, (size_t)len) : NULL;

    BIO_free(bio);
    return text;
}

static char *certificate_text(X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());

    return bio_text(bio, PEM_write_bio_X509(bio, certificate));
}

static char *request_text(X509_REQ *request)
{
    BIO *bio = BIO_new(BIO_s_mem());

    return bio_text(bio, PEM_write_bio_X509_REQ(bio, request));
}

static char *key_text(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_secmem());

    return bio_text(bio, PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
}

static EVP_PKEY *key_new(struct error *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    if (!key)
        (void)tls_error(err, ERROR_INTERNAL, "making a key");
    return key;
}

int pki_make_key(char **ret_key, struct error *err)
{
    EVP_PKEY *key = key_new(err);

    if (!key)
        return -(int)ERROR_INTERNAL;
    *ret_key = key_text(key);
    EVP_PKEY_free(key);
    return *ret_key ? 0 : tls_error(err, ERROR_INTERNAL, "writing a key");
}

/* Names. */

static X509_NAME *subject_name(const struct pki_subject *subject)
{
    X509_NAME *name = X509_NAME_new();
    bool ok = name != NULL;

    for (size_t i = 0; ok && i < subject->organization_count; i++)
        ok = X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_UTF8,
                                        (const unsigned char *)subject->organizations[i], -1, -1, 0);
    if (ok && subject->common_name)
        ok = X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                        (const unsigned char *)subject->common_name, -1, -1, 0);
    if (ok)
        return name;
    X509_NAME_free(name);
    return NULL;
}

static bool names_push(GENERAL_NAMES *names, int type, ASN1_STRING *value)
{
    GENERAL_NAME *name = value ? GENERAL_NAME_new() : NULL;

    if (!name) {
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, value);
    if (sk_GENERAL_NAME_push(names, name) > 0)
        return true;
    GENERAL_NAME_free(name);
    return false;
}

static ASN1_STRING *dns_value(const char *name)
{
    ASN1_IA5STRING *value = ASN1_IA5STRING_new();

    if (value && ASN1_STRING_set(value, name, -1))
        return value;
    ASN1_STRING_free(value);
    return NULL;
}

/* The subjectAltName extension, NULL on bad input or when there is no name. */
static X509_EXTENSION *subject_names(const struct pki_subject *subject)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    X509_EXTENSION *extension = NULL;
    bool ok = names != NULL;

    for (size_t i = 0; ok && i < subject->dns_name_count; i++)
        ok = names_push(names, GEN_DNS, dns_value(subject->dns_names[i]));
    for (size_t i = 0; ok && i < subject->ip_address_count; i++)
        ok = names_push(names, GEN_IPADD, a2i_IPADDRESS(subject->ip_addresses[i]));
    if (ok)
        extension = X509V3_EXT_i2d(NID_subject_alt_name, 0, names);
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    return extension;
}

/* Certificates. */

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;
    bool ok;

    X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return ok;
}

static bool set_serial(X509 *certificate)
{
    unsigned char bytes[16];
    BIGNUM *number;
    bool ok;

    random_bytes(bytes, sizeof(bytes));
    bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and always as long */
    number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return ok;
}

static bool set_validity(X509 *certificate, struct clock *clock, int64_t seconds)
{
    time_t now = (time_t)clock_wall_s(clock);
    time_t backdate = seconds / 10 < BACKDATE_S ? (time_t)(seconds / 10) : BACKDATE_S;

    return ASN1_TIME_set(X509_getm_notBefore(certificate), now - backdate) &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), now + (time_t)seconds);
}

/* A certificate without extensions and signature; NULL when OpenSSL refuses. */
static X509 *certificate_new(const X509_NAME *subject, const X509_NAME *issuer, EVP_PKEY *key, struct clock *clock,
                             int64_t seconds)
{
    X509 *certificate = X509_new();

    if (certificate && X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) &&
        set_validity(certificate, clock, seconds) && X509_set_subject_name(certificate, subject) &&
        X509_set_issuer_name(certificate, issuer) && X509_set_pubkey(certificate, key))
        return certificate;
    X509_free(certificate);
    return NULL;
}

int pki_make_ca(const char *common_name, struct clock *clock, int64_t seconds, struct pki_pair *ret_pair,
                struct error *err)
{
    const struct pki_subject subject = {.common_name = common_name};
    X509_NAME *name = subject_name(&subject);
    EVP_PKEY *key = key_new(err);
    X509 *ca = name && key ? certificate_new(name, name, key, clock, seconds) : NULL;
    bool ok = ca && add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE") &&
              add_extension(ca, ca, NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign") &&
              add_extension(ca, ca, NID_subject_key_identifier, "hash") && X509_sign(ca, key, EVP_sha256());
    struct pki_pair pair = {0};

    if (ok)
        pair = (struct pki_pair){certificate_text(ca), key_text(key)};
    X509_free(ca);
    EVP_PKEY_free(key);
    X509_NAME_free(name);
    if (!pair.certificate || !pair.key) {
        pki_pair_clear(&pair);
        return tls_error(err, ERROR_INTERNAL, "making a CA");
    }
    *ret_pair = pair;
    return 0;
}

struct signer {
    X509 *certificate;
    EVP_PKEY *key;
};

static void signer_close(struct signer *signer)
{
    X509_free(signer->certificate);
    EVP_PKEY_free(signer->key);
}

static int signer_open(const struct pki_pair *ca, struct signer *signer, struct error *err)
{
    STACK_OF(X509) *all = tls_read_certificates(slice_str(ca->certificate), err);

    if (!all)
        return error_wrap(err, "CA");
    signer->certificate = sk_X509_shift(all);
    tls_certificates_free(all);
    signer->key = tls_read_key(slice_str(ca->key), err);
    if (!signer->key)
        return error_wrap(err, "CA");
    if (X509_check_private_key(signer->certificate, signer->key) != 1)
        return tls_error(err, ERROR_BAD_REQUEST, "CA certificate and key");
    return 0;
}

/* Signs a certificate for `key`; `names` may be NULL. Never outlives the CA. */
static char *sign(const struct signer *signer, const X509_NAME *subject, X509_EXTENSION *names, EVP_PKEY *key,
                  unsigned usages, struct clock *clock, int64_t seconds)
{
    static const char *const usage_texts[] = {
        [0] = NULL,
        [PKI_USAGE_CLIENT] = "clientAuth",
        [PKI_USAGE_SERVER] = "serverAuth",
        [PKI_USAGE_CLIENT | PKI_USAGE_SERVER] = "serverAuth,clientAuth",
    };
    X509 *ca = signer->certificate;
    X509 *leaf = certificate_new(subject, X509_get_subject_name(ca), key, clock, seconds);
    const char *usage = usage_texts[usages & (PKI_USAGE_CLIENT | PKI_USAGE_SERVER)];
    bool ok = leaf && add_extension(leaf, ca, NID_basic_constraints, "critical,CA:FALSE") &&
              add_extension(leaf, ca, NID_key_usage, "critical,digitalSignature") &&
              add_extension(leaf, ca, NID_authority_key_identifier, "keyid") &&
              (!usage || add_extension(leaf, ca, NID_ext_key_usage, usage)) &&
              (!names || X509_add_ext(leaf, names, -1));
    char *text = NULL;

    if (ok && ASN1_TIME_compare(X509_get0_notAfter(leaf), X509_get0_notAfter(ca)) > 0)
        ok = X509_set1_notAfter(leaf, X509_get0_notAfter(ca));
    if (ok && X509_sign(leaf, signer->key, EVP_sha256()))
        text = certificate_text(leaf);
    X509_free(leaf);
    return text;
}

int pki_make_leaf(const struct pki_pair *ca, const struct pki_subject *subject, unsigned usages, struct clock *clock,
                  int64_t seconds, struct pki_pair *ret_pair, struct error *err)
{
    struct signer signer CLEANUP(signer_close) = {0};
    bool has_names = subject->dns_name_count || subject->ip_address_count;
    X509_NAME *name = subject_name(subject);
    X509_EXTENSION *names = has_names ? subject_names(subject) : NULL;
    struct pki_pair pair = {0};
    EVP_PKEY *key;
    int r = signer_open(ca, &signer, err);

    if (!r && name && (names || !has_names) && (key = key_new(NULL))) {
        pair.certificate = sign(&signer, name, names, key, usages, clock, seconds);
        pair.key = key_text(key);
        EVP_PKEY_free(key);
    }
    X509_NAME_free(name);
    X509_EXTENSION_free(names);
    if (pair.certificate && pair.key) {
        *ret_pair = pair;
        return 0;
    }
    pki_pair_clear(&pair);
    return r ? r : tls_error(err, ERROR_BAD_REQUEST, "making a certificate");
}

/* Requests. */

static bool request_add_names(X509_REQ *request, X509_EXTENSION *names)
{
    STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
    bool ok = list && sk_X509_EXTENSION_push(list, names) > 0 && X509_REQ_add_extensions(request, list);

    sk_X509_EXTENSION_free(list);
    return ok;
}

int pki_make_request(const struct pki_subject *subject, char **ret_request, char **ret_key, struct error *err)
{
    bool has_names = subject->dns_name_count || subject->ip_address_count;
    X509_NAME *name = subject_name(subject);
    X509_EXTENSION *names = has_names ? subject_names(subject) : NULL;
    X509_REQ *request = X509_REQ_new();
    EVP_PKEY *key = key_new(err);
    bool ok = request && key && name && (names || !has_names) && X509_REQ_set_version(request, X509_REQ_VERSION_1) &&
              X509_REQ_set_subject_name(request, name) && X509_REQ_set_pubkey(request, key) &&
              (!names || request_add_names(request, names)) && X509_REQ_sign(request, key, EVP_sha256());
    char *text CLEANUP_FREE = ok ? request_text(request) : NULL;
    char *secret = text ? key_text(key) : NULL;

    X509_REQ_free(request);
    EVP_PKEY_free(key);
    X509_NAME_free(name);
    X509_EXTENSION_free(names);
    if (!secret)
        return tls_error(err, ERROR_BAD_REQUEST, "making a certificate request");
    *ret_request = STEAL(text);
    *ret_key = secret;
    return 0;
}

/* Only what was read, and so could be judged, is signed: a name that pki_read_request leaves out is not carried over.
 */
static char *sign_info(const struct pki_pair *ca, const struct pki_info *info, EVP_PKEY *key, unsigned usages,
                       struct clock *clock, int64_t seconds, struct error *err)
{
    const struct pki_subject subject = {.common_name = info->common_name,
                                        .organizations = (const char *const *)info->organizations,
                                        .organization_count = info->organization_count,
                                        .dns_names = (const char *const *)info->dns_names,
                                        .dns_name_count = info->dns_name_count,
                                        .ip_addresses = (const char *const *)info->ip_addresses,
                                        .ip_address_count = info->ip_address_count};
    struct signer signer CLEANUP(signer_close) = {0};
    bool has_names = info->dns_name_count || info->ip_address_count;
    X509_EXTENSION *names = has_names ? subject_names(&subject) : NULL;
    X509_NAME *name = subject_name(&subject);
    char *text = NULL;

    if (!signer_open(ca, &signer, err)) {
        text = name && (names || !has_names) ? sign(&signer, name, names, key, usages, clock, seconds) : NULL;
        if (!text)
            (void)tls_error(err, ERROR_INTERNAL, "signing a certificate");
    }
    X509_NAME_free(name);
    X509_EXTENSION_free(names);
    return text;
}

int pki_sign_request(const struct pki_pair *ca, struct slice pem, unsigned usages, struct clock *clock, int64_t seconds,
                     char **ret_certificate, struct error *err)
{
    struct pki_info info CLEANUP(pki_info_clear) = {0};
    X509_REQ *request = tls_read_request(pem, err);
    char *text = NULL;

    if (!request || pki_read_request(pem, &info, err) < 0) {
        X509_REQ_free(request);
        return -(int)ERROR_BAD_REQUEST;
    }
    text = sign_info(ca, &info, X509_REQ_get0_pubkey(request), usages, clock, seconds, err);
    X509_REQ_free(request);
    if (!text)
        return -(int)ERROR_INTERNAL;
    *ret_certificate = text;
    return 0;
}
