/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed texts (RFC 7515, compact form) under one key and one algorithm: ES256, which is ECDSA over P-256 with SHA-256
 * and the signature as r and s of 32 bytes each (RFC 7518). The header is {"alg":"ES256","kid":"..."} and is compared
 * as bytes, so that no other algorithm, key or header parameter is ever considered.
 */
#ifndef KNARR_LIB_JWS_H
#define KNARR_LIB_JWS_H

#include "lib/bytes.h"
#include "lib/error.h"

struct jws_key; /* immutable: many threads may use it at once */

/* A private P-256 key, PEM. ERROR_BAD_REQUEST on anything else. */
int jws_key_read(struct slice pem, struct jws_key **ret_key, struct error *err);
void jws_key_free(struct jws_key *key); /* NULL is allowed */
/* base64url of the SHA-256 of the public key's SubjectPublicKeyInfo: the same key has the same name everywhere. */
const char *jws_key_id(const struct jws_key *key);
/* Appends the public half as a JSON Web Key (RFC 7517). */
void jws_key_write_public(const struct jws_key *key, struct buf *out);

/* Appends HEADER.PAYLOAD.SIGNATURE. */
int jws_sign(const struct jws_key *key, struct slice payload, struct buf *out, struct error *err);
/* Appends the payload of what this very key has signed; ERROR_UNAUTHORIZED otherwise. */
int jws_verify(const struct jws_key *key, struct slice text, struct buf *ret_payload, struct error *err);

#endif
