/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTPS server on a thread of its own, with a handler that does what the path says, and a blocking client.
 * Everything has a deadline of a few seconds, so that a lost event fails a test instead of hanging it.
 *
 *     /echo     200, "METHOD path?query [x-test] body"          /who     200, "given verified CN O,O"
 *     /stream   200 stream, "hello"; left open                  /flood   200 stream of what nobody reads
 *     /count    200 stream "1" "2" "3", ended                   /late    never answered
 *     /big      200, 4 MiB of 'x'                               /upgrade 101, echoes
 *     /created  201 with a Location that has a line break in it
 *     /known    as /echo; the peer is known from then on
 *     /body...  streams its body: /body/whole 200 with what came, /body/early 413 at once, /body/echo 200 stream of it
 *     /gathered 200 stream "1" "2" "3", queued and flushed when the headers are out; ended
 *     /redirect 302 to /target, which echoes                    /cut     200 stream, aborted
 */
#ifndef KNARR_TESTS_UNIT_LIB_HTTP_FIXTURE_H
#define KNARR_TESTS_UNIT_LIB_HTTP_FIXTURE_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <semaphore.h>

#include "lib/http_server.h"
#include "lib/pki.h"
#include "tests/unit/test.h"

#define FIXTURE_FRONTS_MAX 2
#define FIXTURE_BIG        (4u << 20)

struct fixture_front {
    struct loop *loop;
    struct http_server *server;
    pthread_t thread;
    struct fixture *fixture;
};

struct fixture {
    struct pki_pair ca;
    struct pki_pair serving;
    struct pki_pair client; /* CN alice, O devs, O ops */
    struct http_listener *listener;
    struct fixture_front fronts[FIXTURE_FRONTS_MAX];
    size_t front_count;
    sem_t streams_closed;
    sem_t requests_gone; /* /late: its pool was freed */
    sem_t sockets_closed;
    sem_t arrived; /* /late, /stream, /flood, /upgrade: the handler was called */
};

/* For options: what of the above streams. */
bool fixture_body_streams(struct slice method, struct slice target);
/* `options` may be NULL; its texts are filled in. */
void fixture_start(struct fixture *f, size_t fronts, const struct http_server_options *options);
void fixture_stop(struct fixture *f, unsigned grace_ms);
/* False after five seconds without. */
bool fixture_wait(sem_t *sem);
size_t fixture_connections(struct fixture *f);

struct test_client {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
};

/* Handshakes; certificate may be NULL. False when the handshake failed. */
bool client_open(struct test_client *c, const struct fixture *f, const struct pki_pair *certificate);
/* The same from 127.x.y.z. */
bool client_open_from(struct test_client *c, const struct fixture *f, const struct pki_pair *certificate,
                      uint32_t from);
/* A connection that says nothing; to be closed. */
int client_connect(const struct fixture *f, uint32_t from);
void client_send(struct test_client *c, const char *text);
void client_send_bytes(struct test_client *c, struct slice bytes);
/* Reads until what has come contains `text`; returns what has come, to be freed. Fails the test at the end or late. */
char *client_read_until(struct test_client *c, const char *text);
/* Whether the connection ends (after any bytes). */
bool client_sees_end(struct test_client *c);
void client_close(struct test_client *c);
/* With a TCP reset. */
void client_reset(struct test_client *c);
/* One request on a connection of its own; the whole answer. */
char *client_get(const struct fixture *f, const struct pki_pair *certificate, const char *path);

#endif
