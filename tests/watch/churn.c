/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watchers of every kind at a front with its own store, while much is written and old revisions are forgotten; then
 * the judgement (check.h). The front's loop, its watchers and the writing are this thread, the store's writer is its
 * own, so what races in a server races here.
 *
 * watch-churn [CHANGES [SEED]]
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "api/value.h"
#include "apiserver/hub.h"
#include "tests/watch/check.h"
#include "tests/watch/peer.h"

#define KEYS       1024
#define NAMESPACES 7
#define KINDS      2
#define LABELS     3
#define NODES      40
#define WATCHERS   240
#define IN_FLIGHT  64 /* transactions */
#define SETTLE_S   60
#define WINDOW_NS  (100 * NS_PER_MS) /* that the past of the second kind is kept at least */
#define LEAST      20                /* events that a change must have come to, or little was looked at */
/* What may wait for one watcher: 4 MiB, after which it leaves the hub, and what one batch of the store adds at most. */
#define UNSENT_MAX (8u << 20)
#define UNSENT_LOG (4u << 20) /* behind which a watcher reads on from the log */

/* One kind whose past is kept as long as there is room, and one whose past goes early, in between. */
static const struct {
    const char *plural;
    const char *kind;
    const char *field; /* which says the node */
} kinds[KINDS] = {
    {"pods", "Pod", "spec.nodeName"},
    {"events", "Event", "reason"},
};

/* How somebody watches. */
enum manner {
    STEADY,   /* reads what there is */
    SLOW,     /* reads a little at a time */
    NAPPING,  /* does not read for long */
    BREAKING, /* its connection breaks often; goes on from anywhere in what it had */
    TIMED,    /* asks for a second, and goes on where that ended */
    ABSENT,   /* breaks, and is away so long that its revision may be forgotten */
    MANNERS
};

struct watcher {
    struct record_selector selector;
    enum manner manner;
    struct record_session *session; /* the last */
    struct peer *peer;
    size_t until; /* changes issued: it sleeps, or is away */
    size_t life;  /* changes issued: then it breaks */
};

struct object {
    bool present;
    uint8_t label;
    uint8_t node;
};

struct churn {
    char dir[64];
    uint64_t seed;
    struct record record;
    struct store *store;
    struct apiserver *server;
    struct front *front;
    const struct schema_kind *kinds[KINDS];
    struct watcher watchers[WATCHERS];
    struct object objects[KEYS];
    size_t goal;
    size_t issued; /* changes */
    size_t in_flight;
    size_t compact_at;
    bool ended_all;
    uint64_t cleaned; /* segments of the log */
    bool settling;
    uint32_t value;
    char pad[4096];
};

/* One transaction on its way. */
struct write {
    struct churn *churn;
    size_t count;
    struct record_change changes[];
};

static unsigned draw(struct churn *c, size_t below)
{
    c->seed = c->seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((c->seed >> 33) % below);
}

_Noreturn static void die(const char *what, const char *why)
{
    (void)printf("FAILED: %s: %s\n", what, why);
    exit(1);
}

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

/* On the store's thread, in the order of the revisions. */
static void write_done(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    struct write *write = arg;

    (void)failed_condition;
    if (err)
        die("a write", error_text(err));
    for (size_t i = 0; i < write->count; i++) {
        write->changes[i].revision = revision;
        record_add_change(&write->churn->record, &write->changes[i]);
    }
    (void)__atomic_sub_fetch(&write->churn->in_flight, 1, __ATOMIC_RELEASE);
    free(write);
}

static void churn_object(struct churn *c, uint32_t key, struct record_change *ret_change)
{
    struct object *o = &c->objects[key];

    if (o->present && draw(c, 6) == 0) {
        *o = (struct object){0};
        *ret_change = (struct record_change){.key = key};
        return;
    }
    if (!o->present || draw(c, 4) == 0)
        o->label = (uint8_t)draw(c, LABELS);
    if (!o->present || draw(c, 4) == 0)
        o->node = (uint8_t)draw(c, NODES);
    o->present = true;
    *ret_change = (struct record_change){0, key, ++c->value, o->label, o->node};
}

static void churn_text(struct churn *c, const struct record_change *change, struct buf *value, struct buf *meta)
{
    unsigned kind = change->key % KINDS;
    unsigned pad = draw(c, 40) ? draw(c, 900) : draw(c, sizeof(c->pad));

    buf_printf(value,
               "{\"apiVersion\":\"v1\",\"kind\":\"%s\",\"metadata\":{\"name\":\"p%06u\",\"namespace\":\"w%u\","
               "\"labels\":{\"app\":\"a%u\"},\"annotations\":{\"v\":\"%u\"}},",
               kinds[kind].kind, change->key, change->key % NAMESPACES, change->label, change->value);
    if (kind)
        buf_printf(value, "\"reason\":\"n%u\",\"message\":\"%.*s\"}", change->node, (int)pad, c->pad);
    else
        buf_printf(value, "\"spec\":{\"nodeName\":\"n%u\"},\"status\":{\"message\":\"%.*s\"}}", change->node, (int)pad,
                   c->pad);
    object_encode_meta(c->kinds[kind], buf_slice(value), meta);
}

static void churn_commit(struct churn *c)
{
    size_t count = draw(c, 10) < 6 ? 1 : draw(c, 4) ? 2 + draw(c, 3) : 2 + draw(c, 22);
    struct write *write = mem_zalloc(sizeof(*write) + count * sizeof(struct record_change));
    struct store_operation operations[STORE_OPS_MAX] = {0};
    struct pool *pool CLEANUP_POOL = pool_new();
    uint32_t first = draw(c, KEYS);

    write->churn = c;
    write->count = count;
    for (size_t i = 0; i < count; i++) {
        struct record_change *change = &write->changes[i];
        struct store_operation *op = &operations[i];
        BUF_LOCAL(value);
        BUF_LOCAL(meta);

        churn_object(c, (first + (uint32_t)i * 17) % KEYS, change);
        op->kind = change->value ? STORE_PUT : STORE_DELETE;
        op->class = registry_class(c->kinds[change->key % KINDS]);
        op->key = slice_str(pool_printf(pool, REGISTRY_PREFIX "/%s/w%u/p%06u", kinds[change->key % KINDS].plural,
                                        change->key % NAMESPACES, change->key));
        if (!change->value)
            continue;
        churn_text(c, change, &value, &meta);
        op->value = slice_make(pool_slice_dup(pool, buf_slice(&value)), value.len);
        op->meta = slice_make(pool_slice_dup(pool, buf_slice(&meta)), meta.len);
    }
    c->issued += count;
    (void)__atomic_add_fetch(&c->in_flight, 1, __ATOMIC_RELAXED);
    store_commit(c->store, &(struct store_transaction){NULL, 0, operations, count}, write_done, write);
}

static void churn_write(struct churn *c)
{
    while (c->issued < c->goal && __atomic_load_n(&c->in_flight, __ATOMIC_ACQUIRE) < IN_FLIGHT)
        churn_commit(c);
    if (c->issued >= c->compact_at) {
        uint64_t revision = store_revision(c->store), keep = 100 + draw(c, 3000);

        if (revision > keep)
            store_compact(c->store, revision - keep, NULL, NULL);
        c->compact_at = c->issued + 200 + draw(c, 1500);
    }
    if (c->issued >= c->goal / 2 && !c->ended_all) {
        front_end_streams(c->front); /* as when the server stops */
        c->ended_all = true;
    }
}

/* ---- watching -----------------------------------------------------------------------------------------------------
 */

/* Any revision that it had, or the last. */
static uint64_t watcher_place(struct churn *c, const struct watcher *w)
{
    const struct record_session *s = w->session;
    uint64_t last = record_resume(s), any;

    if (w->manner != BREAKING || !s->count || draw(c, 2))
        return last;
    any = s->events[draw(c, s->count)].revision;
    /* Of a list an object's revision may be older than the list's, which then says nothing of the time between. */
    return any && any <= last && !s->list ? any : last;
}

static void watcher_begin(struct churn *c, struct watcher *w)
{
    uint64_t place = w->session && !w->session->expired ? watcher_place(c, w) : 0;

    w->session = record_add_session(&c->record, (unsigned)(w - c->watchers), &w->selector);
    w->session->list = !place;
    w->session->after = place;
    w->life = c->issued + 20 + draw(c, 4000);
    w->until = 0;
    char *path CLEANUP_FREE = record_path(w->session, kinds[w->selector.kind].plural, kinds[w->selector.kind].field,
                                          w->manner == TIMED && !c->settling ? "&timeoutSeconds=1" : "");
    w->peer = peer_open(c->front, w->session, c->kinds[w->selector.kind], path);
}

static void watcher_after_end(struct churn *c, struct watcher *w)
{
    if (peer_trouble(w->peer))
        die("a watcher", peer_trouble(w->peer));
    peer_free(w->peer);
    w->peer = NULL;
    w->until = c->issued + (w->manner == ABSENT ? draw(c, 12000) : draw(c, 100));
}

static size_t watcher_appetite(struct churn *c, struct watcher *w)
{
    if (c->settling || (w->manner != SLOW && w->manner != NAPPING))
        return SIZE_MAX;
    if (w->manner == SLOW)
        return draw(c, 3000);
    if (c->issued < w->until)
        return 0;
    w->until = draw(c, 20) ? 0 : c->issued + draw(c, 20000);
    return SIZE_MAX;
}

static void watcher_turn(struct churn *c, struct watcher *w)
{
    if (!w->peer) {
        if (c->settling || c->issued >= w->until)
            watcher_begin(c, w);
        return;
    }
    if (peer_over(w->peer)) {
        watcher_after_end(c, w);
        return;
    }
    peer_read(w->peer, watcher_appetite(c, w));
    if (!c->settling && (w->manner == BREAKING || w->manner == ABSENT) && c->issued >= w->life)
        peer_cut(w->peer);
}

static void watcher_choose(struct churn *c, size_t i)
{
    struct watcher *w = &c->watchers[i];
    struct record_selector *s = &w->selector;

    *s = (struct record_selector){RECORD_ANY, RECORD_ANY, RECORD_ANY, RECORD_ANY, draw(c, KINDS)};
    w->manner = (enum manner)(i % MANNERS);
    switch (i / MANNERS % 6) {
    case 0:
        break;
    case 1:
        s->namespace_ = (int)draw(c, NAMESPACES);
        break;
    case 2:
        s->label = (int)draw(c, LABELS);
        break;
    case 3:
        s->node = (int)draw(c, NODES);
        break;
    case 4:
        s->key = (int)(draw(c, KEYS / KINDS) * KINDS + s->kind);
        s->namespace_ = draw(c, 2) ? s->key % NAMESPACES : RECORD_ANY;
        break;
    default:
        s->namespace_ = (int)draw(c, NAMESPACES);
        s->label = (int)draw(c, LABELS);
        s->node = (int)draw(c, NODES);
    }
}

/* Live, and told that everything up to the last revision was sent. */
static bool watcher_settled(const struct churn *c, const struct watcher *w)
{
    const struct record_session *s = w->session;

    return w->peer && s && s->count && s->events[s->count - 1].type == RECORD_BOOKMARK &&
           s->events[s->count - 1].revision >= c->record.last;
}

/* ---- the run ------------------------------------------------------------------------------------------------------
 */

static void churn_turn(struct churn *c)
{
    loop_turn(c->front->loop, false);
    for (int i = 0; i < 4; i++)
        hub_tick(c->front->hub);
    for (size_t i = 0; i < WATCHERS; i++)
        watcher_turn(c, &c->watchers[i]);
}

static void churn_settle(struct churn *c)
{
    int64_t end = clock_monotonic_ns(clock_system()) + SETTLE_S * NS_PER_S;
    bool settled = false;

    struct store_stats stats;

    store_get_stats(c->store, &stats);
    c->cleaned = stats.cleaned;
    c->settling = true;
    c->record.last = store_revision(c->store);
    while (!settled) {
        settled = true;
        churn_turn(c);
        for (size_t i = 0; i < WATCHERS; i++)
            settled = watcher_settled(c, &c->watchers[i]) && settled;
        if (!settled && clock_monotonic_ns(clock_system()) > end)
            break; /* the judge says who lacks what */
    }
}

static void churn_start(struct churn *c)
{
    struct store_options store = {.path = c->dir, .segment_bytes = 1 << 20, .history = 8 << 20, .window_ns = WINDOW_NS};
    struct apiserver_options options = {.fronts = 1, .service_cidr = "10.96.0.0/24"};
    ERROR_LOCAL(err);

    value_init();
    memset(c->pad, 'x', sizeof(c->pad));
    (void)snprintf(c->dir, sizeof(c->dir), "/tmp/knarr-churn-XXXXXX");
    if (!mkdtemp(c->dir) || store_open(&store, &c->store, &err) < 0)
        die("the store", error_text(&err));
    options.store = c->store;
    if (apiserver_make(&options, &c->server, &err) < 0 || apiserver_bootstrap(c->server, &err) < 0)
        die("the server", error_text(&err));
    c->front = &c->server->fronts[0];
    for (size_t i = 0; i < KINDS; i++)
        c->kinds[i] = registry_need_kind("", kinds[i].plural);
    c->record.kinds = KINDS;
    c->record.namespaces = NAMESPACES;
    c->record.keys = KEYS;
    for (size_t i = 0; i < WATCHERS; i++)
        watcher_choose(c, i);
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        char *inner CLEANUP_FREE = mem_printf("%s/%s", path, entry->d_name);

        if (entry->d_name[0] != '.' && unlink(inner) < 0)
            remove_folder(inner);
    }
    if (folder)
        (void)closedir(folder);
    (void)rmdir(path);
}

static void churn_stop(struct churn *c)
{
    for (size_t i = 0; i < WATCHERS; i++) {
        struct watcher *w = &c->watchers[i];
        enum record_end end;

        if (!w->peer || !w->session)
            continue;
        end = w->session->end;
        peer_cut(w->peer);
        while (!peer_over(w->peer))
            loop_turn(c->front->loop, false);
        w->session->end = end; /* it was there to the last */
        peer_free(w->peer);
    }
    apiserver_unmake(c->server);
    store_close(c->store);
    remove_folder(c->dir);
}

/* Whether there was enough to judge. A sanitizer's run is too slow for it, and looks for other things. */
static bool churn_saw_all(const struct churn *c, const struct check_counts *n)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return n->events >= c->record.change_count;
#else
    return n->events >= LEAST * c->record.change_count && n->expired && n->clean && n->cut && n->bookmarks && n->left &&
           n->unsent_max >= UNSENT_LOG && c->cleaned;
#endif
}

static int churn_judge(struct churn *c, double seconds)
{
    struct check_counts n;
    BUF_LOCAL(what);
    int r = check_record(&c->record, UNSENT_MAX, &n, &what);

    if (r == 0 && !churn_saw_all(c, &n)) {
        buf_append_str(&what, "this run did not look at everything\n");
        r = -1;
    }
    if (r < 0)
        (void)printf("FAILED: %s", buf_cstr(&what));
    (void)printf(
        "%zu changes, %zu events to %d watchers in %zu sessions (%zu lists, %zu resumed, %zu cut, %zu ended by "
        "the server, %zu expired), %zu bookmarks, %zu left a selection, at most %zu bytes unsent, %llu segments "
        "cleaned, %.1f s\n",
        c->record.change_count, n.events, WATCHERS, c->record.session_count, n.lists, n.resumed, n.cut, n.clean,
        n.expired, n.bookmarks, n.left, n.unsent_max, (unsigned long long)c->cleaned, seconds);
    return r < 0;
}

int main(int argc, char **argv)
{
    static struct churn churn;
    int64_t begin = clock_monotonic_ns(clock_system());
    int r;

    churn.goal = argc > 1 ? strtoull(argv[1], NULL, 10) : 50000;
    churn.seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)clock_wall_ns(clock_system());
    (void)printf("seed %llu\n", (unsigned long long)churn.seed);
    (void)fflush(stdout);
    churn_start(&churn);
    while (churn.issued < churn.goal || __atomic_load_n(&churn.in_flight, __ATOMIC_ACQUIRE)) {
        churn_write(&churn);
        churn_turn(&churn);
    }
    churn_settle(&churn);
    churn_stop(&churn);
    r = churn_judge(&churn, (double)(clock_monotonic_ns(clock_system()) - begin) / 1e9);
    record_clear(&churn.record);
    return r;
}
