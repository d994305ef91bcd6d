/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a request's head goes through a proxy to a pod, and what of an answer's comes back. Pure: no server, no
 * store.
 *
 * Who asks is the API server's affair: nothing that says so, or could let a pod act for him, goes through. What an
 * answer could do to the whole origin that it is shown under does not come back.
 */
#ifndef KNARR_APISERVER_PROXY_HEAD_H
#define KNARR_APISERVER_PROXY_HEAD_H

#include "lib/http.h"

/* "[SCHEME:]NAME[:PORT]" in the place of a name, as upstream's SplitSchemeNamePort. */
struct proxy_name {
    bool tls;
    const char *name;
    const char *port; /* "" = none is said */
};
/* In the pool. False: it is none. */
bool proxy_name_parse(struct pool *pool, const char *text, struct proxy_name *ret_name);

/* Between which two places. */
struct proxy_way {
    struct slice prefix; /* "/api/v1/namespaces/NS/pods/NAME/proxy", raw */
    struct slice rest;   /* the raw path behind it, with its slash; or empty */
    const char *host;    /* "10.244.0.7:80" */
};

/* The request's head as the pod gets it, one request on a connection. */
void proxy_write_head(const struct http_request *req, const struct proxy_way *way, struct buf *out);
/* The answer's headers that the client gets, into `to` of at least count + PROXY_HEADERS_ADDED. */
#define PROXY_HEADERS_ADDED 2
size_t proxy_answer_headers(const struct http_request *req, const struct proxy_way *way, const struct http_header *from,
                            size_t count, struct http_header *to);
/* Whether its links are to go through the proxy too (proxy_html.h): a page, whole and not packed, that sends nobody
 * elsewhere. */
bool proxy_answer_is_page(int status, const struct http_header *headers, size_t count);
/* Writes where a link goes when it is followed through the proxy; false, and nothing, when it goes where it says. */
bool proxy_location_write(const struct http_request *req, const struct proxy_way *way, struct slice location,
                          struct buf *out);
/* The same of a redirect. */
struct slice proxy_location(const struct http_request *req, const struct proxy_way *way, struct slice location);

#endif
