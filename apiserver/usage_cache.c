/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One asking is one `struct usage_fill`. One of a front goes along its list of nodes, with up to USAGE_NODES_MAX
 * questions under way; the others wait for their turn, when most of what they want to know has been found out by those
 * before:
 *
 *     WAITING --the one before is over--> ASKING --last answer--> over (the timer calls `done`)
 *        `----------time is up---------------`----time is up------^
 *
 * Invariant: fills that are not over stand in cache->fills, and the first of them is the one that asks.
 */
#include "apiserver/usage_cache.h"

#include "api/scan.h"
#include "apiserver/node_fetch.h"
#include "apiserver/node_link.h"
#include "lib/encoding.h"
#include "lib/list.h"

#define USAGE_SUMMARY_MAX (8u << 20)

struct usage_cache {
    struct map nodes; /* name -> struct usage_node */
    struct loop_timer *timer;
    struct list fills;
};

/* ---- what a node said ---------------------------------------------------------------------------------------------
 */

void usage_node_free(void *node)
{
    struct usage_node *n = node;

    if (!n)
        return;
    free(n->usage);
    map_clear(&n->pods, free);
    free(n);
}

/* "timestamp":"...","window":"..." */
static bool usage_read_time(struct buf *out, struct slice cpu, struct slice window)
{
    char text[TIME_TEXT_MAX];
    int64_t wall_ns;
    BUF_LOCAL(scratch);
    BUF_LOCAL(other);
    struct slice span = scan_text(window, &other);

    if (!time_parse(scan_text(scan_get(cpu, "time"), &scratch), &wall_ns))
        return false;
    /* A number of seconds: a text of the node is not passed on unread. */
    for (size_t i = 0; i < span.len; i++)
        if ((span.data[i] < '0' || span.data[i] > '9') && span.data[i] != '.' && span.data[i] != 's')
            return false;
    time_format_seconds(wall_ns, text);
    if (!span.len)
        span = SLICE_LIT("0s");
    buf_printf(out, "\"timestamp\":\"%s\",\"window\":\"%.*s\"", text, SLICE_ARGS(span));
    return true;
}

/* ,"usage":{...} of an object with cpu and memory; false when a number is missing. */
static bool usage_read_usage(struct buf *out, struct slice of)
{
    int64_t cores = scan_int(scan_get(of, "cpu.usageNanoCores"), -1);
    int64_t bytes = scan_int(scan_get(of, "memory.workingSetBytes"), -1);

    if (cores < 0 || bytes < 0)
        return false;
    buf_printf(out, ",\"usage\":{\"cpu\":\"%lldn\",\"memory\":\"%lldKi\"}", (long long)cores,
               (long long)(bytes / 1024));
    return true;
}

static bool usage_read_containers(struct buf *out, struct slice pod)
{
    struct scan_cursor c = scan_open(scan_get(pod, "containers"));
    struct slice container;
    bool first = true;

    buf_append_str(out, ",\"containers\":[");
    while (scan_element(&c, &container)) {
        BUF_LOCAL(scratch);

        buf_append_str(out, first ? "{\"name\":" : ",{\"name\":");
        first = false;
        json_write_string(out, scan_text(scan_get(container, "name"), &scratch));
        if (!usage_read_usage(out, container))
            return false; /* half a pod would look like a small one */
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ']');
    return !first;
}

static void usage_read_pod(struct usage_node *node, struct slice pod, struct slice window)
{
    BUF_LOCAL(key);
    BUF_LOCAL(out);
    BUF_LOCAL(scratch);
    BUF_LOCAL(other);

    buf_append_slice(&key, scan_text(scan_get(pod, "podRef.namespace"), &scratch));
    buf_append_byte(&key, '/');
    buf_append_slice(&key, scan_text(scan_get(pod, "podRef.name"), &other));
    if (usage_read_time(&out, scan_get(pod, "cpu"), window) && usage_read_containers(&out, pod))
        free(map_put(&node->pods, buf_slice(&key), buf_steal_str(&out)));
}

struct usage_node *usage_node_read(struct slice summary)
{
    struct usage_node *node = mem_zalloc(sizeof(*node));
    struct slice own = scan_get(summary, "node");
    struct slice window = scan_get(summary, "window");
    struct scan_cursor c = scan_open(scan_get(summary, "pods"));
    struct slice pod;
    BUF_LOCAL(out);

    if (usage_read_time(&out, scan_get(own, "cpu"), window) && usage_read_usage(&out, own))
        node->usage = buf_steal_str(&out);
    while (scan_element(&c, &pod))
        usage_read_pod(node, pod, window);
    return node;
}

/* ---- the cache ----------------------------------------------------------------------------------------------------
 */

/* Forgets everything at once some time after the last answer: then nobody asks any more. */
static void usage_cache_on_timer(void *arg)
{
    struct usage_cache *cache = arg;

    map_clear(&cache->nodes, usage_node_free);
}

static struct usage_cache *usage_cache_need(struct front *front)
{
    if (!front->usage) {
        front->usage = mem_zalloc(sizeof(*front->usage));
        list_init(&front->usage->fills);
        front->usage->timer = loop_timer_new(front->loop, usage_cache_on_timer, front->usage);
    }
    return front->usage;
}

static void usage_cache_put(struct front *front, const char *name, struct usage_node *node)
{
    struct usage_cache *cache = usage_cache_need(front);

    node->got_ms = loop_now_ms(front->loop);
    usage_node_free(map_put(&cache->nodes, slice_str(name), node));
    loop_timer_start(cache->timer, USAGE_CACHE_MS, 0);
}

const struct usage_node *usage_cache_get(struct front *front, const char *node)
{
    const struct usage_node *n = front->usage ? map_get(&front->usage->nodes, slice_str(node)) : NULL;

    return n && loop_now_ms(front->loop) - n->got_ms < USAGE_CACHE_MS ? n : NULL;
}

void usage_cache_free(struct front *front)
{
    if (!front->usage)
        return;
    loop_timer_free(front->usage->timer);
    map_clear(&front->usage->nodes, usage_node_free);
    free(front->usage);
    front->usage = NULL;
}

/* ---- asking -------------------------------------------------------------------------------------------------------
 */

struct usage_question {
    struct usage_fill *fill;
    const char *node; /* NULL = this place is free */
    struct node_fetch *fetch;
};

struct usage_fill {
    struct list link; /* in cache->fills, else to itself */
    struct front *front;
    struct pool *pool;
    const char *const *nodes;
    size_t count;
    size_t next;
    size_t under_way;
    struct usage_question questions[USAGE_NODES_MAX];
    struct loop_timer *timer; /* NULL once it is over */
    void (*done)(void *arg);
    void *arg;
};

static void usage_fill_go_on(struct usage_fill *f);

static void usage_fill_stop(void *arg)
{
    struct usage_fill *f = arg;
    struct list *fills = &f->front->usage->fills;
    bool asked = list_first(fills, struct usage_fill, link) == f;
    struct usage_fill *next;

    list_remove(&f->link);
    for (size_t i = 0; i < USAGE_NODES_MAX; i++)
        if (f->questions[i].node) {
            node_fetch_cancel(f->questions[i].fetch);
            f->questions[i].node = NULL;
        }
    loop_timer_free(f->timer);
    f->timer = NULL;
    next = list_first(fills, struct usage_fill, link);
    if (asked && next)
        usage_fill_go_on(next);
}

static void usage_fill_end(void *arg)
{
    struct usage_fill *f = arg;

    usage_fill_stop(f);
    f->done(f->arg);
}

static void usage_fill_answered(void *arg, int status, const char *content_type, struct slice body,
                                const struct error *err);

static void usage_fill_ask(struct usage_fill *f, const char *node)
{
    struct usage_question *q = f->questions;
    const char *base;
    const char *url;

    while (q->node)
        q++;
    /* A node without an address, or one that is gone, has nothing to say. */
    if (node_link_url(f->front->server, f->pool, node, &base, NULL) < 0)
        return;
    url = pool_printf(f->pool, "%s/stats/summary?only_cpu_and_memory=true", base);
    *q = (struct usage_question){.fill = f, .node = node};
    q->fetch = node_fetch_start(f->front, url, USAGE_NODE_MS, USAGE_SUMMARY_MAX, usage_fill_answered, q);
    f->under_way++;
}

static void usage_fill_go_on(struct usage_fill *f)
{
    while (f->next < f->count && f->under_way < USAGE_NODES_MAX) {
        const char *node = f->nodes[f->next++];

        if (!usage_cache_get(f->front, node))
            usage_fill_ask(f, node);
    }
    if (!f->under_way)
        loop_timer_start(f->timer, 0, 0);
}

static void usage_fill_answered(void *arg, int status, const char *content_type, struct slice body,
                                const struct error *err)
{
    struct usage_question *q = arg;

    if (!err && status == 200)
        usage_cache_put(q->fill->front, q->node, usage_node_read(body));
    q->node = NULL;
    q->fill->under_way--;
    if (q->fill->timer)
        usage_fill_go_on(q->fill);
}

void usage_cache_fill(struct front *front, struct pool *pool, const char *const *nodes, size_t count,
                      void (*done)(void *arg), void *arg)
{
    struct usage_fill *f = pool_alloc(pool, sizeof(*f));

    f->front = front;
    f->pool = pool;
    f->nodes = nodes;
    f->count = count;
    f->done = done;
    f->arg = arg;
    f->timer = loop_timer_new(front->loop, usage_fill_end, f);
    list_init(&f->link);
    pool_on_free(pool, usage_fill_stop, f);
    loop_timer_start(f->timer, USAGE_DEADLINE_MS, 0);
    list_append(&usage_cache_need(front)->fills, &f->link);
    if (list_first(&front->usage->fills, struct usage_fill, link) == f)
        usage_fill_go_on(f);
}
