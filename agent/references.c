/* SPDX-License-Identifier: Apache-2.0 */
/* One GET per object, or a TokenRequest, all at once; the last answer completes the fetch. */
#include "agent/references.h"

#include "agent/pod_spec.h"
#include "agent/str_list.h"
#include "agent/token.h"
#include "lib/map.h"

#define REFERENCES_MAX 1000

struct references {
    int refs;
    struct map objects; /* "configmaps/name" -> struct reference */
};

struct reference {
    struct value *tree;
    uint64_t serves_until_ms; /* a token: until then no other is asked for; monotonic, 0 = always asked for */
};

struct get {
    struct references_fetch *fetch;
    struct client_call *call;
    char *key;
};

struct references_fetch {
    struct client *client;
    const struct value *pod; /* while the requests are made */
    struct references *refs;
    struct get *gets;
    size_t count;
    size_t left;
    struct loop_timer *timer; /* ends a fetch that asks for nothing; NULL = it asks */
    struct error err;
    void (*done)(void *arg, struct references *refs, const struct error *err);
    void *arg;
};

static void reference_free(void *arg)
{
    struct reference *r = arg;

    if (!r)
        return;
    value_free(r->tree);
    free(r);
}

/* Takes the tree over. */
static void reference_put(struct references *refs, const char *key, struct value *tree, uint64_t serves_until_ms)
{
    struct reference *r = mem_alloc(sizeof(*r));

    *r = (struct reference){tree, serves_until_ms};
    reference_free(map_put(&refs->objects, slice_str(key), r));
}

struct references *references_hold(struct references *refs)
{
    if (refs)
        refs->refs++;
    return refs;
}

void references_free(struct references *refs)
{
    if (!refs || --refs->refs > 0)
        return;
    map_clear(&refs->objects, reference_free);
    free(refs);
}

const struct value *references_find(const void *refs, const char *resource, const char *name)
{
    const struct references *r = refs;
    char *key CLEANUP_FREE = mem_printf("%s/%s", resource, name);
    const struct reference *found = r ? map_get(&r->objects, slice_str(key)) : NULL;

    return found ? found->tree : NULL;
}

static void count_one(void *arg, const char *resource, const char *name, bool optional)
{
    ++*(size_t *)arg;
}

bool references_needed(const struct value *pod)
{
    size_t count = 0;

    pod_each_reference(pod, count_one, &count);
    return count > 0;
}

static void collect(void *arg, const char *resource, const char *name, bool optional)
{
    struct str_list *keys = arg;
    char *key = mem_printf("%s/%s", resource, name);

    if (str_list_has(keys, key) || keys->count >= REFERENCES_MAX)
        free(key);
    else
        str_list_take(keys, key);
}

static void fetch_free(struct references_fetch *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->gets[i].key);
    free(f->gets);
    loop_timer_free(f->timer);
    references_free(f->refs);
    error_clear(&f->err);
    free(f);
}

static bool key_is_token(const char *key)
{
    return !strncmp(key, TOKEN_RESOURCE "/", sizeof(TOKEN_RESOURCE));
}

static void got_object(struct get *g, struct slice body)
{
    struct references_fetch *f = g->fetch;
    struct value *v = value_parse(body, &f->err);

    if (v)
        reference_put(f->refs, g->key, v,
                      key_is_token(g->key) ? loop_now_ms(client_loop(f->client)) + token_serves_ms(v) : 0);
}

static void fetch_end(void *arg)
{
    struct references_fetch *f = arg;

    f->done(f->arg, error_is_set(&f->err) ? NULL : STEAL(f->refs), error_is_set(&f->err) ? &f->err : NULL);
    fetch_free(f);
}

static void got(void *arg, int status, struct slice body, const struct error *err)
{
    struct get *g = arg;
    struct references_fetch *f = g->fetch;

    g->call = NULL;
    if (!err) {
        got_object(g, body);
    } else if (err->code != ERROR_NOT_FOUND) {
        error_copy(&f->err, err);
    }
    if (!--f->left)
        fetch_end(f);
}

static void ask_token(struct references_fetch *f, struct get *g)
{
    const struct schema_kind *kind = schema_find_resource(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("serviceaccounts"));
    const char *account = value_str(value_path(f->pod, "spec", "serviceAccountName", NULL));
    BUF_LOCAL(body);

    token_request_write(f->pod, g->key + sizeof(TOKEN_RESOURCE), &body);
    g->call = client_create(f->client, kind, pod_namespace(f->pod), account ? account : "default", "token",
                            buf_slice(&body), got, g);
}

static void get_start(struct references_fetch *f, struct get *g)
{
    struct slice name = slice_str(g->key);
    struct slice resource;
    const struct schema_kind *kind;
    char *text CLEANUP_FREE = NULL;

    if (key_is_token(g->key)) {
        ask_token(f, g);
        return;
    }
    (void)slice_split(&name, '/', &resource);
    text = slice_dup(name);
    kind = schema_find_resource(SLICE_LIT(""), SLICE_LIT("v1"), resource);
    g->call = client_get(f->client, kind, pod_namespace(f->pod), text, got, g);
}

/* Copies a token that still serves; false when another must be asked for. */
static bool token_known(struct references_fetch *f, const struct references *known, const char *key)
{
    const struct reference *r = known && key_is_token(key) ? map_get(&known->objects, slice_str(key)) : NULL;

    if (!r || r->serves_until_ms <= loop_now_ms(client_loop(f->client)))
        return false;
    reference_put(f->refs, key, value_copy(r->tree), r->serves_until_ms);
    return true;
}

struct references_fetch *references_fetch(struct client *client, const struct value *pod,
                                          const struct references *known,
                                          void (*done)(void *arg, struct references *refs, const struct error *err),
                                          void *arg)
{
    struct references_fetch *f = mem_zalloc(sizeof(*f));
    struct str_list keys = {0};

    f->client = client;
    f->pod = pod;
    f->done = done;
    f->arg = arg;
    f->refs = mem_zalloc(sizeof(*f->refs));
    f->refs->refs = 1;
    pod_each_reference(pod, collect, &keys);
    f->gets = mem_calloc(keys.count, sizeof(*f->gets));
    for (size_t i = 0; i < keys.count; i++) {
        if (token_known(f, known, keys.items[i]))
            free(keys.items[i]);
        else
            f->gets[f->count++] = (struct get){.fetch = f, .key = keys.items[i]};
    }
    free(keys.items);
    f->left = f->count;
    for (size_t i = 0; i < f->count; i++)
        get_start(f, &f->gets[i]);
    if (!f->count) {
        f->timer = loop_timer_new(client_loop(client), fetch_end, f);
        loop_timer_start(f->timer, 0, 0);
    }
    return f;
}

void references_fetch_cancel(struct references_fetch *fetch)
{
    if (!fetch)
        return;
    for (size_t i = 0; i < fetch->count; i++)
        if (fetch->gets[i].call)
            client_call_cancel(fetch->gets[i].call);
    fetch_free(fetch);
}
