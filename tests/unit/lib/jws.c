/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/jws.h"

#include "tests/unit/test.h"

#include "lib/encoding.h"
#include "lib/pki.h"

static char *pem;
static struct jws_key *key;

static int setup(void **state)
{
    (void)state;
    return pki_make_key(&pem, NULL) < 0 ? -1 : jws_key_read(slice_str(pem), &key, NULL);
}

static int teardown(void **state)
{
    (void)state;
    jws_key_free(key);
    free(pem);
    return 0;
}

static bool holds(const struct jws_key *by, const char *text)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(payload);
    int r = jws_verify(by, slice_str(text), &payload, &err);

    if (r < 0)
        assert_int_equal(err.code, ERROR_UNAUTHORIZED);
    return r == 0;
}

static char *signed_text(const struct jws_key *by, const char *payload)
{
    BUF_LOCAL(out);

    assert_int_equal(jws_sign(by, slice_str(payload), &out, NULL), 0);
    return buf_steal_str(&out);
}

/* HEADER.PAYLOAD with another header and the signature of the good text. */
static char *with_header(const char *text, const char *header)
{
    BUF_LOCAL(out);

    base64url_encode(&out, slice_str(header));
    buf_append_str(&out, strchr(text, '.'));
    return buf_steal_str(&out);
}

static void test_what_is_signed_holds(void **state)
{
    struct jws_key *again = NULL;
    BUF_LOCAL(payload);

    (void)state;
    for (size_t i = 0; i < 20; i++) { /* r or s is shorter now and then */
        char *text CLEANUP_FREE = signed_text(key, "{\"sub\":\"somebody\"}");

        buf_reset(&payload);
        assert_int_equal(jws_verify(key, slice_str(text), &payload, NULL), 0);
        assert_true(slice_is(buf_slice(&payload), "{\"sub\":\"somebody\"}"));
        assert_int_equal(strlen(strrchr(text, '.') + 1), 86);
    }
    assert_int_equal(jws_key_read(slice_str(pem), &again, NULL), 0);
    assert_string_equal(jws_key_id(again), jws_key_id(key));
    jws_key_free(again);
}

static void test_one_bit_is_enough(void **state)
{
    char *text CLEANUP_FREE = signed_text(key, "{\"a\":1}");
    size_t len = strlen(text);

    (void)state;
    for (size_t i = 0; i < len; i++) {
        char was = text[i];

        text[i] = was == 'A' ? 'B' : 'A';
        assert_false(holds(key, text));
        text[i] = was;
    }
    for (size_t i = 0; i < len; i++) {
        char *cut CLEANUP_FREE = mem_strndup(text, i);

        assert_false(holds(key, cut));
    }
    assert_true(holds(key, text));
}

static void test_other_headers(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",
        "{\"alg\":\"none\",\"kid\":\"%s\"}",
        "{\"alg\":\"HS256\",\"kid\":\"%s\"}",
        "{\"alg\":\"ES384\",\"kid\":\"%s\"}",
        "{\"alg\":\"ES256\"}",
        "{\"alg\":\"ES256\",\"kid\":\"other\"}",
        "{\"kid\":\"%s\",\"alg\":\"ES256\"}",
        "{\"alg\":\"ES256\",\"kid\":\"%s\",\"jwk\":{}}",
        "",
    };
    char *text CLEANUP_FREE = signed_text(key, "{\"a\":1}");
    char *unsigned_ CLEANUP_FREE = mem_strndup(text, (size_t)(strrchr(text, '.') + 1 - text));

    (void)state;
    assert_false(holds(key, unsigned_));
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        struct slice rest = slice_str(headers[i]);
        struct slice part;
        BUF_LOCAL(header);

        (void)slice_split(&rest, '%', &part);
        buf_append_slice(&header, part);
        if (rest.data) {
            buf_append_str(&header, jws_key_id(key));
            buf_append(&header, rest.data + 1, rest.len - 1);
        }
        char *other CLEANUP_FREE = with_header(text, buf_cstr(&header));

        assert_false(holds(key, other));
    }
}

static void test_nonsense(void **state)
{
    static const char *const texts[] = {"", ".", "..", "...", "a.b.c", "eyJhbGciOiJub25lIn0.e30."};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_false(holds(key, texts[i]));
}

static void test_another_key(void **state)
{
    char *other_pem CLEANUP_FREE = NULL;
    struct jws_key *other = NULL;
    char *text CLEANUP_FREE = NULL;
    char *forged CLEANUP_FREE = NULL;
    char *header CLEANUP_FREE = mem_printf("{\"alg\":\"ES256\",\"kid\":\"%s\"}", jws_key_id(key));

    (void)state;
    assert_int_equal(pki_make_key(&other_pem, NULL), 0);
    assert_int_equal(jws_key_read(slice_str(other_pem), &other, NULL), 0);
    text = signed_text(other, "{\"a\":1}");
    forged = with_header(text, header);
    assert_true(holds(other, text));
    assert_false(holds(key, text));
    assert_false(holds(key, forged));
    jws_key_free(other);
}

/* Of another curve, and none at all. */
static void test_keys(void **state)
{
    static const char secp384[] = "-----BEGIN PRIVATE KEY-----\n"
                                  "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDCtnrMwy0FmI5x2SkEw\n"
                                  "nf6gS3eeMJ/czXQ31q/4oclG4pJvBA/9ltReIZb00S9s5iKhZANiAARw+7uwvTSR\n"
                                  "VgBPaSN4+iOH1dET7XZNS+Mv4E4hfARlkJGvEjJy+dYm928B0R+D5OzYE7aYWbFN\n"
                                  "kVEvpRG1Lc6F3SQ0WYxGszrM6ITLMqzA6sKyrmNNbbgq0e5L7X7fxXE=\n"
                                  "-----END PRIVATE KEY-----\n";
    struct jws_key *none = NULL;
    ERROR_LOCAL(err);
    BUF_LOCAL(jwk);

    (void)state;
    assert_true(jws_key_read(slice_str(secp384), &none, &err) < 0);
    assert_true(jws_key_read(SLICE_LIT("x"), &none, &err) < 0);
    jws_key_write_public(key, &jwk);
    assert_true(slice_starts(buf_slice(&jwk), SLICE_LIT("{\"use\":\"sig\",\"kty\":\"EC\",\"kid\":\"")));
    assert_true(slice_find_text(buf_slice(&jwk), SLICE_LIT("\"d\"")) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_signed_holds), cmocka_unit_test(test_one_bit_is_enough),
        cmocka_unit_test(test_other_headers),        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_another_key),          cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
