/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP as the rest of the program sees it: a request with the identity of its peer, an answer at once or as a stream,
 * or the socket itself. What serves it (libh2o over TLS, or a caller in the same process) stands behind
 * `struct http_exchange_ops`, so that no handler knows the engine.
 *
 * Everything about one request happens on the loop of the front that accepted it. A handler answers exactly once: with
 * http_respond, http_stream_start or http_take_over, then or later. When the peer goes away first, the request's pool
 * is freed (its hooks run) and answering afterwards is forbidden: hang a hook on the pool to learn of it.
 */
#ifndef KNARR_LIB_HTTP_H
#define KNARR_LIB_HTTP_H

#include "lib/bytes.h"
#include "lib/error.h"
#include "lib/loop.h"
#include "lib/pool.h"

/* Who is at the other end, as the transport knows it. */
struct http_peer {
    bool certificate_given;    /* TLS: a client certificate came */
    bool certificate_verified; /* ... and it is from the client CA, in its time, for client use */
    const char *common_name;   /* of a verified certificate, else NULL */
    const char *const *organizations;
    size_t organization_count;
    const char *address; /* "192.0.2.1" or "::1", "" in process */
    uint16_t port;
    /* In process: the identity was set by main when the transport was made; overrides everything else. */
    const char *local_user;
    const char *const *local_groups;
    size_t local_group_count;
};

struct http_header {
    const char *name; /* lower case */
    struct slice value;
};

struct http_request {
    struct pool *pool; /* lives until the answer is complete or the peer is gone */
    struct loop *loop;
    struct slice method;
    struct slice authority; /* Host; empty = none, or in process */
    struct slice path;      /* raw, not decoded, without the query */
    struct slice query;     /* raw, without '?' */
    struct slice body;      /* whole; len 0 = none, or it streams */
    bool body_streams;      /* the body is read by http_body_start */
    int64_t body_len;       /* ... and has so many bytes; -1 = that is not known yet */
    const struct http_peer *peer;
    bool upgrade;     /* the client asked to upgrade (Connection: upgrade) */
    int64_t start_ns; /* monotonic time of arrival */
    int status;       /* of the answer; 0 before there is one */
    const struct http_exchange_ops *ops;
    void *exchange; /* the engine's */
    void *user;     /* the handler's */
};

/* The first header of that (lower-case) name; data NULL when absent. Host, Content-Length and Transfer-Encoding are the
 * engine's and are not seen. */
struct slice http_request_header(const struct http_request *req, const char *name);
/* Calls fn for each header, in order. */
void http_request_each_header(const struct http_request *req,
                              void (*fn)(void *arg, struct slice name, struct slice value), void *arg);

/*
 * A body that comes while its request is handled (http_server_options.body_streams). Who answers before it is whole
 * gets no more of it, and the connection ends with the answer. Events come from the loop only, and none after the
 * request is gone.
 */
struct http_body_events {
    void (*data)(void *arg, struct slice data); /* valid during the call; all of it is taken */
    void (*end)(void *arg);                     /* it was whole */
};
/* Once, of a request whose body_streams is set. */
void http_body_start(struct http_request *req, const struct http_body_events *events, void *arg);
void http_body_pause(struct http_request *req, bool paused); /* back-pressure */

/* Who asks has shown who he is: his connection is no guest's any more (lib/http_guests.h). */
void http_know_peer(struct http_request *req);

/* Answers. `headers` and `content_type` (NULL = none) are copied; the body is referenced. HEAD drops the body. NULL
 * body = none. The request lives on until the handler's call stack is left; a request that was cancelled meanwhile
 * takes the answer and drops it. */
void http_respond(struct http_request *req, int status, const char *content_type, const struct http_header *headers,
                  size_t header_count, struct refbuf *body);

/* A streamed answer of unknown length, unless there is a `content-length` among the headers: then exactly so much must
 * be written. Headers go out at once. */
struct http_stream;
struct http_stream_events {
    /* All that was written has been handed to the kernel; more may be written. May be NULL. */
    void (*drained)(void *arg);
    /* The stream is over: the peer left, or http_stream_end was carried out. Called exactly once, last; the request and
     * its pool go away right after. */
    void (*closed)(void *arg);
};
struct http_stream *http_stream_start(struct http_request *req, int status, const char *content_type,
                                      const struct http_header *headers, size_t header_count,
                                      const struct http_stream_events *events, void *arg);
/* Queues the buffer (takes its own reference). Coalesces: what is queued while one write is under way goes out in one.
 */
void http_stream_write(struct http_stream *stream, struct refbuf *data);
/* The same, but nothing need go out before http_stream_flush or http_stream_end: who has several buffers for a stream
 * sends them as one. */
void http_stream_queue(struct http_stream *stream, struct refbuf *data);
void http_stream_flush(struct http_stream *stream);
/* Bytes queued and not yet handed to the kernel. The writer bounds it. */
size_t http_stream_pending(const struct http_stream *stream);
/* Ends cleanly after what is queued; `closed` follows. */
void http_stream_end(struct http_stream *stream);
/* Cuts the connection; `closed` follows. */
void http_stream_abort(struct http_stream *stream);

/* The connection itself, after an upgrade (exec, attach, port-forward). Nothing is read before http_socket_start. */
struct http_socket;
struct http_socket_events {
    void (*data)(void *arg, struct slice data); /* valid during the call; all of it is taken */
    void (*drained)(void *arg);
    void (*closed)(void *arg); /* exactly once, last; the socket goes away right after, and the request with its pool */
};
/* Answers 101 with these headers (`upgrade` among them; `connection` is added) and hands the connection over; `opened`
 * gets NULL when the peer was gone, and then the request and its pool go away right after it. */
void http_take_over(struct http_request *req, const struct http_header *headers, size_t header_count,
                    void (*opened)(void *arg, struct http_socket *socket), void *arg);
void http_socket_start(struct http_socket *socket, const struct http_socket_events *events, void *arg);
void http_socket_write(struct http_socket *socket, struct slice data); /* copies */
size_t http_socket_pending(const struct http_socket *socket);
void http_socket_pause(struct http_socket *socket, bool paused); /* back-pressure on reading */
void http_socket_close(struct http_socket *socket);              /* after what is queued; `closed` follows */
void http_socket_abort(struct http_socket *socket);              /* at once; `closed` follows */
/* A peer that takes nothing is not cut after a while, as when somebody stops the output of his terminal: the owner
 * bounds the time. */
void http_socket_be_patient(struct http_socket *socket);

/* One handler per server; called on the front's loop. `req` is the handler's until it has answered. */
typedef void http_handler(struct http_request *req, void *arg);

/* What an engine implements. */
struct http_exchange_ops {
    struct slice (*header)(const struct http_request *req, const char *name);
    void (*each_header)(const struct http_request *req, void (*fn)(void *arg, struct slice name, struct slice value),
                        void *arg);
    void (*respond)(struct http_request *req, int status, const char *content_type, const struct http_header *headers,
                    size_t header_count, struct refbuf *body);
    struct http_stream *(*stream_start)(struct http_request *req, int status, const char *content_type,
                                        const struct http_header *headers, size_t header_count,
                                        const struct http_stream_events *events, void *arg);
    void (*take_over)(struct http_request *req, const struct http_header *headers, size_t header_count,
                      void (*opened)(void *arg, struct http_socket *socket), void *arg);
    void (*know_peer)(struct http_request *req); /* NULL = the engine does not ask who comes */
    void (*body_start)(struct http_request *req, const struct http_body_events *events, void *arg);
    void (*body_pause)(struct http_request *req, bool paused); /* both NULL = bodies are whole */
};
/* Engines embed this first in their stream. */
struct http_stream {
    const struct http_stream_ops *ops;
};
struct http_stream_ops {
    void (*queue)(struct http_stream *stream, struct refbuf *data);
    void (*flush)(struct http_stream *stream); /* NULL = what is queued goes out by itself */
    size_t (*pending)(const struct http_stream *stream);
    void (*end)(struct http_stream *stream);
    void (*abort)(struct http_stream *stream);
};

/* Engines embed this first in their socket. */
struct http_socket {
    const struct http_socket_ops *ops;
};
struct http_socket_ops {
    void (*start)(struct http_socket *socket, const struct http_socket_events *events, void *arg);
    void (*write)(struct http_socket *socket, struct slice data);
    size_t (*pending)(const struct http_socket *socket);
    void (*pause)(struct http_socket *socket, bool paused);
    void (*close)(struct http_socket *socket);
    void (*abort)(struct http_socket *socket);
    void (*be_patient)(struct http_socket *socket);
};

/* Raw query of `path?query` parameters: the decoded value of the first `name`, in the pool; NULL when absent. */
const char *http_query_get(struct pool *pool, struct slice query, const char *name);
/* A parameter that is there is true unless it says "false" (any case) or "0", as upstream converts booleans; so "true",
 * "True", "1" and a bare name are true. */
bool http_query_bool(struct pool *pool, struct slice query, const char *name);

#endif
