/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTPS client: libcurl's multi interface on a loop. One http_client is one set of TLS settings and pooled connections.
 *
 * No event comes from inside http_client_call, http_call_cancel or http_call_pause; all of them, and http_client_free,
 * may be called from inside an event. Failures: ERROR_TIMEOUT; ERROR_UNAVAILABLE when no connection came about or it
 * broke (worth another try); ERROR_CANCELLED from http_client_free; ERROR_IO for the rest, a server certificate that is
 * not trusted among them.
 */
#ifndef KNARR_LIB_HTTP_CLIENT_H
#define KNARR_LIB_HTTP_CLIENT_H

#include "lib/http.h"

struct http_client_options {
    struct slice ca;          /* PEM; empty = the system's */
    struct slice certificate; /* PEM, with key; empty = none */
    struct slice key;
    bool insecure_skip_verify; /* only to read a server's CA before its hash is checked; no secret may be sent */
    const char *proxy;         /* NULL = none, whatever the environment says */
};

struct http_client;
struct http_call;

struct http_call_events {
    /* Once, before data. `headers` names are lower case; valid during the call. */
    void (*head)(void *arg, int status, const struct http_header *headers, size_t header_count);
    void (*data)(void *arg, struct slice data);
    /* Exactly once, last: complete (err NULL) or failed. */
    void (*end)(void *arg, const struct error *err);
    /* A header after the data; `name` is as it came. May be NULL. */
    void (*trailer)(void *arg, struct slice name, struct slice value);
};

struct http_call_options {
    const char *method;
    const char *url;
    const struct http_header *headers;
    size_t header_count;
    struct slice body;           /* copied */
    unsigned timeout_ms;         /* whole call; 0 = none (watch) */
    unsigned connect_timeout_ms; /* 0 = 10 s */
    unsigned idle_timeout_ms;    /* nothing received for so long = failed; 0 = none */
    size_t redirects_max;        /* 0 = do not follow */
    bool fresh;                  /* a connection of its own, closed afterwards */
    bool http2;                  /* HTTP/2 from the first byte, without asking ("prior knowledge") */
    bool connect_only;           /* opens the connection and ends well; nothing is sent, `head` does not come */
};

struct http_client *http_client_new(struct loop *loop, const struct http_client_options *options);
/* Fails calls that are under way with ERROR_CANCELLED, from inside; their `end` must start no new ones. */
void http_client_free(struct http_client *client);
/* New certificate and key for connections from now on. */
void http_client_set_certificate(struct http_client *client, struct slice certificate, struct slice key);
struct http_call *http_client_call(struct http_client *client, const struct http_call_options *options,
                                   const struct http_call_events *events, void *arg);
/* Where the answer comes from, redirects followed; borrowed, for the time of an event. */
const char *http_call_url(const struct http_call *call);
/* No event follows. */
void http_call_cancel(struct http_call *call);
/* In `end` only: where an answer that was not followed redirects to, as an absolute address; NULL = nowhere. */
const char *http_call_redirect(const struct http_call *call);
/* In `end` only: errno of the connection that failed; 0 = none is known. */
int http_call_errno(const struct http_call *call);
/* Back-pressure: stops and resumes delivering data. */
void http_call_pause(struct http_call *call, bool paused);

#endif
