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

struct load {
    const char *address;
    uint16_t port;
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
/* True when the answer is whole: it must be a success. *ret_body, without data before the head is there, may have chunk
 * heads in it. */
bool connection_answer(struct connection *c, struct slice *ret_body);
/* Sends and waits for the answer. */
struct slice connection_ask(struct connection *c, struct slice request);

void request_get(struct buf *to, const char *path);
/* Of a ConfigMap: PUT of that number, or POST. */
void request_write(struct load *load, struct buf *to, struct bench_work *work, uint64_t number);

/* load_watch.c */
void load_watch(struct load *load, const struct bench_command *command);

#endif
