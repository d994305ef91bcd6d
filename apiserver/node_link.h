/* SPDX-License-Identifier: Apache-2.0 */
/* The way from the API server to the node servers: one HTTPS client a front, with the API server's own certificate. */
#ifndef KNARR_APISERVER_NODE_LINK_H
#define KNARR_APISERVER_NODE_LINK_H

#include "apiserver/request.h"

/* The front's client; made when first asked for. */
struct http_client *node_link_client(struct front *front);
void node_link_free(struct front *front);
/* What the front shows to node servers from the next connection on; copied, NULL texts = nothing. On the front's
 * thread, or before it runs. */
void node_link_set_identity(struct front *front, const struct pki_pair *identity);
/* The same from any thread. */
void node_link_post_identity(struct front *front, const struct pki_pair *identity);
/* "https://192.0.2.7:10250" of a node, in the pool. ERROR_NOT_FOUND: no such node; ERROR_INTERNAL: it has no address.
 */
int node_link_url(struct apiserver *server, struct pool *pool, const char *node, const char **ret_url,
                  struct error *err);
/* The same for a Node that was read already. */
int node_link_url_of(struct pool *pool, const char *name, struct slice node, const char **ret_url, struct error *err);

/* The container that the query names, or the only one there is; in the pool. ERROR_BAD_REQUEST in upstream's words. */
int node_link_container(struct request *req, struct slice pod, const char **ret_name, struct error *err);
/* Appends "/text" to a URL, escaped. */
void node_link_segment(struct buf *url, const char *text);

#endif
