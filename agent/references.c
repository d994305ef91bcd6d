/* SPDX-License-Identifier: Apache-2.0 */
/* One GET per object, all at once; the last answer completes the fetch. */
#include "agent/references.h"

#include "agent/pod_spec.h"
#include "agent/str_list.h"
#include "lib/map.h"

#define REFERENCES_MAX 1000

struct references {
    int refs;
    struct map objects; /* "configmaps/name" -> struct value */
};

struct get {
    struct references_fetch *fetch;
    struct client_call *call;
    char *key;
};

struct references_fetch {
    struct client *client;
    struct references *refs;
    struct get *gets;
    size_t count;
    size_t left;
    struct error err;
    void (*done)(void *arg, struct references *refs, const struct error *err);
    void *arg;
};

static void free_value(void *v)
{
    value_free(v);
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
    map_clear(&refs->objects, free_value);
    free(refs);
}

const struct value *references_find(const void *refs, const char *resource, const char *name)
{
    const struct references *r = refs;
    char *key CLEANUP_FREE = mem_printf("%s/%s", resource, name);

    return r ? map_get(&r->objects, slice_str(key)) : NULL;
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
    references_free(f->refs);
    error_clear(&f->err);
    free(f);
}

static void got(void *arg, int status, struct slice body, const struct error *err)
{
    struct get *g = arg;
    struct references_fetch *f = g->fetch;

    g->call = NULL;
    if (!err) {
        struct value *v = value_parse(body, &f->err);

        if (v)
            value_free(map_put(&f->refs->objects, slice_str(g->key), v));
    } else if (err->code != ERROR_NOT_FOUND) {
        error_copy(&f->err, err);
    }
    if (--f->left)
        return;
    f->done(f->arg, error_is_set(&f->err) ? NULL : STEAL(f->refs), error_is_set(&f->err) ? &f->err : NULL);
    fetch_free(f);
}

static void get_start(struct references_fetch *f, struct get *g, const char *ns)
{
    struct slice name = slice_str(g->key);
    struct slice resource;
    const struct schema_kind *kind;
    char *text CLEANUP_FREE = NULL;

    (void)slice_split(&name, '/', &resource);
    text = slice_dup(name);
    kind = schema_find_resource(SLICE_LIT(""), SLICE_LIT("v1"), resource);
    g->call = client_get(f->client, kind, ns, text, got, g);
}

struct references_fetch *references_fetch(struct client *client, const struct value *pod,
                                          void (*done)(void *arg, struct references *refs, const struct error *err),
                                          void *arg)
{
    struct references_fetch *f = mem_zalloc(sizeof(*f));
    struct str_list keys = {0};

    f->client = client;
    f->done = done;
    f->arg = arg;
    f->refs = mem_zalloc(sizeof(*f->refs));
    f->refs->refs = 1;
    pod_each_reference(pod, collect, &keys);
    f->gets = mem_calloc(keys.count, sizeof(*f->gets));
    f->count = f->left = keys.count;
    for (size_t i = 0; i < keys.count; i++) {
        f->gets[i] = (struct get){.fetch = f, .key = keys.items[i]};
        get_start(f, &f->gets[i], pod_namespace(pod));
    }
    free(keys.items);
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
