/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the HTTP server share. Private to lib/http_server*.c. */
#ifndef KNARR_LIB_HTTP_SERVER_INTERNAL_H
#define KNARR_LIB_HTTP_SERVER_INTERNAL_H

#include <h2o.h>
#include <h2o/http1.h>
#include <netinet/in.h>
#include <pthread.h>

#include "lib/http_guests.h"
#include "lib/http_parse.h"
#include "lib/http_server.h"
#include "lib/list.h"

struct http_listener {
    int fd;
    uint16_t port;
    size_t body_max;
    size_t connections_max;
    unsigned write_timeout_s;
    unsigned silence_s;
    struct buf client_ca; /* for contexts made later */
    bool client_certificate_required;
    size_t connections; /* of all fronts; atomic */
    size_t reading_max;
    struct http_guests *guests;
    int64_t refusal_told_ns; /* when it was last logged that somebody was refused; atomic */
    pthread_mutex_t lock;
    SSL_CTX *tls; /* for new connections; guarded by lock */
    h2o_globalconf_t conf;
};

enum server_state { SERVER_RUNNING, SERVER_STOPPING, SERVER_STOPPED };

struct http_server {
    struct http_listener *listener;
    struct loop *loop;
    http_handler *handler;
    void *arg;
    enum server_state state;
    h2o_context_t ctx;
    h2o_accept_ctx_t accept;
    /* libh2o's own reader of requests: given an error, it closes the connection whatever it is doing. */
    h2o_socket_cb drop;
    uv_tcp_t tcp;
    bool tcp_closed;
    uv_timer_t last; /* never runs; closed with all else, its callback tells that libuv is through */
    struct list conns;
    size_t conn_count;
    size_t crowd;             /* the most there were since memory was given back */
    bool giving_back;         /* on a pool thread */
    struct loop_timer *sweep; /* looks for peers that take nothing */
    struct loop_timer *grace;
    struct buf frame; /* what a stream sends, while it is encrypted */
    void (*done)(void *arg);
    void *done_arg;
};

/* One connection: from accept to the last callback of its handle. */
struct server_conn {
    uv_tcp_t tcp;
    struct list link;
    struct http_server *server;
    SSL_CTX *tls;       /* a reference: libh2o holds none until the client has spoken */
    h2o_socket_t *sock; /* NULL once closed */
    struct http_peer peer;
    char *names; /* what peer points to */
    struct http_guest guest;
    unsigned char origin[HTTP_GUESTS_ADDRESS]; /* what counts as one address */
    size_t origin_reading;                     /* server_shed's own */
    bool shed;                                 /* was cut for what it brought */
    char address[INET6_ADDRSTRLEN];
    struct server_exchange *exchange; /* the request in progress */
    struct server_socket *socket;     /* after an upgrade */
    bool patient;                     /* not cut for taking nothing */
    size_t write_queue;               /* as the sweep saw it last */
    uint64_t progress_ms;             /* when it last changed */
    h2o_timeout_entry_t linger;       /* after an error answer of libh2o's own */
    unsigned linger_seconds;
    size_t linger_bytes;
};

/* Of a request: its body, where that is read while the request is handled. */
struct server_body {
    struct server_conn *conn;
    bool streams; /* all that follows means nothing otherwise */
    bool expects; /* the client waits for "100 Continue" */
    bool chunked;
    bool started;
    bool paused;
    bool dropped; /* nobody wants it any more */
    bool whole;
    size_t head; /* bytes of the connection's input that are before it */
    uint64_t length;
    uint64_t left; /* unless chunked */
    struct phr_chunked_decoder decoder;
    struct http_body_events events;
    void *arg;
    h2o_timeout_entry_t later;
};

static inline struct server_conn *server_conn_of(h2o_socket_t *sock)
{
    return sock->on_close.data;
}

/* Until when the kernel gives a peer up that acknowledges nothing, or takes nothing; 0 = as the kernel does by itself.
 */
void server_conn_set_timeout(struct server_conn *conn, unsigned seconds);
/* Goes on with stopping when the last of a connection, or of other work, has come. */
void server_finish(struct http_server *server);
/* http_server_guard.c */
void server_make_guests(struct http_listener *listener, size_t per_address);
/* Whether there is a place for it. Who is let in is a guest until it is known who he is. */
bool server_conn_admit(struct server_conn *conn, size_t count);
void server_conn_know(struct server_conn *conn);
/* A timer's: cuts peers that have taken nothing of what waits for them during the write timeout, and those of whom too
 * much is unfinished. */
void server_sweep(void *server);
/* Makes the peer's side dead: whatever is under way on the connection fails soon, from the loop. */
void server_conn_cut(struct server_conn *conn);

/* http_server_read.c: links it in; what it does needs no call. */
void server_guard_reads(void);
/* http_server_body.c */
void server_body_choose(http_body_streams *streams);
/* For the request that libh2o has just parsed. */
void server_body_begin(struct server_body *body, struct server_conn *conn, const h2o_req_t *h2o);
void server_body_end(struct server_body *body);
bool server_body_is_unread(const struct server_body *body);
/* Gives what has come of it; while it is started, not paused and not whole. */
void server_body_take(struct server_body *body);
/* The connection must be read on by the caller. */
void server_body_start(struct server_body *body, const struct http_body_events *events, void *arg);
void server_body_pause(struct server_body *body, bool paused);
/* http_server_exchange.c: libh2o's handler; always 0. */
int server_exchange_accept(h2o_handler_t *handler, h2o_req_t *h2o);
/* http_server_socket.c: takes the socket of an upgraded connection. release(arg) is called when it has gone. */
struct http_socket *server_socket_new(struct server_conn *conn, h2o_socket_t *sock, void (*release)(void *arg),
                                      void *arg);
/* The server stops: fails the socket from the loop. */
void server_socket_abort(struct server_socket *socket);
/* http_server_error.c: makes JSON of libh2o's own error answers. */
void server_error_register(h2o_pathconf_t *path);
/* All is written and the peer still sends: throws that away for a few seconds, then closes, so that he sees the answer
 * first. */
void server_conn_linger(struct server_conn *conn);
/* A Status in JSON; the text is to be freed. */
char *server_error_body(int code, size_t body_max);

#endif
