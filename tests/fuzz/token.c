/* SPDX-License-Identifier: Apache-2.0 */
/* ServiceAccount tokens: nothing that was not signed holds, and claims that can be read say the same once written. */
#include "tests/fuzz/fuzz.h"

#include "apiserver/account_claims.h"
#include "lib/jws.h"
#include "lib/pki.h"

static const struct jws_key *key(void)
{
    static struct jws_key *made;
    static char *pem;

    if (!made)
        FUZZ_CHECK(pki_make_key(&pem, NULL) == 0 && jws_key_read(slice_str(pem), &made, NULL) == 0);
    return made;
}

static void check_claims(struct slice json)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct account_claims claims;
    struct account_claims again;
    BUF_LOCAL(once);
    BUF_LOCAL(twice);

    if (account_claims_read(pool, json, &claims, NULL) < 0)
        return;
    account_claims_write(&claims, &once);
    FUZZ_CHECK(account_claims_read(pool, buf_slice(&once), &again, NULL) == 0);
    account_claims_write(&again, &twice);
    FUZZ_CHECK(slice_equal(buf_slice(&once), buf_slice(&twice)));
    (void)account_claims_check_time(&claims, 0, NULL);
}

/* A signed text with one byte of the input laid over it is no longer signed. */
static void check_changed(struct slice input)
{
    BUF_LOCAL(text);
    BUF_LOCAL(payload);
    size_t at;

    if (input.len < 3)
        return;
    FUZZ_CHECK(jws_sign(key(), slice_make(input.data, input.len < 64 ? input.len : 64), &text, NULL) == 0);
    at = ((size_t)(unsigned char)input.data[0] << 8 | (unsigned char)input.data[1]) % text.len;
    if (text.data[at] == input.data[2])
        return;
    text.data[at] = input.data[2];
    FUZZ_CHECK(jws_verify(key(), buf_slice(&text), &payload, NULL) < 0);
}

static void fuzz_one(struct slice input)
{
    BUF_LOCAL(payload);

    FUZZ_CHECK(jws_verify(key(), input, &payload, NULL) < 0);
    check_claims(input);
    check_changed(input);
}
