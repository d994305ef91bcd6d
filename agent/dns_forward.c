/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question under way:
 *
 *     ask --> READING (whether resolv.conf has changed; left out when that was looked at just now)
 *               v
 *             DATAGRAM --answer--> told, gone
 *               | ^ \--truncated--> STREAM --answer--> told, gone
 *               | |                   |
 *               | \----- another try <+   (no answer in time, refused, broken, an answer that says "I cannot")
 *               \--no tries left--> told what there is, gone
 *
 * Each try has a socket of its own that is connected to its server, so that the kernel drops what comes from elsewhere
 * and the source port is another one each time; the id is random, and what answers another question is passed over.
 * Who asks what is under way already waits for that: fewer packets, fewer chances to guess, and a host whose resolver
 * asks us in turn goes round once and not for ever.
 */
#include "agent/dns_forward.h"

#include <arpa/inet.h>
#include <uv.h>

#include "agent/dns_cache.h"
#include "agent/resolv_conf.h"
#include "lib/log.h"
#include "lib/random.h"

#define DNS_PORT      53
#define READING_MS    500 /* the pool may be busy: then with what is known */
#define REREAD_MS     2000
#define LOOKUP_MS     4500 /* clients give up after 5 s */
#define TRIES_MIN     3
#define STRANGERS_MAX 16 /* answers to something else that one try bears */
#define SERVERS_MAX   RESOLV_SERVERS_MAX

struct waiter {
    struct list link;
    void (*done)(void *arg, struct slice response);
    void *arg;
};

struct attempt;

struct lookup {
    struct list link; /* in f->fresh while it is READING */
    struct dns_forward *f;
    struct dns_query query;
    uint8_t key[DNS_KEY_MAX];
    size_t key_len;
    struct list waiters;
    struct attempt *attempt; /* NULL between two */
    struct loop_timer *timer;
    struct sockaddr_storage server; /* of this try */
    size_t place;                   /* of that server among all */
    uint16_t id;
    unsigned tries;
    struct buf poor; /* an answer that says no more than that its server cannot */
};

/* A socket; lives until libuv has closed it. */
struct attempt {
    union {
        uv_handle_t handle;
        uv_udp_t udp;
        uv_tcp_t tcp;
    } uv;
    uv_connect_t connect;
    uv_write_t write;
    struct dns_forward *f;
    struct lookup *lookup; /* NULL once it is given up */
    unsigned strangers;
    size_t out_len;
    uint8_t out[2 + DNS_UDP_PLAIN];
    struct buf in; /* of a stream */
};

struct dns_forward {
    struct agent *agent;
    bool (*own)(void *arg, struct in_addr address);
    void *own_arg;
    struct map lookups; /* key -> struct lookup */
    struct list fresh;
    struct dns_cache cache;
    struct sockaddr_storage servers[SERVERS_MAX];
    size_t server_count;
    size_t preferred; /* the one that answered last */
    size_t waiters;
    size_t sockets; /* not closed yet */
    uint64_t read_ms;
    bool reading;
    bool none_told;
    bool closing;
    uint8_t in[DNS_MESSAGE_MAX];
    uint8_t kept[DNS_CACHE_MESSAGE_MAX]; /* out of the cache */
};

static void try_next(struct lookup *l);

static void forward_close(struct dns_forward *f)
{
    if (f->sockets || f->reading)
        return;
    dns_cache_clear(&f->cache);
    free(f);
}

/* ---- the file ---- */

struct reading {
    struct dns_forward *f;
    struct resolv_conf conf;
    struct error err;
};

static void reading_work(void *arg)
{
    struct reading *r = arg;

    (void)resolv_conf_load(r->f->agent->config.resolv_conf, &r->conf, &r->err);
}

static bool read_server(struct dns_forward *f, const char *text, struct sockaddr_storage *ret_address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;

    *ret_address = (struct sockaddr_storage){.ss_family = AF_INET};
    v4->sin_port = htons(DNS_PORT);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        return !f->own(f->own_arg, v4->sin_addr);
    ret_address->ss_family = AF_INET6;
    return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1;
}

/* Other servers may know other names: what was kept goes. */
static void take_servers(struct dns_forward *f, const struct str_list *texts)
{
    struct sockaddr_storage servers[SERVERS_MAX] = {{0}};
    size_t count = 0;

    for (size_t i = 0; i < texts->count && count < SERVERS_MAX; i++)
        if (read_server(f, texts->items[i], &servers[count]))
            count++;
    if (count == f->server_count && !memcmp(servers, f->servers, count * sizeof(servers[0])))
        return;
    memcpy(f->servers, servers, sizeof(servers));
    f->server_count = count;
    f->preferred = 0;
    dns_cache_clear(&f->cache);
}

static void reading_done(void *arg)
{
    struct reading *r = arg;
    struct dns_forward *f = r->f;

    f->reading = false;
    if (error_is_set(&r->err)) {
        log_warning("agent", "DNS: %s; going on with the name servers that were known", error_text(&r->err));
    } else if (!f->closing) {
        take_servers(f, &r->conf.servers);
        if (!f->server_count && !f->none_told)
            log_warning("agent", "DNS: %s names no server that could be asked; pods resolve names of the cluster only",
                        f->agent->config.resolv_conf);
        f->none_told = !f->server_count;
    }
    resolv_conf_clear(&r->conf);
    error_clear(&r->err);
    free(r);
    list_for_each_safe (it, next, &f->fresh)
        try_next(container_of(it, struct lookup, link));
    if (f->closing)
        forward_close(f);
}

static void read_again(struct dns_forward *f)
{
    uint64_t now = loop_now_ms(f->agent->loop);
    struct reading *r;

    if (f->reading || (f->read_ms && now < f->read_ms + REREAD_MS))
        return;
    f->reading = true;
    f->read_ms = now;
    r = mem_zalloc(sizeof(*r));
    r->f = f;
    agent_work(f->agent, reading_work, reading_done, r);
}

/* ---- the end of a lookup ---- */

static void attempt_closed(uv_handle_t *handle)
{
    struct attempt *a = handle->data;
    struct dns_forward *f = a->f;

    buf_free(&a->in);
    free(a);
    f->sockets--;
    if (f->closing)
        forward_close(f);
}

static void attempt_drop(struct lookup *l)
{
    if (!l->attempt)
        return;
    l->attempt->lookup = NULL;
    uv_close(&l->attempt->uv.handle, attempt_closed);
    l->attempt = NULL;
}

/* Whoever is told may ask again at once, so the lookup leaves the map first. */
static void lookup_end(struct lookup *l, struct slice response)
{
    struct dns_forward *f = l->f;

    (void)map_remove(&f->lookups, slice_make(l->key, l->key_len));
    list_remove(&l->link);
    attempt_drop(l);
    loop_timer_free(l->timer);
    if (response.len)
        dns_cache_put(&f->cache, slice_make(l->key, l->key_len), loop_now_ms(f->agent->loop), response);
    list_for_each_safe (it, next, &l->waiters) {
        struct waiter *w = container_of(it, struct waiter, link);

        f->waiters--;
        w->done(w->arg, response);
        free(w);
    }
    buf_free(&l->poor);
    free(l);
}

/* A server that cannot answer leaves it to the next one; the last word of theirs is kept. */
static void lookup_answered(struct lookup *l, struct slice response)
{
    int code = dns_response_code(response);

    if (code == ns_r_noerror || code == ns_r_nxdomain) {
        lookup_end(l, response);
        return;
    }
    buf_reset(&l->poor);
    buf_append_slice(&l->poor, response);
    try_next(l);
}

/* ---- DATAGRAM ---- */

static void stream_start(struct lookup *l);

static struct attempt *attempt_new(struct lookup *l, size_t prefix)
{
    struct attempt *a = mem_zalloc(sizeof(*a));

    random_bytes(&l->id, sizeof(l->id));
    a->f = l->f;
    a->lookup = l;
    a->out_len = dns_query_write(&l->query, l->id, a->out + prefix) + prefix;
    l->attempt = a;
    l->f->sockets++;
    return a;
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct attempt *a = handle->data;

    *ret_buf = uv_buf_init((char *)a->f->in, sizeof(a->f->in));
}

static void on_datagram(uv_udp_t *handle, ssize_t len, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags)
{
    struct attempt *a = handle->data;
    struct lookup *l = a->lookup;
    struct slice response = slice_make(buf->base, len > 0 ? (size_t)len : 0);

    if (!l || (len == 0 && !from))
        return;
    if (len < 0) {
        try_next(l); /* nobody listens there */
    } else if (flags & UV_UDP_PARTIAL || !dns_response_matches(response, &l->query, l->id)) {
        if (++a->strangers == STRANGERS_MAX)
            try_next(l);
    } else if (dns_response_truncated(response)) {
        stream_start(l);
    } else {
        lookup_answered(l, response);
    }
}

static void datagram_start(struct lookup *l)
{
    struct attempt *a = attempt_new(l, 0);
    uv_buf_t buf = uv_buf_init((char *)a->out, (unsigned)a->out_len);

    (void)uv_udp_init(loop_uv(l->f->agent->loop), &a->uv.udp);
    a->uv.handle.data = a;
    if (uv_udp_connect(&a->uv.udp, (const struct sockaddr *)&l->server) ||
        uv_udp_recv_start(&a->uv.udp, give_buffer, on_datagram) || uv_udp_try_send(&a->uv.udp, &buf, 1, NULL) < 0)
        try_next(l);
}

/* ---- STREAM ---- */

static void on_stream_data(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct attempt *a = stream->data;
    struct lookup *l = a->lookup;
    struct slice response;

    if (!l || !len)
        return;
    if (len < 0) {
        try_next(l);
        return;
    }
    buf_append(&a->in, buf->base, (size_t)len);
    if (a->in.len < 2 || a->in.len < 2 + ns_get16((const uint8_t *)a->in.data))
        return;
    response = slice_make(a->in.data + 2, ns_get16((const uint8_t *)a->in.data));
    if (dns_response_matches(response, &l->query, l->id) && !dns_response_truncated(response))
        lookup_answered(l, response);
    else
        try_next(l);
}

static void on_written(uv_write_t *request, int status)
{
    struct attempt *a = request->data;

    if (a->lookup && status < 0)
        try_next(a->lookup);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct attempt *a = request->data;
    uv_buf_t buf = uv_buf_init((char *)a->out, (unsigned)a->out_len);

    if (!a->lookup)
        return;
    if (status < 0 || uv_read_start((uv_stream_t *)&a->uv.tcp, give_buffer, on_stream_data) ||
        uv_write(&a->write, (uv_stream_t *)&a->uv.tcp, &buf, 1, on_written))
        try_next(a->lookup);
}

/* The same try goes on: its time is not lengthened. */
static void stream_start(struct lookup *l)
{
    struct attempt *a;

    attempt_drop(l);
    a = attempt_new(l, 2);
    ns_put16((uint32_t)a->out_len - 2, a->out);
    (void)uv_tcp_init(loop_uv(l->f->agent->loop), &a->uv.tcp);
    a->uv.handle.data = a;
    a->connect.data = a;
    a->write.data = a;
    if (uv_tcp_connect(&a->connect, &a->uv.tcp, (const struct sockaddr *)&l->server, on_connected))
        try_next(l);
}

/* ---- tries ---- */

static unsigned tries_max(const struct dns_forward *f)
{
    return f->server_count * 2 > TRIES_MIN ? (unsigned)f->server_count * 2 : TRIES_MIN;
}

static void try_next(struct lookup *l)
{
    struct dns_forward *f = l->f;

    list_remove(&l->link);
    attempt_drop(l);
    if (!f->server_count || l->tries >= tries_max(f)) {
        lookup_end(l, buf_slice(&l->poor));
        return;
    }
    if (l->tries++) {
        size_t next = (l->place + 1) % f->server_count;

        /* Who asks next does not begin with one that failed. */
        if (l->place == f->preferred)
            f->preferred = next;
        l->place = next;
    } else {
        l->place = f->preferred % f->server_count;
    }
    l->server = f->servers[l->place];
    loop_timer_start(l->timer, LOOKUP_MS / tries_max(f), 0);
    datagram_start(l);
}

static void on_timeout(void *arg)
{
    try_next(arg);
}

static void wait_for(struct lookup *l, void (*done)(void *arg, struct slice response), void *arg)
{
    struct waiter *w = mem_zalloc(sizeof(*w));

    w->done = done;
    w->arg = arg;
    list_append(&l->waiters, &w->link);
    l->f->waiters++;
}

void dns_forward_ask(struct dns_forward *f, const struct dns_query *query,
                     void (*done)(void *arg, struct slice response), void *arg)
{
    uint8_t key[DNS_KEY_MAX];
    struct slice key_slice = slice_make(key, dns_query_key(query, key));
    size_t len = dns_cache_get(&f->cache, key_slice, loop_now_ms(f->agent->loop), f->kept);
    struct lookup *l;

    if (len) {
        done(arg, slice_make(f->kept, len));
        return;
    }
    read_again(f);
    l = map_get(&f->lookups, key_slice);
    if (f->closing || f->waiters >= DNS_WAITERS_MAX || (!l && f->lookups.count >= DNS_LOOKUPS_MAX)) {
        done(arg, SLICE_NONE);
        return;
    }
    if (l) {
        wait_for(l, done, arg);
        return;
    }
    l = mem_zalloc(sizeof(*l));
    l->f = f;
    l->query = *query;
    l->key_len = key_slice.len;
    memcpy(l->key, key, key_slice.len);
    list_init(&l->waiters);
    list_init(&l->link);
    l->timer = loop_timer_new(f->agent->loop, on_timeout, l);
    (void)map_put(&f->lookups, key_slice, l);
    wait_for(l, done, arg);
    if (!f->reading) {
        try_next(l);
        return;
    }
    list_append(&f->fresh, &l->link);
    loop_timer_start(l->timer, READING_MS, 0);
}

struct dns_forward *dns_forward_new(struct agent *agent, bool (*own)(void *arg, struct in_addr address), void *own_arg)
{
    struct dns_forward *f = mem_zalloc(sizeof(*f));

    f->agent = agent;
    f->own = own;
    f->own_arg = own_arg;
    list_init(&f->fresh);
    dns_cache_init(&f->cache);
    read_again(f);
    return f;
}

void dns_forward_free(struct dns_forward *f)
{
    struct map_entry *e;

    f->closing = true;
    while ((e = map_next(&f->lookups, NULL)))
        lookup_end(e->value, SLICE_NONE);
    map_clear(&f->lookups, NULL);
    forward_close(f);
}
