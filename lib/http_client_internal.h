/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two halves of the HTTP client share: http_client.c drives libcurl on the loop, http_client_call.c is one
 * call from its options to its last event. http_client.c says when what may be done.
 */
#ifndef KNARR_LIB_HTTP_CLIENT_INTERNAL_H
#define KNARR_LIB_HTTP_CLIENT_INTERNAL_H

#include <curl/curl.h>
#include <openssl/err.h>

#include "lib/http_client.h"
#include "lib/list.h"

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer *timer; /* libcurl's */
    struct loop_timer *kick;  /* resumes paused calls */
    struct buf ca;
    struct buf certificate;
    struct buf key;
    char *proxy;
    bool insecure;
    struct list calls;
    unsigned inside; /* libcurl or one of our users' callbacks is on the stack */
    bool freed;
};

struct header_place {
    size_t name;
    size_t value;
    size_t value_len;
};

struct http_call {
    struct list link;
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    struct http_call_events events;
    void *arg;
    char message[CURL_ERROR_SIZE];
    struct loop_timer *idle;
    unsigned idle_ms;
    size_t redirects_left;
    struct buf head; /* "name\0value\0"... of the response that is coming */
    struct header_place *places;
    size_t place_cap;
    size_t header_count;
    bool connect_only;
    bool added;      /* to the multi handle */
    bool connection; /* only that: lives on after `end` without an error, for curl_easy_send and curl_easy_recv */
    bool has_location;
    bool head_given;
    bool paused;    /* the user does not want data */
    bool held;      /* libcurl keeps some back because of that */
    bool cancelled; /* no event any more; freed on the way out */
};

void http_call_free(struct http_call *call);
/*
 * After every call of libcurl that may have used TLS: it leaves errors in OpenSSL's queue, which belongs to the thread.
 * libh2o does not empty it before it reads, and would take what it finds there for a failure of a connection of its
 * own.
 */
static inline void http_client_forget_errors(void)
{
    ERR_clear_error();
}
/* A verified connection of its own instead of a call. `end` comes when it is there, and once more, with an error, when
 * the client is freed. */
struct http_call *http_call_connect(struct http_client *client, const struct http_call_options *options,
                                    const struct http_call_events *events, void *arg);
/* Gives the last event; the call is only to be freed afterwards. */
void http_call_end(struct http_call *call, const struct error *err);
/* The last event, after libcurl's result. */
void http_call_done(struct http_call *call, CURLcode code);
/* Carries out what was noted, unless still inside. The client may be gone afterwards. */
void http_client_settle(struct http_client *client);

#endif
