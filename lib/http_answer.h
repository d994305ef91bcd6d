/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads one answer of HTTP/1.x (RFC 9112) from the bytes of a connection. Pure: no socket, no clock. For connections
 * that are not libcurl's, which is who reads answers otherwise (lib/http_client.h).
 */
#ifndef KNARR_LIB_HTTP_ANSWER_H
#define KNARR_LIB_HTTP_ANSWER_H

#include "lib/http.h"

#define HTTP_ANSWER_HEAD_MAX    (64u << 10)
#define HTTP_ANSWER_HEADERS_MAX 100

struct http_answer_events {
    /* Once, first. Interim answers are left out, but for 101. `headers` have lower-case names, are valid during the
     * call, and none of them says how the body is framed. body_len: -1 = not known. */
    void (*head)(void *arg, int status, const struct http_header *headers, size_t header_count, int64_t body_len);
    /* After 101 whatever follows. */
    void (*data)(void *arg, struct slice data);
    /* It is whole; not after 101. */
    void (*end)(void *arg);
};

struct http_answer;
/* no_body: the request was a HEAD. */
struct http_answer *http_answer_new(bool no_body, const struct http_answer_events *events, void *arg);
/* Events come from inside, which must not free it. What follows the answer is left alone. ERROR_IO: this is no answer,
 * or its head is too large; nothing more may be fed. */
int http_answer_feed(struct http_answer *answer, struct slice data, struct error *err);
/* The connection ended: with some answers that is the end of the body. ERROR_IO when it is not. */
int http_answer_finish(struct http_answer *answer, struct error *err);
void http_answer_free(struct http_answer *answer);

#endif
