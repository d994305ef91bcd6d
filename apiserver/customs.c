/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table of all definitions, kept by what the store's writer thread hands over: before a writer is told that his
 * change is durable, its event lies in `pending`, and whoever asks next takes that in first. So a kind is there, and
 * gone, with the answer to the write, and a change costs what one definition costs, however many there are. Everything
 * but `pending` is under the lock; what leaves it is counted by references.
 */
#include "apiserver/customs.h"

#include "apiserver/meta.h"
#include "apiserver/registry.h"
#include "lib/log.h"
#include "lib/map.h"

#define CUSTOMS_GROUP "apiextensions.k8s.io"
#define CUSTOMS_KIND  "customresourcedefinitions"

#define CUSTOMS_NAMES_MAX   100
#define CUSTOMS_PENDING_MAX 100

struct custom_version_entry {
    struct custom_kind *head;
    struct custom_kind *whole; /* NULL until the first request; under the lock */
    bool hidden;               /* not served: for who empties a definition that is deleted */
};

struct custom_definition {
    uint64_t revision;
    char *name; /* of the object */
    char *list_kind;
    struct custom_version_entry *versions; /* served ones, or one hidden; none when it is not established */
    size_t version_count;
};

/* All kinds at one moment, and the documents about them. */
struct customs_snapshot {
    unsigned refs; /* atomic */
    struct customs *customs;
    uint64_t generation;
    const struct schema_kind **kinds; /* built-in ones, then heads */
    size_t builtin;
    size_t count;
    struct documents *documents;
};

struct customs {
    struct store *store;
    struct store_watch *watch;
    char *server_address;
    struct openapi_hashes *hashes; /* of what no definition changes */
    pthread_mutex_t pending_lock;
    struct store_event **pending; /* in order */
    size_t pending_count;
    size_t pending_cap;
    bool overrun; /* more than that happened, and nobody asked: all is to be read anew */
    pthread_mutex_t lock;
    bool loaded;                       /* what there was before the pending events */
    uint64_t generation;               /* counts the changes of the table */
    struct map by_name;                /* of the object; owns */
    struct map by_place;               /* what is served, by "GROUP/PLURAL" */
    struct map names;                  /* of what is served, by "GROUP/NAME": plurals, singulars, short names */
    struct map kinds;                  /* likewise: kinds and kinds of lists */
    struct customs_snapshot *snapshot; /* the newest anybody wanted; NULL = none */
};

/* On the store's writer thread. */
static void customs_on_events(void *arg, struct store_event *const *events, size_t count, uint64_t revision)
{
    struct customs *customs = arg;

    (void)pthread_mutex_lock(&customs->pending_lock);
    customs->overrun = customs->overrun || customs->pending_count + count > CUSTOMS_PENDING_MAX;
    if (!customs->overrun)
        customs->pending = mem_grow(customs->pending, &customs->pending_cap, customs->pending_count + count,
                                    sizeof(struct store_event *));
    for (size_t i = 0; i < count && !customs->overrun; i++)
        customs->pending[customs->pending_count++] = store_event_ref(events[i]);
    (void)pthread_mutex_unlock(&customs->pending_lock);
}

struct customs *customs_new(struct store *store, const char *server_address)
{
    struct customs *customs = mem_zalloc(sizeof(*customs));
    uint64_t revision;

    customs->store = store;
    customs->server_address = mem_strdup(server_address);
    customs->hashes = openapi_hashes_new();
    customs->generation = 1;
    (void)pthread_mutex_init(&customs->pending_lock, NULL);
    (void)pthread_mutex_init(&customs->lock, NULL);
    customs->watch = store_watch_open(store, SLICE_LIT(REGISTRY_PREFIX REGISTRY_DEFINITIONS "/"), customs_on_events,
                                      customs, &revision);
    return customs;
}

/* ---- definitions ---- */

static void definition_free(void *arg)
{
    struct custom_definition *d = arg;

    for (size_t i = 0; i < d->version_count; i++) {
        custom_kind_unref(d->versions[i].head);
        custom_kind_unref(d->versions[i].whole);
    }
    free(d->versions);
    free(d->name);
    free(d->list_kind);
    free(d);
}

static void definition_add(struct custom_definition *d, const struct value *object, const struct value *version,
                           bool hidden)
{
    struct custom_version_entry *v = &d->versions[d->version_count++];

    v->head = custom_kind_head(object, version);
    v->hidden = hidden;
}

static struct custom_definition *definition_read(const struct value *object, uint64_t revision)
{
    struct custom_definition *d = mem_zalloc(sizeof(*d));
    const struct value *versions = value_path(object, "spec", "versions", NULL);
    const struct value *names = custom_names(object);

    d->revision = revision;
    d->name = slice_dup(value_string(value_path(object, "metadata", "name", NULL)));
    d->list_kind = slice_dup(value_string(value_get(names, "listKind")));
    if (!custom_is_established(object))
        return d;
    d->versions = mem_calloc(value_count(versions) + 1, sizeof(*d->versions));
    for (size_t i = 0; i < value_count(versions); i++)
        if (value_bool(value_get(value_at(versions, i), "served")))
            definition_add(d, object, value_at(versions, i), false);
    for (size_t i = 0; i < value_count(versions) && !d->version_count && meta_is_deleting(object); i++)
        if (value_bool(value_get(value_at(versions, i), "storage")))
            definition_add(d, object, value_at(versions, i), true);
    return d;
}

/* The object of a definition as it is stored now; NULL when it is gone or cannot be read. */
static struct value *definition_object(struct customs *customs, const char *name)
{
    const struct schema_kind *kind = registry_need_kind(CUSTOMS_GROUP, CUSTOMS_KIND);
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};

    if (registry_get(customs->store, kind, "", name, &item, NULL) < 0)
        return NULL;
    return value_parse(buf_slice(&item.value), NULL);
}

/* ---- the table, all under the lock ---- */

static void index_set(struct map *index, const struct custom_definition *d, const char *name, bool add)
{
    char *key CLEANUP_FREE = mem_printf("%s/%s", custom_kind_schema(d->versions[0].head)->group, name);

    if (add)
        (void)map_put(index, slice_str(key), (void *)d);
    else if (map_get(index, slice_str(key)) == d)
        (void)map_remove(index, slice_str(key));
}

/* Enters what is served by the definition, or takes it out. */
static void customs_index(struct customs *customs, const struct custom_definition *d, bool add)
{
    const struct schema_kind *kind;

    if (!d->version_count)
        return;
    kind = custom_kind_schema(d->versions[0].head);
    index_set(&customs->by_place, d, kind->plural, add);
    index_set(&customs->names, d, kind->plural, add);
    index_set(&customs->names, d, kind->singular, add);
    for (size_t i = 0; kind->short_names[i]; i++)
        index_set(&customs->names, d, kind->short_names[i], add);
    index_set(&customs->kinds, d, kind->kind, add);
    index_set(&customs->kinds, d, d->list_kind, add);
}

static void customs_remove(struct customs *customs, struct slice name)
{
    struct custom_definition *d = map_remove(&customs->by_name, name);

    if (!d)
        return;
    customs_index(customs, d, false);
    definition_free(d);
}

static void customs_put(struct customs *customs, struct slice name, struct slice json, uint64_t revision)
{
    struct value *object CLEANUP_VALUE = value_parse(json, NULL);
    struct custom_definition *d;

    customs_remove(customs, name);
    if (!object) {
        log_error("apiserver", "a stored definition of custom resources cannot be read and is not served");
        return;
    }
    d = definition_read(object, revision);
    (void)map_put(&customs->by_name, name, d);
    customs_index(customs, d, true);
}

static void customs_clear(struct customs *customs)
{
    map_clear(&customs->by_place, NULL);
    map_clear(&customs->names, NULL);
    map_clear(&customs->kinds, NULL);
    map_clear(&customs->by_name, definition_free);
}

static int customs_load_one(void *arg, const struct store_item *item)
{
    struct registry_place place;

    if (registry_parse(item->key, false, &place))
        customs_put(arg, place.name, item->value, item->mod_revision);
    return 0;
}

/* What cannot be read is tried again by the next request. */
static void customs_load(struct customs *customs)
{
    const struct schema_kind *kind = registry_need_kind(CUSTOMS_GROUP, CUSTOMS_KIND);
    struct pool *pool CLEANUP_POOL = pool_new();
    const struct store_range range = {.prefix = registry_prefix(pool, kind, ""), .skip_count = true};
    struct store_range_result result;
    ERROR_LOCAL(err);

    customs_clear(customs);
    customs->generation++;
    customs->loaded = store_list(customs->store, &range, customs_load_one, customs, &result, &err) == 0;
    if (!customs->loaded)
        log_error("apiserver", "definitions of custom resources cannot be read: %s", error_text(&err));
}

/* Events that are older than what was loaded change nothing. */
static void customs_take(struct customs *customs, const struct store_event *event)
{
    const struct custom_definition *known;
    struct registry_place place;

    if (!registry_parse(event->key, false, &place))
        return;
    known = map_get(&customs->by_name, place.name);
    if (known && known->revision >= event->revision)
        return;
    if (event->kind == STORE_EVENT_DELETE)
        customs_remove(customs, place.name);
    else
        customs_put(customs, place.name, event->value, event->revision);
    customs->generation++;
}

/* Locks the table, and brings it up to date. */
static struct customs *customs_lock(struct front *front)
{
    struct customs *customs = front->server->customs;
    struct store_event **events;
    size_t count;
    bool take;

    (void)pthread_mutex_lock(&customs->lock);
    (void)pthread_mutex_lock(&customs->pending_lock);
    events = STEAL(customs->pending);
    count = customs->pending_count;
    customs->pending_count = customs->pending_cap = 0;
    customs->loaded = customs->loaded && !customs->overrun;
    customs->overrun = false;
    (void)pthread_mutex_unlock(&customs->pending_lock);
    take = customs->loaded;
    if (!customs->loaded)
        customs_load(customs); /* with what they tell, and with what did not find room behind them */
    for (size_t i = 0; i < count; i++) {
        if (take)
            customs_take(customs, events[i]);
        store_event_unref(events[i]);
    }
    free(events);
    return customs;
}

static void customs_unlock(struct customs *customs)
{
    (void)pthread_mutex_unlock(&customs->lock);
}

void customs_free(struct customs *customs)
{
    if (!customs)
        return;
    store_watch_close(customs->watch);
    for (size_t i = 0; i < customs->pending_count; i++)
        store_event_unref(customs->pending[i]);
    free(customs->pending);
    customs_snapshot_unref(customs->snapshot);
    customs_clear(customs);
    (void)pthread_mutex_destroy(&customs->pending_lock);
    (void)pthread_mutex_destroy(&customs->lock);
    openapi_hashes_free(customs->hashes);
    free(customs->server_address);
    free(customs);
}

/* ---- documents ---- */

/* From any thread: what it looks at does not change. */
static const struct schema_kind *snapshot_describe(void *arg, const struct schema_kind *kind, bool v2)
{
    struct customs_snapshot *all = arg;
    char *name CLEANUP_FREE = mem_printf("%s.%s", kind->plural, kind->group); /* as validation wants it */
    struct value *object CLEANUP_VALUE = kind->custom ? definition_object(all->customs, name) : NULL;
    const struct value *version = object ? custom_version(object, slice_str(kind->version)) : NULL;

    return version ? custom_kind_schema(custom_kind_documented(object, version, v2 ? CUSTOM_V2 : CUSTOM_V3)) : kind;
}

static void snapshot_described(void *arg, const struct schema_kind *kind)
{
    custom_kind_unref(custom_kind_of(kind));
}

void customs_snapshot_unref(struct customs_snapshot *all)
{
    if (!all || __atomic_sub_fetch(&all->refs, 1, __ATOMIC_ACQ_REL))
        return;
    documents_free(all->documents);
    for (size_t i = all->builtin; i < all->count; i++)
        custom_kind_unref(custom_kind_of(all->kinds[i]));
    free(all->kinds);
    free(all);
}

static int definition_order(const void *a, const void *b)
{
    return strcmp((*(const struct custom_definition *const *)a)->name,
                  (*(const struct custom_definition *const *)b)->name);
}

/* All kinds: the built-in ones, then those of the definitions in the order of their names. Under the lock. */
static void snapshot_add_kinds(struct customs_snapshot *all, const struct customs *customs)
{
    CLEANUP_FREE const struct custom_definition **list = mem_calloc(customs->by_place.count + 1, sizeof(*list));
    const struct schema_kind *const *builtin = schema_kinds(&all->builtin);
    size_t total = all->builtin;
    size_t count = 0;

    map_for_each (e, &customs->by_place) {
        list[count++] = e->value;
        total += list[count - 1]->version_count;
    }
    qsort(list, count, sizeof(*list), definition_order);
    all->kinds = mem_calloc(total + 1, sizeof(*all->kinds));
    memcpy(all->kinds, builtin, all->builtin * sizeof(*all->kinds));
    all->count = all->builtin;
    for (size_t i = 0; i < count; i++)
        for (size_t v = 0; v < list[i]->version_count; v++)
            if (!list[i]->versions[v].hidden)
                all->kinds[all->count++] = custom_kind_schema(custom_kind_ref(list[i]->versions[v].head));
}

/* Under the lock. */
static struct customs_snapshot *snapshot_new(struct customs *customs)
{
    struct customs_snapshot *all = mem_zalloc(sizeof(*all));

    all->refs = 1;
    all->customs = customs;
    all->generation = customs->generation;
    snapshot_add_kinds(all, customs);
    all->documents = documents_make(&(struct documents_options){customs->server_address,
                                                                all->kinds,
                                                                all->count,
                                                                {snapshot_describe, snapshot_described, all},
                                                                customs->hashes});
    return all;
}

struct documents *customs_documents(struct front *front, struct customs_snapshot **ret_snapshot)
{
    struct customs *customs = customs_lock(front);
    struct customs_snapshot *s = customs->snapshot;

    if (!s || s->generation != customs->generation) {
        customs_snapshot_unref(s);
        s = customs->snapshot = snapshot_new(customs);
    }
    (void)__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    customs_unlock(customs);
    *ret_snapshot = s;
    return s->documents;
}

void customs_tidy(struct customs *customs)
{
    (void)pthread_mutex_lock(&customs->lock);
    if (customs->snapshot)
        documents_tidy(customs->snapshot->documents);
    (void)pthread_mutex_unlock(&customs->lock);
}

/* ---- kinds ---- */

void customs_let_go(void *request)
{
    custom_kind_unref(((struct request *)request)->custom);
}

/* The whole kind of a version, compiled when it is not yet; a reference, or NULL. Under the lock. */
static struct custom_kind *definition_compile(struct customs *customs, struct custom_definition *d,
                                              struct custom_version_entry *v)
{
    if (!v->whole) {
        struct value *object CLEANUP_VALUE = definition_object(customs, d->name);
        const struct value *version = object ? custom_version(object, slice_str(custom_kind_schema(v->head)->version))
                                             : NULL;

        v->whole = version ? custom_kind_whole(object, version) : NULL;
    }
    return v->whole ? custom_kind_ref(v->whole) : NULL;
}

/* The version that is served there, or NULL. Under the lock. */
static struct custom_version_entry *customs_version(const struct customs *customs, const char *group,
                                                    const char *version, const char *plural,
                                                    struct custom_definition **ret_definition)
{
    char *place CLEANUP_FREE = mem_printf("%s/%s", group, plural);
    struct custom_definition *d = map_get(&customs->by_place, slice_str(place));

    *ret_definition = d;
    for (size_t i = 0; d && i < d->version_count; i++)
        if (!strcmp(custom_kind_schema(d->versions[i].head)->version, version))
            return &d->versions[i];
    return NULL;
}

const struct schema_kind *customs_find(struct request *req, const char *group, const char *version, const char *plural)
{
    struct customs *customs = customs_lock(req->front);
    struct custom_definition *d;
    struct custom_version_entry *v = customs_version(customs, group, version, plural, &d);
    bool may = v && (!v->hidden || req->http->peer->local_user);
    struct custom_kind *kind = may ? definition_compile(customs, d, v) : NULL;

    customs_unlock(customs);
    if (!kind)
        return NULL;
    req->custom = kind;
    return custom_kind_schema(kind);
}

bool customs_is_current(struct front *front, const struct schema_kind *kind)
{
    struct customs *customs = customs_lock(front);
    struct custom_definition *d;
    const struct custom_version_entry *v = customs_version(customs, kind->group, kind->version, kind->plural, &d);
    bool current = v && custom_kind_schema(v->head)->hash == kind->hash;

    customs_unlock(customs);
    return current;
}

/* ---- names ---- */

/* Whether another definition of the group is served by this resource name, or has this kind or list kind. Under the
 * lock. */
static bool customs_taken(const struct customs *customs, const char *own, const char *group, const char *name,
                          bool of_kind)
{
    char *key CLEANUP_FREE = mem_printf("%s/%s", group, name);
    const struct custom_definition *d = map_get(of_kind ? &customs->kinds : &customs->names, slice_str(key));

    return d && strcmp(d->name, own) != 0;
}

/* Those of `wanted` (one name, or short names) that are somebody else's, as one sentence; NULL = none is. Under the
 * lock. */
static const char *customs_taken_of(const struct customs *customs, struct request *req, const char *own,
                                    const char *group, const struct value *wanted, bool of_kind)
{
    bool list = value_is(wanted, VALUE_ARRAY);
    size_t count = list ? value_count(wanted) : 1;
    size_t taken = 0;
    BUF_LOCAL(text);

    for (size_t i = 0; i < count && i < CUSTOMS_NAMES_MAX; i++) { /* more are refused */
        const char *name = value_str(list ? value_at(wanted, i) : wanted);

        if (name && *name && customs_taken(customs, own, group, name, of_kind))
            buf_printf(&text, "%s\"%s\" is already in use", taken++ ? ", " : "", name);
    }
    if (!taken)
        return NULL;
    return pool_printf(req->pool, taken > 1 ? "[%s]" : "%s", buf_cstr(&text));
}

const char *customs_accept(struct request *req, const struct value *definition, struct value *ret_names,
                           const char **ret_message)
{
    static const struct {
        const char *member;
        const char *reason;
        bool of_kind;
        bool needed;
    } names[] = {{"plural", "PluralConflict", false, true},          {"singular", "SingularConflict", false, false},
                 {"shortNames", "ShortNamesConflict", false, false}, {"kind", "KindConflict", true, true},
                 {"listKind", "ListKindConflict", true, false},      {"categories", NULL, false, false}};
    const struct value *before = value_path(definition, "status", "acceptedNames", NULL);
    const struct value *wanted = value_path(definition, "spec", "names", NULL);
    const char *own = value_str(value_path(definition, "metadata", "name", NULL));
    const char *group = value_str(value_path(definition, "spec", "group", NULL));
    struct customs *customs = customs_lock(req->front);
    const char *reason = NULL;

    for (size_t i = 0; own && group && i < ARRAY_SIZE(names); i++) {
        const struct value *v = value_get(wanted, names[i].member);
        const char *message = names[i].reason ? customs_taken_of(customs, req, own, group, v, names[i].of_kind) : NULL;

        if (message) {
            reason = names[i].reason;
            *ret_message = message;
            v = value_get(before, names[i].member);
        }
        if (v)
            value_set(ret_names, names[i].member, value_copy(v));
        else if (names[i].needed)
            value_set_str(ret_names, names[i].member, "");
    }
    customs_unlock(customs);
    return reason;
}
