/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client as lean as can be, so that what is measured is the server: one thread, one epoll, requests made by hand,
 * answers searched only for their end.
 */
#ifndef KNARR_BENCH_LOAD_H
#define KNARR_BENCH_LOAD_H

#include <openssl/ssl.h>

#include "bench/common.h"
#include "lib/bytes.h"

#define BENCH_JSON "application/json"

struct load {
    const char *address;
    uint16_t port;
    const char *certificate; /* paths */
    const char *key;
    bool unverified; /* the other end is ours */
    SSL_CTX *tls;
    struct bench_times times;
    char value[BENCH_SIZE_MAX];
};

/* One keep-alive connection; one request under way. */
struct connection {
    SSL *ssl;
    int fd;
    struct buf in;
    size_t seen; /* bytes of `in` that were searched for the end of the head */
    int64_t since_ns;
    uint64_t events; /* of a watch: lines so far */
    char last;       /* of a watch: the byte before */
    bool begun;      /* of a watch: the answer's head is here */
};

/* load_connection.c */
void load_begin(struct load *load, int argc, char **argv);
void connection_open(struct load *load, struct connection *c, int epoll);
void connection_close(struct connection *c);
void connection_send(struct connection *c, struct slice request);
/* Takes in what is there. */
void connection_read(struct connection *c);
/* Until there is something. */
void connection_wait(const struct connection *c);
/* True when the answer's head is here: it must be a success. *ret_body is what is here of the body, *ret_length
 * UINT64_MAX when it comes in chunks. */
bool connection_head(struct connection *c, struct slice *ret_body, uint64_t *ret_length);
/* Whether a body that comes in chunks ends so. */
bool connection_chunks_end(struct slice body);
/* True when the answer is whole: it must be a success. *ret_body, without data before the head is there, may have chunk
 * heads in it. */
bool connection_answer(struct connection *c, struct slice *ret_body);
/* Sends and waits for the answer. */
struct slice connection_ask(struct connection *c, struct slice request);

void request_get(struct buf *to, const char *path, const char *accept, bool gzip);
/* Of a ConfigMap: PUT of that number, or POST. */
void request_write(struct load *load, struct buf *to, struct bench_work *work, uint64_t number);

/* load.c */
/* Fills `request`; false when there is nothing more to ask. */
typedef bool load_next(struct load *load, void *arg, struct buf *request);
/* So many connections, each with one request under way; prints the times. */
void load_run(struct load *load, size_t count, load_next *next, void *arg);
/* The clock of a command begins when its connections are there. */
struct load_timed {
    int64_t ms;
    int64_t end_ns;
};
bool load_timed_over(struct load_timed *t);

typedef void load_command(struct load *load, const struct bench_command *command);
load_command load_list, load_wire;  /* load_list.c */
load_command load_send;             /* load_send.c */
load_command load_watch, load_hold; /* load_watch.c */

#endif
