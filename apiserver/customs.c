/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's writer thread leaves the revision of the newest change of any definition in `changed` before the writer
 * is told that it is durable. Every front holds a snapshot and compares one number before it uses it; only when it is
 * behind it takes the lock, and whoever comes first makes the new one. So a kind is there, and gone, with the answer to
 * the write. Definitions that did not change go from snapshot to snapshot with what was compiled of them.
 */
#include "apiserver/customs.h"

#include "apiserver/registry.h"
#include "lib/log.h"
#include "lib/map.h"

#define CUSTOMS_GROUP "apiextensions.k8s.io"
#define CUSTOMS_KIND  "customresourcedefinitions"

#define CUSTOMS_NAMES_MAX 100

struct custom_version_entry {
    struct custom_kind *head;
    struct custom_kind *whole; /* NULL until the first request; under the lock */
};

struct custom_definition {
    unsigned refs; /* atomic */
    uint64_t revision;
    char *name;  /* of the object */
    char *place; /* "GROUP/PLURAL" */
    char *list_kind;
    struct custom_version_entry *versions; /* served ones; none when it is not established */
    size_t version_count;
};

struct customs_snapshot {
    unsigned refs; /* atomic */
    struct customs *customs;
    struct custom_definition **definitions;
    size_t count;
    size_t cap;
    struct map by_name; /* of the object */
    struct map by_place;
    const struct schema_kind **kinds; /* built-in ones, then heads; NULL until somebody wants documents */
    struct documents *documents;      /* NULL likewise; made under the lock */
};

struct customs {
    struct store *store;
    struct store_watch *watch;
    char *server_address;
    uint64_t changed; /* atomic */
    pthread_mutex_t lock;
    struct customs_snapshot *current; /* guarded by lock */
    uint64_t current_revision;        /* guarded by lock: what `changed` was when it was made */
};

/* On the store's writer thread. */
static void customs_on_events(void *arg, struct store_event *const *events, size_t count, uint64_t revision)
{
    __atomic_store_n(&((struct customs *)arg)->changed, revision, __ATOMIC_RELEASE);
}

struct customs *customs_new(struct store *store, const char *server_address)
{
    struct customs *customs = mem_zalloc(sizeof(*customs));
    uint64_t revision;

    customs->store = store;
    customs->server_address = mem_strdup(server_address);
    customs->changed = 1; /* more than the 0 of a front that has none yet */
    (void)pthread_mutex_init(&customs->lock, NULL);
    customs->watch = store_watch_open(store, SLICE_LIT(REGISTRY_PREFIX REGISTRY_DEFINITIONS "/"), customs_on_events,
                                      customs, &revision);
    return customs;
}

void customs_free(struct customs *customs)
{
    if (!customs)
        return;
    store_watch_close(customs->watch);
    customs_snapshot_unref(customs->current);
    (void)pthread_mutex_destroy(&customs->lock);
    free(customs->server_address);
    free(customs);
}

/* ---- definitions ---- */

static void definition_unref(struct custom_definition *d)
{
    if (__atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL))
        return;
    for (size_t i = 0; i < d->version_count; i++) {
        custom_kind_unref(d->versions[i].head);
        custom_kind_unref(d->versions[i].whole);
    }
    free(d->versions);
    free(d->name);
    free(d->place);
    free(d->list_kind);
    free(d);
}

static struct custom_definition *definition_read(const struct value *object, uint64_t revision)
{
    struct custom_definition *d = mem_zalloc(sizeof(*d));
    const struct value *versions = value_path(object, "spec", "versions", NULL);
    const struct value *names = custom_names(object);

    d->refs = 1;
    d->revision = revision;
    d->name = slice_dup(value_string(value_path(object, "metadata", "name", NULL)));
    d->place = mem_printf("%.*s/%.*s", SLICE_ARGS(value_string(value_path(object, "spec", "group", NULL))),
                          SLICE_ARGS(value_string(value_get(names, "plural"))));
    d->list_kind = slice_dup(value_string(value_get(names, "listKind")));
    if (!custom_is_established(object))
        return d;
    d->versions = mem_calloc(value_count(versions) + 1, sizeof(*d->versions));
    for (size_t i = 0; i < value_count(versions); i++)
        if (value_bool(value_get(value_at(versions, i), "served")))
            d->versions[d->version_count++].head = custom_kind_head(object, value_at(versions, i));
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

/* ---- snapshots ---- */

/* From any thread: what it looks at does not change. */
static const struct schema_kind *snapshot_describe(void *arg, const struct schema_kind *kind, bool v2)
{
    struct customs_snapshot *s = arg;
    char *place CLEANUP_FREE = mem_printf("%s/%s", kind->group, kind->plural);
    const struct custom_definition *d = map_get(&s->by_place, slice_str(place));
    struct value *object CLEANUP_VALUE = d ? definition_object(s->customs, d->name) : NULL;
    const struct value *version = object ? custom_version(object, slice_str(kind->version)) : NULL;

    return version ? custom_kind_schema(custom_kind_documented(object, version, v2 ? CUSTOM_V2 : CUSTOM_V3)) : kind;
}

static void snapshot_described(void *arg, const struct schema_kind *kind)
{
    custom_kind_unref(custom_kind_of(kind));
}

static void snapshot_add(struct customs_snapshot *s, struct custom_definition *d)
{
    s->definitions = mem_grow(s->definitions, &s->cap, s->count + 1, sizeof(struct custom_definition *));
    s->definitions[s->count++] = d;
    (void)map_put(&s->by_name, slice_str(d->name), d);
    if (d->version_count)
        (void)map_put(&s->by_place, slice_str(d->place), d);
}

/* Under the lock. */
static void snapshot_make_documents(struct customs_snapshot *s)
{
    size_t count;
    const struct schema_kind *const *builtin = schema_kinds(&count);
    size_t total = count;

    for (size_t i = 0; i < s->count; i++)
        total += s->definitions[i]->version_count;
    s->kinds = mem_calloc(total + 1, sizeof(*s->kinds));
    memcpy(s->kinds, builtin, count * sizeof(*s->kinds));
    for (size_t i = 0; i < s->count; i++)
        for (size_t v = 0; v < s->definitions[i]->version_count; v++)
            s->kinds[count++] = custom_kind_schema(s->definitions[i]->versions[v].head);
    s->documents = documents_make(&(struct documents_options){
        s->customs->server_address, s->kinds, count, {snapshot_describe, snapshot_described, s}});
}

struct snapshot_reading {
    struct customs_snapshot *made;
    const struct customs_snapshot *before; /* NULL = none */
};

static int snapshot_visit(void *arg, const struct store_item *item)
{
    struct snapshot_reading *r = arg;
    struct registry_place place;
    struct custom_definition *known = NULL;
    struct value *object CLEANUP_VALUE = NULL;

    if (r->before && registry_parse(item->key, false, &place))
        known = map_get(&r->before->by_name, place.name);
    if (known && known->revision == item->mod_revision) {
        (void)__atomic_add_fetch(&known->refs, 1, __ATOMIC_RELAXED);
        snapshot_add(r->made, known);
        return 0;
    }
    object = value_parse(item->value, NULL);
    if (object)
        snapshot_add(r->made, definition_read(object, item->mod_revision));
    else
        log_error("apiserver", "a stored definition of custom resources cannot be read and is not served");
    return 0;
}

void customs_snapshot_unref(struct customs_snapshot *s)
{
    if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
        return;
    documents_free(s->documents);
    for (size_t i = 0; i < s->count; i++)
        definition_unref(s->definitions[i]);
    map_clear(&s->by_name, NULL);
    map_clear(&s->by_place, NULL);
    free(s->definitions);
    free(s->kinds);
    free(s);
}

/* NULL when the store cannot be read. */
static struct customs_snapshot *snapshot_read(struct customs *customs)
{
    const struct schema_kind *kind = registry_need_kind(CUSTOMS_GROUP, CUSTOMS_KIND);
    struct pool *pool CLEANUP_POOL = pool_new();
    const struct store_range range = {.prefix = registry_prefix(pool, kind, ""), .skip_count = true};
    struct snapshot_reading reading = {mem_zalloc(sizeof(*reading.made)), customs->current};
    struct store_range_result result;
    ERROR_LOCAL(err);

    reading.made->refs = 1;
    reading.made->customs = customs;
    if (store_list(customs->store, &range, snapshot_visit, &reading, &result, &err) == 0)
        return reading.made;
    log_error("apiserver", "definitions of custom resources cannot be read: %s", error_text(&err));
    customs_snapshot_unref(reading.made);
    return NULL;
}

/* Under the lock. What changes while it is read makes it old again; what cannot be read stays as it was, until the next
 * request tries again. */
static void customs_refresh(struct customs *customs)
{
    uint64_t changed = __atomic_load_n(&customs->changed, __ATOMIC_ACQUIRE);
    struct customs_snapshot *made;

    if (customs->current_revision >= changed)
        return;
    made = snapshot_read(customs);
    if (made) {
        customs_snapshot_unref(customs->current);
        customs->current = made;
        customs->current_revision = changed;
    } else if (!customs->current) {
        customs->current = mem_zalloc(sizeof(*made));
        customs->current->refs = 1;
        customs->current->customs = customs;
    }
}

static struct customs_snapshot *customs_current(struct front *front)
{
    struct customs *customs = front->server->customs;

    if (front->customs_revision >= __atomic_load_n(&customs->changed, __ATOMIC_ACQUIRE))
        return front->customs;
    customs_snapshot_unref(front->customs);
    (void)pthread_mutex_lock(&customs->lock);
    customs_refresh(customs);
    front->customs = customs->current;
    (void)__atomic_add_fetch(&front->customs->refs, 1, __ATOMIC_RELAXED);
    front->customs_revision = customs->current_revision;
    (void)pthread_mutex_unlock(&customs->lock);
    return front->customs;
}

struct documents *customs_documents(struct front *front, struct customs_snapshot **ret_snapshot)
{
    struct customs_snapshot *s = customs_current(front);

    (void)pthread_mutex_lock(&s->customs->lock);
    if (!s->documents)
        snapshot_make_documents(s);
    (void)__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    (void)pthread_mutex_unlock(&s->customs->lock);
    *ret_snapshot = s;
    return s->documents;
}

void customs_tidy(struct customs *customs)
{
    (void)pthread_mutex_lock(&customs->lock);
    if (customs->current && customs->current->documents)
        documents_tidy(customs->current->documents);
    (void)pthread_mutex_unlock(&customs->lock);
}

/* ---- kinds ---- */

void customs_let_go(void *request)
{
    custom_kind_unref(((struct request *)request)->custom);
}

/* The whole kind of a version, compiled when it is not yet; a reference, or NULL. */
static struct custom_kind *definition_compile(struct customs *customs, struct custom_definition *d,
                                              struct custom_version_entry *v)
{
    struct custom_kind *kind;

    (void)pthread_mutex_lock(&customs->lock);
    if (!v->whole) {
        struct value *object CLEANUP_VALUE = definition_object(customs, d->name);
        const struct value *version = object ? custom_version(object, slice_str(custom_kind_schema(v->head)->version))
                                             : NULL;

        v->whole = version ? custom_kind_whole(object, version) : NULL;
    }
    kind = v->whole ? custom_kind_ref(v->whole) : NULL;
    (void)pthread_mutex_unlock(&customs->lock);
    return kind;
}

/* The version that is served there, or NULL. */
static struct custom_version_entry *snapshot_find(const struct customs_snapshot *s, const char *group,
                                                  const char *version, const char *plural,
                                                  struct custom_definition **ret_definition)
{
    char *place CLEANUP_FREE = mem_printf("%s/%s", group, plural);
    struct custom_definition *d = map_get(&s->by_place, slice_str(place));

    *ret_definition = d;
    for (size_t i = 0; d && i < d->version_count; i++)
        if (!strcmp(custom_kind_schema(d->versions[i].head)->version, version))
            return &d->versions[i];
    return NULL;
}

const struct schema_kind *customs_find(struct request *req, const char *group, const char *version, const char *plural)
{
    struct custom_definition *d;
    struct custom_version_entry *v = snapshot_find(customs_current(req->front), group, version, plural, &d);
    struct custom_kind *kind = v ? definition_compile(req->server->customs, d, v) : NULL;

    if (!kind)
        return NULL;
    req->custom = kind;
    return custom_kind_schema(kind);
}

bool customs_is_current(struct front *front, const struct schema_kind *kind)
{
    struct custom_definition *d;
    const struct custom_version_entry *v =
        snapshot_find(customs_current(front), kind->group, kind->version, kind->plural, &d);

    return v && custom_kind_schema(v->head)->hash == kind->hash;
}

/* ---- names ---- */

static bool names_have(const struct schema_kind *kind, const char *name)
{
    if (!strcmp(kind->plural, name) || !strcmp(kind->singular, name))
        return true;
    for (size_t i = 0; kind->short_names[i]; i++)
        if (!strcmp(kind->short_names[i], name))
            return true;
    return false;
}

/* Whether another definition of the group is served by this resource name, or has this kind or list kind. */
static bool customs_taken(const struct customs_snapshot *s, const char *own, const char *group, const char *name,
                          bool of_kind)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct custom_definition *d = s->definitions[i];
        const struct schema_kind *kind = d->version_count ? custom_kind_schema(d->versions[0].head) : NULL;

        if (!kind || !strcmp(d->name, own) || strcmp(kind->group, group) != 0)
            continue;
        if (of_kind ? !strcmp(kind->kind, name) || !strcmp(d->list_kind, name) : names_have(kind, name))
            return true;
    }
    return false;
}

const char *customs_conflict(struct request *req, const struct value *definition, const char **ret_message)
{
    static const struct {
        const char *member;
        const char *reason;
        bool of_kind;
    } names[] = {{"plural", "PluralConflict", false},
                 {"singular", "SingularConflict", false},
                 {"shortNames", "ShortNamesConflict", false},
                 {"kind", "KindConflict", true},
                 {"listKind", "ListKindConflict", true}};
    const struct customs_snapshot *s = customs_current(req->front);
    const struct value *wanted = value_path(definition, "spec", "names", NULL);
    const char *own = value_str(value_path(definition, "metadata", "name", NULL));
    const char *group = value_str(value_path(definition, "spec", "group", NULL));

    for (size_t i = 0; own && group && i < ARRAY_SIZE(names); i++) {
        const struct value *v = value_get(wanted, names[i].member);
        size_t count = value_is(v, VALUE_ARRAY) ? value_count(v) : 1;

        for (size_t k = 0; k < count && k < CUSTOMS_NAMES_MAX; k++) { /* more are refused */
            const char *name = value_str(value_is(v, VALUE_ARRAY) ? value_at(v, k) : v);

            if (!name || !*name || !customs_taken(s, own, group, name, names[i].of_kind))
                continue;
            *ret_message = pool_printf(req->pool, "\"%s\" is already in use", name);
            return names[i].reason;
        }
    }
    return NULL;
}
