/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same judgement as churn.c's over TLS at the real server: what is written through the API, what watchers get who
 * read slowly, whose connections break in the middle of a line, or who ask for a second only; and the server is killed
 * half way and started again. What was committed is read from its store when all is over; every write that was
 * acknowledged must be in it.
 *
 * watch-sockets KNARR [WRITES [SEED]]
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/clock.h"
#include "store/store.h"
#include "tests/watch/check.h"
#include "tests/watch/process.h"
#include "tests/watch/wire.h"

#define NAMESPACES 4
#define LABELS     3
#define KEYS       240
#define WRITERS    12
#define WATCHERS   72
#define SETTLE_S   60
#define SKIPPED    77

enum manner { STEADY, SLOW, BREAKING, TIMED, MANNERS };

struct watcher {
    struct sockets *run;
    struct record_selector selector;
    enum manner manner;
    struct record_session *session;
    struct wire_conn *conn; /* NULL between two sessions */
    bool ended;
    bool clean;
    bool settled;
    size_t until; /* writes: pauses until then, or begins again */
    size_t life;  /* writes: then it breaks */
};

struct writer {
    struct sockets *run;
    struct wire_conn *conn;
    bool present[KEYS]; /* of its own keys */
    uint32_t key;
    uint32_t value; /* of the request on its way; 0 = a deletion */
    bool busy;
    bool ended;
};

/* A write that was answered with a revision. */
struct ack {
    uint64_t revision;
    uint32_t key;
    uint32_t value;
};

struct sockets {
    struct process process;
    struct wire *wire;
    struct record record;
    struct watcher watchers[WATCHERS];
    struct writer writers[WRITERS];
    struct ack *acks;
    size_t ack_count;
    size_t ack_cap;
    uint64_t newest; /* revision that was acknowledged */
    uint64_t seed;
    size_t goal;
    size_t written;
    uint32_t value;
    bool killed;
    bool settling;
    char pad[3000];
};

static unsigned draw(struct sockets *r, size_t below)
{
    r->seed = r->seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((r->seed >> 33) % below);
}

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

static void writer_answered(void *arg, int status, struct slice body)
{
    struct writer *w = arg;
    struct sockets *r = w->run;
    ptrdiff_t at = slice_find_text(body, SLICE_LIT("\"resourceVersion\":\""));
    struct ack ack = {0, w->key, w->value};

    w->busy = false;
    w->present[w->key] = status == 409 || (w->value && status < 300);
    if (status >= 300 && status != 404 && status != 409) {
        char *text CLEANUP_FREE = slice_dup(body);

        process_die("a write", text);
    }
    if (status < 300)
        r->written++;
    if (status >= 300 || !w->value || at < 0)
        return;
    ack.revision = strtoull(body.data + at + 19, NULL, 10);
    r->newest = ack.revision > r->newest ? ack.revision : r->newest;
    r->acks = mem_grow(r->acks, &r->ack_cap, r->ack_count + 1, sizeof(ack));
    r->acks[r->ack_count++] = ack;
}

static void writer_ended(void *arg, bool clean)
{
    (void)clean;
    ((struct writer *)arg)->ended = true;
}

static void writer_drop(struct writer *w)
{
    if (!w->conn)
        return;
    wire_drop(w->conn, WIRE_RST);
    wire_conn_free(w->conn);
    w->conn = NULL;
    w->busy = w->ended = false;
}

static void writer_write(struct writer *w)
{
    struct sockets *r = w->run;
    unsigned index = (unsigned)(w - r->writers);
    bool present;

    w->key = draw(r, KEYS / WRITERS) * WRITERS + index;
    present = w->present[w->key];
    w->value = present && draw(r, 6) == 0 ? 0 : ++r->value;
    w->busy = true;
    char *folder CLEANUP_FREE = mem_printf("/api/v1/namespaces/w%u/secrets", w->key % NAMESPACES);
    char *path CLEANUP_FREE = present ? mem_printf("%s/p%06u", folder, w->key) : mem_strdup(folder);
    char *body CLEANUP_FREE = mem_printf("{\"metadata\":{\"name\":\"p%06u\",\"labels\":{\"app\":\"a%u\"},"
                                         "\"annotations\":{\"v\":\"%u\",\"pad\":\"%.*s\"}}}",
                                         w->key, draw(r, LABELS), w->value, (int)draw(r, sizeof(r->pad)), r->pad);

    if (!w->value)
        wire_send(w->conn, "DELETE", path, NULL, NULL);
    else if (present)
        wire_send(w->conn, "PATCH", path, "application/merge-patch+json", body);
    else
        wire_send(w->conn, "POST", path, "application/json", body);
}

static void writer_turn(struct writer *w)
{
    static const struct wire_events events = {.body = writer_answered, .ended = writer_ended};

    if (w->ended)
        writer_drop(w);
    if (!w->conn) {
        w->conn = wire_open(w->run->wire, NULL, &events, w);
        if (!w->conn)
            process_die("a connection", "could not be opened");
    }
    if (!w->busy && w->run->written < w->run->goal)
        writer_write(w);
}

/* ---- watching -----------------------------------------------------------------------------------------------------
 */

static void watcher_head(void *arg, int status)
{
    (void)arg;
    if (status != 200)
        process_die("a watch", "was not answered with 200");
}

static void watcher_line(void *arg, struct slice line)
{
    struct watcher *w = arg;
    struct record_event event;

    if (!record_parse(line, &event) || event.type == RECORD_EXPIRED) {
        char *text CLEANUP_FREE = slice_dup(line);

        process_die("a watch was sent", text);
    }
    record_add_event(w->session, &event);
}

static void watcher_ended(void *arg, bool clean)
{
    struct watcher *w = arg;

    w->ended = true;
    w->clean = clean;
}

static void watcher_begin(struct watcher *w)
{
    static const struct wire_events events = {.head = watcher_head, .line = watcher_line, .ended = watcher_ended};
    struct sockets *r = w->run;
    uint64_t place = w->session ? record_resume(w->session) : 0;
    bool timed = r->settling || w->manner == TIMED;

    w->session = record_add_session(&r->record, (unsigned)(w - r->watchers), &w->selector);
    w->session->list = !place;
    w->session->after = place;
    w->ended = false;
    w->life = r->written + 10 + draw(r, 600);
    w->until = 0;
    w->conn = wire_open(r->wire, NULL, &events, w);
    if (!w->conn)
        process_die("a connection", "could not be opened");
    char *path CLEANUP_FREE = record_path(w->session, "secrets", "", timed ? "&timeoutSeconds=1" : "");
    wire_send(w->conn, "GET", path, NULL, NULL);
}

static void watcher_end(struct watcher *w, enum record_end end)
{
    w->session->end = end;
    wire_drop(w->conn, draw(w->run, 2) ? WIRE_RST : WIRE_FIN);
    wire_conn_free(w->conn);
    w->conn = NULL;
    w->until = w->run->written + draw(w->run, 50);
}

/* A watch that was LIVE says at its end up to where it got. */
static bool watcher_has_all(const struct watcher *w)
{
    const struct record_session *s = w->session;

    return w->clean && s->count && s->events[s->count - 1].type == RECORD_BOOKMARK &&
           s->events[s->count - 1].revision >= w->run->newest;
}

static void watcher_turn(struct watcher *w)
{
    struct sockets *r = w->run;

    if (w->settled)
        return;
    if (!w->conn) {
        if (r->settling || r->written >= w->until)
            watcher_begin(w);
    } else if (w->ended) {
        w->settled = r->settling && watcher_has_all(w);
        watcher_end(w, w->settled ? RECORD_OPEN : w->clean ? RECORD_CLEAN : RECORD_CUT);
    } else if (!r->settling && w->manner == BREAKING && r->written >= w->life) {
        watcher_end(w, RECORD_CUT);
    } else if (w->manner == SLOW && (r->settling || r->written >= w->until)) {
        bool sleep = !r->settling && draw(r, 4);

        w->until = r->written + 1 + draw(r, sleep ? r->goal / 2 : 20);
        wire_pause(w->conn, sleep);
    }
}

static void watcher_choose(struct sockets *r, size_t i)
{
    struct watcher *w = &r->watchers[i];
    struct record_selector *s = &w->selector;

    w->run = r;
    w->manner = (enum manner)(i % MANNERS);
    *s = (struct record_selector){RECORD_ANY, RECORD_ANY, RECORD_ANY, RECORD_ANY, 0};
    switch (i / MANNERS % 5) {
    case 1:
        s->namespace_ = (int)draw(r, NAMESPACES);
        break;
    case 2:
        s->label = (int)draw(r, LABELS);
        break;
    case 3:
        s->key = (int)draw(r, KEYS);
        s->namespace_ = s->key % NAMESPACES;
        break;
    default:
        break;
    }
}

/* ---- the run ------------------------------------------------------------------------------------------------------
 */

static void run_start(struct sockets *r, const char *binary)
{
    static const char *const more[] = {NULL};

    process_start(&r->process, binary, more);
    r->wire = wire_new("10.99.0.1", PROCESS_PORT, PROCESS_TOKEN);
    r->record.namespaces = NAMESPACES;
    r->record.keys = KEYS;
    memset(r->pad, 'x', sizeof(r->pad));
    for (int i = 0; i < NAMESPACES; i++) {
        char *body CLEANUP_FREE = mem_printf("{\"metadata\":{\"name\":\"w%d\"}}", i);

        if (wire_ask(r->wire, "POST", "/api/v1/namespaces", "application/json", body) != 201)
            process_die("a namespace", "could not be made");
    }
    for (size_t i = 0; i < WATCHERS; i++)
        watcher_choose(r, i);
    for (size_t i = 0; i < WRITERS; i++)
        r->writers[i].run = r;
}

/* What was on its way may have been committed or not. */
static void run_kill(struct sockets *r)
{
    r->killed = true;
    (void)process_stop(&r->process, SIGKILL);
    for (size_t i = 0; i < WATCHERS; i++)
        if (r->watchers[i].conn)
            watcher_end(&r->watchers[i], RECORD_CUT);
    for (size_t i = 0; i < WRITERS; i++)
        writer_drop(&r->writers[i]);
    process_restart(&r->process);
}

static void run_turn(struct sockets *r)
{
    wire_turn(r->wire, 10);
    for (size_t i = 0; i < WRITERS; i++)
        writer_turn(&r->writers[i]);
    for (size_t i = 0; i < WATCHERS; i++)
        watcher_turn(&r->watchers[i]);
}

static void run_write(struct sockets *r)
{
    bool busy = true;

    while (busy) {
        run_turn(r);
        if (!r->killed && r->written >= r->goal / 2)
            run_kill(r);
        busy = r->written < r->goal;
        for (size_t i = 0; i < WRITERS; i++)
            busy = busy || r->writers[i].busy;
    }
}

static void run_settle(struct sockets *r)
{
    int64_t end = clock_monotonic_ns(clock_system()) + SETTLE_S * NS_PER_S;
    bool settled = false;

    r->settling = true;
    for (size_t i = 0; i < WATCHERS; i++)
        if (r->watchers[i].conn && r->watchers[i].manner != SLOW)
            watcher_end(&r->watchers[i], RECORD_CUT);
    /* Who was slow is still there, reads the rest, and then breaks. */
    for (int i = 0; i < 50; i++)
        run_turn(r);
    for (size_t i = 0; i < WATCHERS; i++)
        if (r->watchers[i].conn && r->watchers[i].manner == SLOW)
            watcher_end(&r->watchers[i], RECORD_CUT);
    while (!settled && clock_monotonic_ns(clock_system()) < end) {
        settled = true;
        run_turn(r);
        for (size_t i = 0; i < WATCHERS; i++)
            settled = settled && r->watchers[i].settled;
    }
    if (!settled)
        process_die("watchers", "did not get to the end in time");
}

static int run_truth(void *arg, const struct store_event *event)
{
    struct record *record = arg;
    struct record_event object = {0};
    struct record_change change = {.revision = event->revision};

    if (!record_parse_object(event->value, &object))
        process_die("the store", "has an object that was not written");
    change.key = object.key;
    if (event->kind != STORE_EVENT_DELETE) {
        change.value = object.value;
        change.label = object.label;
    }
    record_add_change(record, &change);
    return 0;
}

static void run_read_truth(struct sockets *r)
{
    char *path CLEANUP_FREE = mem_printf("%s/home/store", r->process.dir);
    const struct store_options options = {.path = path, .manual = true};
    struct store *store;
    uint64_t until;
    ERROR_LOCAL(err);

    if (store_open(&options, &store, &err) < 0 ||
        store_read_log(store, SLICE_LIT("/registry//secrets/w"), STORE_HISTORY_FULL, store_compacted(store), 0, 0,
                       run_truth, &r->record, &until, &err) < 0)
        process_die("the store", error_text(&err));
    r->record.last = store_revision(store);
    store_close(store);
}

/* Whatever was acknowledged is there. */
static bool run_acks_hold(const struct sockets *r)
{
    for (size_t i = 0; i < r->ack_count; i++) {
        const struct ack *ack = &r->acks[i];
        size_t low = 0, high = r->record.change_count;

        while (low < high) {
            size_t middle = low + (high - low) / 2;

            if (r->record.changes[middle].revision < ack->revision)
                low = middle + 1;
            else
                high = middle;
        }
        if (low == r->record.change_count || r->record.changes[low].revision != ack->revision ||
            r->record.changes[low].key != ack->key || r->record.changes[low].value != ack->value) {
            (void)printf("FAILED: the write of %u to %u was acknowledged at %llu and is not there\n", ack->value,
                         ack->key, (unsigned long long)ack->revision);
            return false;
        }
    }
    return true;
}

static int run_judge(struct sockets *r, double seconds)
{
    struct check_counts n;
    BUF_LOCAL(what);
    int result = check_record(&r->record, 0, &n, &what);

    if (result < 0)
        (void)printf("FAILED: %s", buf_cstr(&what));
    if (!run_acks_hold(r))
        result = -1;
    (void)printf("%zu changes (%zu acknowledged with a revision), %zu events to %d watchers in %zu sessions (%zu "
                 "resumed, %zu cut, %zu ended by the server), %zu bookmarks, %zu left a selection, one kill, %.1f s\n",
                 r->record.change_count, r->ack_count, n.events, WATCHERS, r->record.session_count, n.resumed, n.cut,
                 n.clean, n.bookmarks, n.left, seconds);
    return result;
}

int main(int argc, char **argv)
{
    static struct sockets run;
    int64_t begin = clock_monotonic_ns(clock_system());
    int result;

    if (argc < 2 || getuid() || !process_leave_network())
        return SKIPPED;
    (void)signal(SIGPIPE, SIG_IGN);
    run.goal = argc > 2 ? strtoull(argv[2], NULL, 10) : 5000;
    run.seed = argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)clock_wall_ns(clock_system());
    (void)printf("seed %llu\n", (unsigned long long)run.seed);
    (void)fflush(stdout);
    run_start(&run, argv[1]);
    run_write(&run);
    run_settle(&run);
    for (size_t i = 0; i < WRITERS; i++)
        writer_drop(&run.writers[i]);
    wire_free(run.wire);
    if (!process_stop(&run.process, SIGTERM))
        process_die("the server", "did not end well");
    run_read_truth(&run);
    result = run_judge(&run, (double)(clock_monotonic_ns(clock_system()) - begin) / 1e9);
    if (result == 0)
        process_clear(&run.process);
    record_clear(&run.record);
    free(run.acks);
    return result < 0;
}
