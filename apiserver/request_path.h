/* SPDX-License-Identifier: Apache-2.0 */
/* What a request's path asks for: upstream's RequestInfo. Pure: no server, no store. */
#ifndef KNARR_APISERVER_REQUEST_PATH_H
#define KNARR_APISERVER_REQUEST_PATH_H

#include "lib/bytes.h"
#include "lib/error.h"
#include "lib/pool.h"

/* The numbers stand in the store's records: none may change. */
enum request_verb {
    REQUEST_OTHER, /* not a resource, or an unknown method */
    REQUEST_CREATE,
    REQUEST_GET,
    REQUEST_LIST,
    REQUEST_WATCH,
    REQUEST_UPDATE,
    REQUEST_PATCH,
    REQUEST_DELETE,
    REQUEST_DELETECOLLECTION,
    REQUEST_HISTORY, /* GET of what an object was */
};

#define REQUEST_SEGMENTS_MAX 32

/* All texts live in the pool; "" where there is none. */
struct request_info {
    const char *path; /* decoded, without a trailing slash; for messages */
    const char *segments[REQUEST_SEGMENTS_MAX];
    size_t segment_count;
    bool is_resource;
    enum request_verb verb;
    const char *verb_name; /* "list"; of other requests the method in lower case */
    const char *group;
    const char *version;
    const char *namespace_;
    const char *resource;
    const char *subresource;
    const char *name;
    bool old_watch; /* /api/v1/watch/...: the deprecated form */
    /* Of pods/NAME/proxy and services/NAME/proxy; raw, and what is behind is not among the segments: it is the path of
     * somebody else's server. */
    bool proxied;
    struct slice proxy_prefix; /* up to and with "proxy" */
    struct slice proxy_rest;   /* "/path/there", or empty */
};

/* Whether it is the path of a proxy; a query may follow. */
bool request_path_is_proxy(struct slice path);

/* Splits the raw path at '/' and decodes each segment on its own, so that an escaped slash cannot make a segment.
 * ERROR_BAD_REQUEST: bad escapes, NUL, '/', "." or ".." inside a segment, an empty segment, too many. Of what is behind
 * a proxy only bad escapes, NUL, "." and ".." are refused. */
int request_path_parse(struct pool *pool, struct slice method, struct slice path, struct request_info *ret_info,
                       struct error *err);
/* A GET without a name is a list, or a watch when the query says so; a name pinned by a field selector counts for
 * authorization only. */
void request_path_set_watch(struct request_info *info, bool watch);
/* A GET of an object that asks for its past (`history` or `exact`) is a right of its own, and so is a list that asks
 * for `history`; it stays a list. */
void request_path_set_history(struct request_info *info, bool history, bool exact);
/* "create" and so on; "" for a number that is none. */
const char *request_verb_name(unsigned verb);

#endif
