/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pki.h"

#include "tests/unit/test.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define NOW_S 1750000000LL

static struct clock_fake now;
static struct pki_pair ca;

static int setup(void **state)
{
    (void)state;
    clock_fake_init(&now, NOW_S * NS_PER_S);
    return pki_make_ca("knarr-ca", &now.base, 86400, &ca, NULL);
}

static int teardown(void **state)
{
    (void)state;
    pki_pair_clear(&ca);
    return 0;
}

static void test_ca(void **state)
{
    struct pki_info info;

    (void)state;
    assert_int_equal(pki_read_certificate(slice_str(ca.certificate), &info, NULL), 0);
    assert_string_equal(info.common_name, "knarr-ca");
    assert_true(info.is_ca);
    assert_true(info.not_before_ns == (NOW_S - 300) * NS_PER_S);
    assert_true(info.not_after_ns == (NOW_S + 86400) * NS_PER_S);
    pki_info_clear(&info);
}

static void test_leaf_says_what_was_asked(void **state)
{
    static const char *const organizations[] = {"system:nodes", "other"};
    static const char *const names[] = {"n1", "n1.example"};
    static const char *const addresses[] = {"10.0.0.1", "fd00::1"};
    const struct pki_subject subject = {"system:node:n1", organizations, 2, names, 2, addresses, 2};
    struct pki_pair leaf = {0};
    struct pki_info info;

    (void)state;
    assert_int_equal(pki_make_leaf(&ca, &subject, PKI_USAGE_SERVER, &now.base, 60, &leaf, NULL), 0);
    assert_int_equal(pki_read_certificate(slice_str(leaf.certificate), &info, NULL), 0);
    assert_string_equal(info.common_name, "system:node:n1");
    assert_int_equal(info.organization_count, 2);
    assert_string_equal(info.organizations[0], "system:nodes");
    assert_int_equal(info.dns_name_count, 2);
    assert_string_equal(info.dns_names[1], "n1.example");
    assert_int_equal(info.ip_address_count, 2);
    assert_string_equal(info.ip_addresses[0], "10.0.0.1");
    assert_string_equal(info.ip_addresses[1], "fd00::1");
    assert_false(info.is_ca);
    assert_true(info.not_after_ns == (NOW_S + 60) * NS_PER_S);
    pki_info_clear(&info);
    pki_pair_clear(&leaf);
}

static void test_leaf_does_not_outlive_its_ca(void **state)
{
    const struct pki_subject subject = {.common_name = "x"};
    struct pki_pair leaf = {0};
    struct pki_info info;

    (void)state;
    assert_int_equal(pki_make_leaf(&ca, &subject, PKI_USAGE_CLIENT, &now.base, 864000, &leaf, NULL), 0);
    assert_int_equal(pki_read_certificate(slice_str(leaf.certificate), &info, NULL), 0);
    assert_true(info.not_after_ns == (NOW_S + 86400) * NS_PER_S);
    pki_info_clear(&info);
    pki_pair_clear(&leaf);
}

static void test_request_is_read_and_signed(void **state)
{
    static const char *const organizations[] = {"system:nodes"};
    static const char *const names[] = {"n1"};
    const struct pki_subject subject = {"system:node:n1", organizations, 1, names, 1, NULL, 0};
    char *request CLEANUP_FREE = NULL;
    char *key CLEANUP_FREE = NULL;
    char *certificate CLEANUP_FREE = NULL;
    struct pki_info info;

    (void)state;
    assert_int_equal(pki_make_request(&subject, &request, &key, NULL), 0);
    assert_int_equal(pki_read_request(slice_str(request), &info, NULL), 0);
    assert_string_equal(info.common_name, "system:node:n1");
    assert_string_equal(info.organizations[0], "system:nodes");
    assert_string_equal(info.dns_names[0], "n1");
    pki_info_clear(&info);
    assert_int_equal(pki_sign_request(&ca, slice_str(request), PKI_USAGE_CLIENT, &now.base, 60, &certificate, NULL), 0);
    assert_int_equal(pki_read_certificate(slice_str(certificate), &info, NULL), 0);
    assert_string_equal(info.common_name, "system:node:n1");
    assert_string_equal(info.dns_names[0], "n1");
    assert_false(info.is_ca);
    pki_info_clear(&info);
}

/* A changed byte in the middle breaks the request's own signature (or its shape): refused either way. */
static void test_forged_request_is_refused(void **state)
{
    const struct pki_subject subject = {.common_name = "system:node:n1"};
    char *request CLEANUP_FREE = NULL;
    char *key CLEANUP_FREE = NULL;
    struct pki_info info;
    ERROR_LOCAL(err);
    char *at;

    (void)state;
    assert_int_equal(pki_make_request(&subject, &request, &key, NULL), 0);
    at = strchr(request, '\n') + 40;
    *at = *at == 'A' ? 'B' : 'A';
    assert_true(pki_read_request(slice_str(request), &info, &err) < 0);
    assert_int_equal(err.code, ERROR_BAD_REQUEST);
    assert_true(pki_read_request(SLICE_LIT("nonsense"), &info, &err) < 0);
    assert_true(pki_read_request(SLICE_NONE, &info, &err) < 0);
    assert_true(pki_read_certificate(SLICE_LIT("nonsense"), &info, &err) < 0);
}

static void test_bad_input(void **state)
{
    static const char *const addresses[] = {"not-an-address"};
    const struct pki_subject bad = {.common_name = "x", .ip_addresses = addresses, .ip_address_count = 1};
    const struct pki_subject good = {.common_name = "x"};
    struct pki_pair mixed = {ca.certificate, NULL};
    struct pki_pair leaf = {0};
    char *other CLEANUP_FREE = NULL;

    (void)state;
    assert_true(pki_make_leaf(&ca, &bad, PKI_USAGE_SERVER, &now.base, 60, &leaf, NULL) < 0);
    assert_int_equal(pki_make_key(&other, NULL), 0);
    mixed.key = other; /* not the CA's */
    assert_true(pki_make_leaf(&mixed, &good, PKI_USAGE_SERVER, &now.base, 60, &leaf, NULL) < 0);
    assert_null(leaf.certificate);
}

static void test_public_key_hash_pins_the_key(void **state)
{
    struct pki_pair other = {0};
    char first[65], again[65], different[65];

    (void)state;
    assert_int_equal(pki_make_ca("knarr-ca", &now.base, 86400, &other, NULL), 0);
    assert_int_equal(pki_public_key_hash(slice_str(ca.certificate), first, NULL), 0);
    assert_int_equal(pki_public_key_hash(slice_str(ca.certificate), again, NULL), 0);
    assert_int_equal(pki_public_key_hash(slice_str(other.certificate), different, NULL), 0);
    assert_int_equal(strlen(first), 64);
    assert_string_equal(first, again);
    assert_string_not_equal(first, different);
    pki_pair_clear(&other);
}

/* A request with more than we read: a second CN, a unit, a URI, the wish to be a CA. Nothing of it is signed. */
static void test_only_what_was_read_is_signed(void **state)
{
    static const unsigned char nul[] = "good.example\0.evil.example";
    char san[] = "DNS:n1,URI:spiffe://evil,email:e@evil.example";
    X509_REQ *request = X509_REQ_new();
    X509_NAME *name = X509_NAME_new();
    STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    char *certificate = NULL;
    char *data = NULL;
    char *text;
    X509 *read;
    long len;

    (void)state;
    (void)X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)"first", -1, -1, 0);
    (void)X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)"second", -1, -1, 0);
    (void)X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_UTF8, nul, sizeof(nul) - 1, -1, 0);
    (void)X509_NAME_add_entry_by_NID(name, NID_organizationalUnitName, MBSTRING_UTF8, (const unsigned char *)"unit", -1,
                                     -1, 0);
    (void)sk_X509_EXTENSION_push(list, X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san));
    (void)sk_X509_EXTENSION_push(list, X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "CA:TRUE"));
    assert_true(X509_REQ_set_subject_name(request, name) && X509_REQ_set_pubkey(request, key) &&
                X509_REQ_add_extensions(request, list) && X509_REQ_sign(request, key, EVP_sha256()) &&
                PEM_write_bio_X509_REQ(bio, request));
    len = BIO_get_mem_data(bio, &data);
    assert_int_equal(
        pki_sign_request(&ca, slice_make(data, (size_t)len), PKI_USAGE_CLIENT, &now.base, 60, &certificate, NULL), 0);
    BIO_free(bio);
    bio = BIO_new_mem_buf(certificate, -1);
    read = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_non_null(read);
    BIO_free(bio);
    bio = BIO_new(BIO_s_mem());
    assert_int_equal(X509_print(bio, read), 1);
    len = BIO_get_mem_data(bio, &data);
    text = mem_strndup(data, (size_t)len);
    assert_non_null(strstr(text, "Subject: CN=first\n"));
    assert_non_null(strstr(text, "DNS:n1\n"));
    assert_non_null(strstr(text, "CA:FALSE"));
    assert_null(strstr(text, "evil"));
    free(text);
    free(certificate);
    X509_free(read);
    BIO_free(bio);
    EVP_PKEY_free(key);
    X509_NAME_free(name);
    X509_REQ_free(request);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ca),
        cmocka_unit_test(test_leaf_says_what_was_asked),
        cmocka_unit_test(test_leaf_does_not_outlive_its_ca),
        cmocka_unit_test(test_request_is_read_and_signed),
        cmocka_unit_test(test_forged_request_is_refused),
        cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_public_key_hash_pins_the_key),
        cmocka_unit_test(test_only_what_was_read_is_signed),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
