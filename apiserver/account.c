/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/account.h"

#include "api/object.h"
#include "api/scan.h"
#include "apiserver/folder_cache.h"
#include "apiserver/registry.h"
#include "lib/encoding.h"
#include "lib/map.h"
#include "lib/pki.h"

#define ACCOUNT_TOKEN_MAX (16u << 10)
#define ACCOUNT_CACHE_MAX 1024 /* of one generation; there are two */

/* ---- who signs ----------------------------------------------------------------------------------------------------
 */

static void issuer_write_documents(struct account_issuer *issuer, const char *address)
{
    BUF_LOCAL(configuration);
    BUF_LOCAL(keys);

    buf_append_str(&configuration, "{\"issuer\":");
    json_write_string(&configuration, slice_str(issuer->name));
    buf_printf(&configuration,
               ",\"jwks_uri\":\"https://%s/openid/v1/jwks\",\"response_types_supported\":[\"id_token\"],"
               "\"subject_types_supported\":[\"public\"],\"id_token_signing_alg_values_supported\":[\"ES256\"]}",
               address);
    buf_append_str(&keys, "{\"keys\":[");
    jws_key_write_public(issuer->key, &keys);
    buf_append_str(&keys, "]}");
    issuer->configuration = buf_steal_str(&configuration);
    issuer->keys = buf_steal_str(&keys);
}

static void account_key_cleanup(char **key)
{
    pki_key_free(*key);
}

int account_issuer_make(const char *name, struct slice key_pem, const char *address, struct account_issuer **ret_issuer,
                        struct error *err)
{
    struct account_issuer *issuer = mem_zalloc(sizeof(*issuer));
    char *made CLEANUP(account_key_cleanup) = NULL;
    int r = 0;

    if (!key_pem.len && (r = pki_make_key(&made, err)) == 0)
        key_pem = slice_str(made);
    if (r == 0)
        r = jws_key_read(key_pem, &issuer->key, err);
    if (r < 0) {
        free(issuer);
        return error_wrap(err, "the key that signs tokens of service accounts");
    }
    issuer->name = mem_strdup(name ? name : ACCOUNT_ISSUER_DEFAULT);
    issuer_write_documents(issuer, address);
    *ret_issuer = issuer;
    return 0;
}

void account_issuer_free(struct account_issuer *issuer)
{
    if (!issuer)
        return;
    jws_key_free(issuer->key);
    free(issuer->name);
    free(issuer->configuration);
    free(issuer->keys);
    free(issuer);
}

int account_issuer_sign(const struct account_issuer *issuer, const struct account_claims *claims, struct buf *out,
                        struct error *err)
{
    BUF_LOCAL(payload);

    account_claims_write(claims, &payload);
    return jws_sign(issuer->key, buf_slice(&payload), out, err);
}

/* ---- what was verified ------------------------------------------------------------------------------------------
 *
 * Two generations: what is asked for moves into the young one; when that is full, the old one goes. So what is in use
 * stays, and what is not goes after at most two fillings.
 */

struct account_known {
    struct pool *pool;
    struct account_claims claims;
};

struct account_cache {
    struct map young;
    struct map old;
};

static void known_free(void *arg)
{
    struct account_known *known = arg;

    pool_free(known->pool);
    free(known);
}

struct account_cache *account_cache_new(void)
{
    return mem_zalloc(sizeof(struct account_cache));
}

void account_cache_free(struct account_cache *cache)
{
    if (!cache)
        return;
    map_clear(&cache->young, known_free);
    map_clear(&cache->old, known_free);
    free(cache);
}

static void cache_put(struct account_cache *cache, struct slice hash, struct account_known *known)
{
    if (cache->young.count >= ACCOUNT_CACHE_MAX) {
        map_clear(&cache->old, known_free);
        cache->old = cache->young;
        cache->young = (struct map){0};
    }
    (void)map_put(&cache->young, hash, known);
}

static struct account_known *cache_find(struct account_cache *cache, struct slice hash)
{
    struct account_known *known = map_get(&cache->young, hash);

    if (!known && (known = map_remove(&cache->old, hash)))
        cache_put(cache, hash, known);
    return known;
}

/* ---- whether one holds --------------------------------------------------------------------------------------------
 */

bool account_token_likely(struct slice token)
{
    size_t dots = 0;

    for (size_t i = 0; i < token.len; i++)
        dots += token.data[i] == '.';
    return dots == 2;
}

static int token_verify(const struct account_judge *judge, struct slice token, struct account_known **ret_known,
                        struct error *err)
{
    struct account_known *known;
    BUF_LOCAL(payload);
    int r = jws_verify(judge->issuer->key, token, &payload, err);

    if (r < 0)
        return r;
    known = mem_zalloc(sizeof(*known));
    known->pool = pool_new();
    r = account_claims_read(known->pool, buf_slice(&payload), &known->claims, err);
    if (r == 0 && strcmp(known->claims.issuer, judge->issuer->name) != 0)
        r = error_set(err, ERROR_UNAUTHORIZED, "the token is of another issuer");
    if (r < 0)
        known_free(known);
    else
        *ret_known = known;
    return r;
}

int account_token_read(const struct account_judge *judge, struct slice token, const struct account_claims **ret_claims,
                       struct error *err)
{
    unsigned char digest[SHA256_SIZE];
    struct slice hash = slice_make(digest, sizeof(digest));
    struct account_known *known;
    int r;

    if (token.len > ACCOUNT_TOKEN_MAX)
        return error_set(err, ERROR_UNAUTHORIZED, "the token is too long");
    sha256(token, digest);
    known = cache_find(judge->cache, hash);
    if (!known) {
        if ((r = token_verify(judge, token, &known, err)) < 0)
            return r;
        cache_put(judge->cache, hash, known);
    }
    *ret_claims = &known->claims;
    return 0;
}

/* There, the same, and not deleted for longer than the leeway. */
static bool object_holds(const struct account_judge *judge, const char *plural, const char *namespace_,
                         const struct account_object *o)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct slice key = registry_key(pool, registry_need_kind("", plural), namespace_, o->name);
    const struct store_item *item = folder_cache_get(judge->folders, key);
    struct object_meta meta;
    struct slice deleted;
    int64_t at;
    BUF_LOCAL(scratch);

    if (!item)
        return false;
    if (object_meta_read(item->meta, &meta) && !meta.deleting)
        return slice_is(meta.uid, o->uid);
    deleted = scan_text(scan_get(item->value, "metadata.deletionTimestamp"), &scratch);
    return scan_text_is(scan_get(item->value, "metadata.uid"), o->uid) &&
           (!deleted.len || (time_parse(deleted, &at) && at / NS_PER_S >= judge->now_s - ACCOUNT_LEEWAY_S));
}

int account_token_check(const struct account_judge *judge, const struct account_claims *c, struct error *err)
{
    int r = account_claims_check_time(c, judge->now_s, err);

    if (r < 0)
        return r;
    if (object_holds(judge, "serviceaccounts", c->namespace_, &c->account) &&
        (!c->pod.name || object_holds(judge, "pods", c->namespace_, &c->pod)) &&
        (!c->secret.name || object_holds(judge, "secrets", c->namespace_, &c->secret)) &&
        (c->pod.name || !c->node.name || object_holds(judge, "nodes", "", &c->node)))
        return 0;
    return error_set(err, ERROR_UNAUTHORIZED, "service account token has been invalidated");
}
