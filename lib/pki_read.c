/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What certificates and requests say. Names with a NUL inside are left out: in C they would be read as a shorter,
 * different name.
 */
#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "lib/encoding.h"
#include "lib/pki.h"
#include "lib/tls.h"

static void list_add(char ***list, size_t *count, char *text)
{
    *list = mem_realloc(*list, (*count + 1) * sizeof(**list));
    (*list)[(*count)++] = text;
}

static void list_free(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

void pki_info_clear(struct pki_info *info)
{
    free(info->common_name);
    list_free(info->organizations, info->organization_count);
    list_free(info->dns_names, info->dns_name_count);
    list_free(info->ip_addresses, info->ip_address_count);
    *info = (struct pki_info){0};
}

static char *string_text(const ASN1_STRING *string)
{
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, string);
    char *text = len >= 0 && !memchr(utf8, 0, (size_t)len) ? mem_strndup((const char *)utf8, (size_t)len) : NULL;

    OPENSSL_free(utf8);
    return text;
}

static void read_subject(const X509_NAME *name, struct pki_info *info)
{
    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
        char *text = string_text(X509_NAME_ENTRY_get_data(entry));

        if (text && nid == NID_organizationName) {
            list_add(&info->organizations, &info->organization_count, text);
        } else if (text && nid == NID_commonName && !info->common_name) {
            info->common_name = text;
        } else {
            free(text);
        }
    }
}

static void read_address(const ASN1_OCTET_STRING *value, struct pki_info *info)
{
    char text[INET6_ADDRSTRLEN];
    int family = ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6;

    if (family == AF_INET6 && ASN1_STRING_length(value) != 16)
        return;
    if (inet_ntop(family, ASN1_STRING_get0_data(value), text, sizeof(text)))
        list_add(&info->ip_addresses, &info->ip_address_count, mem_strdup(text));
}

static void read_names(GENERAL_NAMES *names, struct pki_info *info)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        char *text = type == GEN_DNS ? string_text(value) : NULL;

        if (text)
            list_add(&info->dns_names, &info->dns_name_count, text);
        else if (type == GEN_IPADD)
            read_address(value, info);
    }
    GENERAL_NAMES_free(names);
}

static int64_t time_ns(const ASN1_TIME *at)
{
    struct tm tm = {0};

    return ASN1_TIME_to_tm(at, &tm) ? (int64_t)timegm(&tm) * NS_PER_S : 0;
}

int pki_read_certificate(struct slice pem, struct pki_info *ret_info, struct error *err)
{
    STACK_OF(X509) *all = tls_read_certificates(pem, err);
    struct pki_info info = {0};
    X509 *first;

    if (!all)
        return -(int)ERROR_BAD_REQUEST;
    first = sk_X509_value(all, 0);
    read_subject(X509_get_subject_name(first), &info);
    read_names(X509_get_ext_d2i(first, NID_subject_alt_name, NULL, NULL), &info);
    info.not_before_ns = time_ns(X509_get0_notBefore(first));
    info.not_after_ns = time_ns(X509_get0_notAfter(first));
    info.is_ca = X509_check_ca(first) == 1;
    tls_certificates_free(all);
    *ret_info = info;
    return 0;
}

int pki_read_request(struct slice pem, struct pki_info *ret_info, struct error *err)
{
    X509_REQ *request = tls_read_request(pem, err);
    STACK_OF(X509_EXTENSION) * extensions;
    struct pki_info info = {0};

    if (!request)
        return -(int)ERROR_BAD_REQUEST;
    read_subject(X509_REQ_get_subject_name(request), &info);
    extensions = X509_REQ_get_extensions(request);
    read_names(X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL), &info);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    X509_REQ_free(request);
    *ret_info = info;
    return 0;
}

int pki_public_key_hash(struct slice pem, char ret_hex[65], struct error *err)
{
    STACK_OF(X509) *all = tls_read_certificates(pem, err);
    unsigned char *der = NULL;
    int len;

    if (!all)
        return -(int)ERROR_BAD_REQUEST;
    len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(sk_X509_value(all, 0)), &der);
    tls_certificates_free(all);
    if (len <= 0)
        return tls_error(err, ERROR_BAD_REQUEST, "public key");
    sha256_hex(slice_make(der, (size_t)len), ret_hex);
    OPENSSL_free(der);
    return 0;
}
