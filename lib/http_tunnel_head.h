/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an answer to a request to upgrade. Pure; private to lib/http_tunnel*.c and its test. */
#ifndef KNARR_LIB_HTTP_TUNNEL_HEAD_H
#define KNARR_LIB_HTTP_TUNNEL_HEAD_H

#include "lib/http.h"

#define TUNNEL_HEADERS_MAX 64

struct tunnel_head {
    struct buf text; /* up to the blank line; changed by the parsing */
    int status;
    struct http_header headers[TUNNEL_HEADERS_MAX]; /* lower-case names; they point into the text */
    size_t header_count;
    int64_t body_len; /* -1 = until the end of the connection */
};

/* "HTTP/1.1 101 Switching Protocols", then the headers. False when it is not that. */
bool tunnel_head_parse(struct tunnel_head *h);

#endif
