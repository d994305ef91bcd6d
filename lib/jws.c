/* SPDX-License-Identifier: Apache-2.0 */
/* ES256 over OpenSSL 3, which knows signatures as DER; the two forms are turned into each other here. */
#include "lib/jws.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "lib/encoding.h"
#include "lib/tls.h"

#define JWS_HALF      32 /* bytes of r, of s, of a coordinate */
#define JWS_SIGNATURE (2 * (size_t)JWS_HALF)

struct jws_key {
    EVP_PKEY *key;
    char *id;
    char *header; /* encoded, with its dot */
    unsigned char point[1 + 2 * JWS_HALF];
};

void jws_key_free(struct jws_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->key);
    free(key->id);
    free(key->header);
    free(key);
}

static bool jws_key_is_p256(EVP_PKEY *key)
{
    char group[32] = "";
    size_t len;

    return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1 &&
           !strcmp(group, "prime256v1");
}

/* The uncompressed public point: 4, x, y. */
static bool jws_key_take_point(struct jws_key *key)
{
    unsigned char *point = NULL;
    size_t len = EVP_PKEY_get1_encoded_public_key(key->key, &point);
    bool ok = len == sizeof(key->point) && point[0] == 4;

    if (ok)
        memcpy(key->point, point, len);
    OPENSSL_free(point);
    return ok;
}

static bool jws_key_name(struct jws_key *key)
{
    unsigned char digest[SHA256_SIZE];
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key->key, &der);
    BUF_LOCAL(id);
    BUF_LOCAL(header);
    BUF_LOCAL(encoded);

    if (len <= 0)
        return false;
    sha256(slice_make(der, (size_t)len), digest);
    OPENSSL_free(der);
    base64url_encode(&id, slice_make(digest, sizeof(digest)));
    key->id = buf_steal_str(&id);
    buf_printf(&header, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", key->id);
    base64url_encode(&encoded, buf_slice(&header));
    buf_append_byte(&encoded, '.');
    key->header = buf_steal_str(&encoded);
    return true;
}

int jws_key_read(struct slice pem, struct jws_key **ret_key, struct error *err)
{
    struct jws_key *key = mem_zalloc(sizeof(*key));
    int r = 0;

    key->key = tls_read_key(pem, err);
    if (!key->key)
        r = -(int)ERROR_BAD_REQUEST;
    else if (!jws_key_is_p256(key->key) || !jws_key_take_point(key) || !jws_key_name(key))
        r = error_set(err, ERROR_BAD_REQUEST, "the key is not of the curve P-256");
    if (r < 0)
        jws_key_free(key);
    else
        *ret_key = key;
    return r;
}

const char *jws_key_id(const struct jws_key *key)
{
    return key->id;
}

void jws_key_write_public(const struct jws_key *key, struct buf *out)
{
    buf_printf(out, "{\"use\":\"sig\",\"kty\":\"EC\",\"kid\":\"%s\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"x\":\"",
               key->id);
    base64url_encode(out, slice_make(key->point + 1, JWS_HALF));
    buf_append_str(out, "\",\"y\":\"");
    base64url_encode(out, slice_make(key->point + 1 + JWS_HALF, JWS_HALF));
    buf_append_str(out, "\"}");
}

/* ---- signing ---- */

static bool jws_signature_write(const unsigned char *der, size_t len, unsigned char ret_raw[JWS_SIGNATURE])
{
    const unsigned char *at = der;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)len);
    bool ok = signature && BN_bn2binpad(ECDSA_SIG_get0_r(signature), ret_raw, JWS_HALF) == JWS_HALF &&
              BN_bn2binpad(ECDSA_SIG_get0_s(signature), ret_raw + JWS_HALF, JWS_HALF) == JWS_HALF;

    ECDSA_SIG_free(signature);
    return ok;
}

int jws_sign(const struct jws_key *key, struct slice payload, struct buf *out, struct error *err)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char raw[JWS_SIGNATURE];
    unsigned char der[128];
    size_t len = sizeof(der);
    size_t begin = out->len;
    bool ok;

    buf_append_str(out, key->header);
    base64url_encode(out, payload);
    ok = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key->key) == 1 &&
         EVP_DigestSign(ctx, der, &len, (const unsigned char *)out->data + begin, out->len - begin) == 1 &&
         jws_signature_write(der, len, raw);
    EVP_MD_CTX_free(ctx);
    if (!ok) {
        out->len = begin;
        return tls_error(err, ERROR_INTERNAL, "signing");
    }
    buf_append_byte(out, '.');
    base64url_encode(out, slice_make(raw, sizeof(raw)));
    return 0;
}

/* ---- verifying ---- */

/* The 64 bytes, in the one way to write them: a text has no second form that holds too. */
static bool jws_signature_decode(struct slice text, struct buf *raw)
{
    BUF_LOCAL(again);

    if (!base64url_decode(raw, text) || raw->len != JWS_SIGNATURE)
        return false;
    base64url_encode(&again, buf_slice(raw));
    return slice_equal(buf_slice(&again), text);
}

/* The DER form, to be freed with OPENSSL_free; its length, or less than 1. */
static int jws_signature_read(const unsigned char raw[JWS_SIGNATURE], unsigned char **ret_der)
{
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, JWS_HALF, NULL);
    BIGNUM *s = BN_bin2bn(raw + JWS_HALF, JWS_HALF, NULL);
    int len = 0;

    if (signature && r && s && ECDSA_SIG_set0(signature, r, s) == 1) {
        r = s = NULL; /* the signature's now */
        len = i2d_ECDSA_SIG(signature, ret_der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(signature);
    return len;
}

static bool jws_holds(const struct jws_key *key, struct slice signed_, const unsigned char raw[JWS_SIGNATURE])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char *der = NULL;
    int len = jws_signature_read(raw, &der);
    bool ok = ctx && len > 0 && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key->key) == 1 &&
              EVP_DigestVerify(ctx, der, (size_t)len, (const unsigned char *)signed_.data, signed_.len) == 1;

    OPENSSL_free(der);
    EVP_MD_CTX_free(ctx);
    return ok;
}

int jws_verify(const struct jws_key *key, struct slice text, struct buf *ret_payload, struct error *err)
{
    struct slice rest = text;
    struct slice header;
    struct slice payload;
    size_t begin = ret_payload->len;
    BUF_LOCAL(raw);

    if (!slice_starts(text, slice_str(key->header)))
        return error_set(err, ERROR_UNAUTHORIZED, "the token is not signed with ES256 by this server's key");
    (void)slice_split(&rest, '.', &header);
    (void)slice_split(&rest, '.', &payload);
    if (!rest.data || !jws_signature_decode(rest, &raw) ||
        !jws_holds(key, slice_make(text.data, header.len + 1 + payload.len), (const unsigned char *)raw.data)) {
        (void)tls_error(NULL, ERROR_UNAUTHORIZED, ""); /* empties OpenSSL's queue */
        return error_set(err, ERROR_UNAUTHORIZED, "the token's signature does not hold");
    }
    if (!base64url_decode(ret_payload, payload)) {
        ret_payload->len = begin;
        return error_set(err, ERROR_UNAUTHORIZED, "the token's payload cannot be read");
    }
    return 0;
}
