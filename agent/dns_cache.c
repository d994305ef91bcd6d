/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/dns_cache.h"

struct cached {
    struct list used;
    struct dns_cache *cache;
    uint64_t since_ms;
    uint32_t life; /* seconds */
    size_t key_len;
    uint8_t key[DNS_KEY_MAX];
    size_t len;
    uint8_t data[];
};

size_t dns_query_key(const struct dns_query *q, uint8_t ret_key[DNS_KEY_MAX])
{
    memcpy(ret_key, q->name.wire, q->name.len);
    ns_put16(q->type, ret_key + q->name.len);
    ns_put16(q->klass, ret_key + q->name.len + 2);
    ret_key[q->name.len + 4] = (uint8_t)(q->edns | q->dnssec << 1 | q->no_checking << 2);
    return q->name.len + 5u;
}

void dns_cache_init(struct dns_cache *c)
{
    *c = (struct dns_cache){.bytes = 0};
    list_init(&c->used);
}

static void drop(struct cached *e)
{
    (void)map_remove(&e->cache->entries, slice_make(e->key, e->key_len));
    e->cache->bytes -= e->len;
    list_remove(&e->used);
    free(e);
}

void dns_cache_clear(struct dns_cache *c)
{
    list_for_each_safe (it, next, &c->used)
        drop(container_of(it, struct cached, used));
    map_clear(&c->entries, NULL);
}

size_t dns_cache_get(struct dns_cache *c, struct slice key, uint64_t now_ms, uint8_t *out)
{
    struct cached *e = map_get(&c->entries, key);
    uint64_t age;

    if (!e)
        return 0;
    age = (now_ms - e->since_ms) / 1000;
    if (age >= e->life) {
        drop(e);
        return 0;
    }
    list_remove(&e->used);
    list_append(&c->used, &e->used);
    memcpy(out, e->data, e->len);
    dns_response_age(out, e->len, (uint32_t)age, DNS_CACHE_LIFE_MAX);
    return e->len;
}

void dns_cache_put(struct dns_cache *c, struct slice key, uint64_t now_ms, struct slice response)
{
    uint32_t life = dns_response_life(response, DNS_CACHE_LIFE_MAX);
    struct cached *e = map_get(&c->entries, key);

    if (e)
        drop(e);
    if (!life || response.len > DNS_CACHE_MESSAGE_MAX || key.len > DNS_KEY_MAX)
        return;
    list_for_each_safe (it, next, &c->used) {
        if (c->entries.count < DNS_CACHE_ENTRIES_MAX && c->bytes + response.len <= DNS_CACHE_BYTES_MAX)
            break;
        drop(container_of(it, struct cached, used));
    }
    e = mem_alloc(sizeof(*e) + response.len);
    *e = (struct cached){.cache = c, .since_ms = now_ms, .life = life, .key_len = key.len, .len = response.len};
    memcpy(e->key, key.data, key.len);
    memcpy(e->data, response.data, response.len);
    list_append(&c->used, &e->used);
    c->bytes += e->len;
    (void)map_put(&c->entries, key, e);
}
