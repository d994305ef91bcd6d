/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates: the server's own CA, what it signs, and what a joining node checks. ECDSA P-256 with SHA-256; all texts
 * are PEM. OpenSSL stays behind this header.
 */
#ifndef KNARR_LIB_PKI_H
#define KNARR_LIB_PKI_H

#include "lib/bytes.h"
#include "lib/clock.h"
#include "lib/error.h"

/* A certificate and its private key. */
struct pki_pair {
    char *certificate; /* PEM, owned */
    char *key;         /* PEM, owned */
};
void pki_pair_clear(struct pki_pair *pair);

enum pki_usage { PKI_USAGE_CLIENT = 1, PKI_USAGE_SERVER = 2 };

struct pki_subject {
    const char *common_name;
    const char *const *organizations;
    size_t organization_count;
    const char *const *dns_names;
    size_t dns_name_count;
    const char *const *ip_addresses; /* text */
    size_t ip_address_count;
};

/* Valid until clock's now and `seconds`; from 5 minutes before it, of a short life from a tenth of that before it. A
 * leaf never outlives its CA. */
int pki_make_ca(const char *common_name, struct clock *clock, int64_t seconds, struct pki_pair *ret_pair,
                struct error *err);
int pki_make_leaf(const struct pki_pair *ca, const struct pki_subject *subject, unsigned usages, struct clock *clock,
                  int64_t seconds, struct pki_pair *ret_pair, struct error *err);
/* A key and a PKCS#10 request for it. */
int pki_make_request(const struct pki_subject *subject, char **ret_request, char **ret_key, struct error *err);

/* What a certificate or a request says; owned texts. */
struct pki_info {
    char *common_name;
    char **organizations;
    size_t organization_count;
    char **dns_names;
    size_t dns_name_count;
    char **ip_addresses;
    size_t ip_address_count;
    int64_t not_before_ns; /* certificates only */
    int64_t not_after_ns;
    bool is_ca;
};
void pki_info_clear(struct pki_info *info);
int pki_read_certificate(struct slice pem, struct pki_info *ret_info, struct error *err);
/* Checks the request's own signature too. */
int pki_read_request(struct slice pem, struct pki_info *ret_info, struct error *err);
/* Signs the key, subject and DNS and IP names of the request, as pki_read_request gives them, with these usages. */
int pki_sign_request(const struct pki_pair *ca, struct slice request, unsigned usages, struct clock *clock,
                     int64_t seconds, char **ret_certificate, struct error *err);
/* Hex SHA-256 of the first certificate's SubjectPublicKeyInfo: what a join token pins. */
int pki_public_key_hash(struct slice pem, char ret_hex[65], struct error *err);

/* A P-256 key alone, PEM. */
int pki_make_key(char **ret_key, struct error *err);
/* Overwrites it before it is freed; NULL is allowed. */
void pki_key_free(char *key);

#endif
