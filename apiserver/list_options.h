/* SPDX-License-Identifier: Apache-2.0 */
/* What a list, a watch or a deletecollection asks for, and which objects it means. */
#ifndef KNARR_APISERVER_LIST_OPTIONS_H
#define KNARR_APISERVER_LIST_OPTIONS_H

#include "api/object.h"
#include "api/selector.h"
#include "apiserver/request.h"

/* Which objects a reader sees. Evaluated on the stored header; the bytes are looked at only when it is stale. */
struct filter {
    const struct schema_kind *kind;
    const struct schema_kind *shown; /* whose names the fields have */
    struct selector *labels;         /* NULL = all */
    struct selector *fields;         /* NULL = all */
    const char *name;                /* the old /watch/ form names one object; NULL = any */
};
void filter_clear(struct filter *f);
bool filter_is_empty(const struct filter *f);
bool filter_matches(const struct filter *f, struct slice namespace_, struct slice name, struct slice meta,
                    struct slice value);

enum list_match { LIST_MATCH_NONE, LIST_MATCH_EXACT, LIST_MATCH_NOT_OLDER };

struct list_options {
    struct filter filter; /* freed with the request */
    int64_t limit;        /* 0 = all */
    bool has_revision;    /* resourceVersion was given and not empty */
    uint64_t revision;
    enum list_match match;
    bool past; /* history=true: exactly as of `revision`; the verb is `history` */
    /* From the continue token: list behind this key of the snapshot at `continue_revision` (0 = the newest). */
    const char *continue_after; /* relative to the prefix; NULL = from the start */
    uint64_t continue_revision;
    uint64_t continue_remaining; /* how many there are behind it; 0 = unknown */
    bool watch;
    bool bookmarks;
    bool initial_events;     /* sendInitialEvents is given and true */
    bool no_initial_events;  /* ... and false */
    int64_t timeout_seconds; /* 0 = not given */
};

/* In the request's pool. Errors: BAD_REQUEST, INVALID (details of ListOptions). */
int list_options_read(struct request *req, struct list_options *ret_options, struct error *err);
/* The token for what follows `after` (relative to the prefix), as upstream forms it, and how many that are (0 =
 * unknown), so that only the first page counts them; in the pool. */
const char *list_continue_make(struct pool *pool, uint64_t revision, struct slice after, uint64_t remaining);
/* ERROR_TIMEOUT with upstream's cause when the revision lies in the future. */
int list_check_future(const struct request *req, uint64_t revision, struct error *err);
/* Whether the revision may be listed, or watched from (history.c): 1, 0 (it is as if it were no longer kept), or a
 * negative error when that cannot be read. */
int list_may_see(struct request *req, uint64_t revision, struct error *err);
/* The revision that a request for the past names by `resourceVersion` or by `time` (RFC 3339); 0 = it names none.
 * BAD_REQUEST, EXPIRED (longer ago than what is kept), TIMEOUT (in the future). */
int history_revision(struct request *req, uint64_t *ret_revision, struct error *err);
/* For who may see the past: says it when the request's namespace is younger than that. ERROR_EXPIRED. */
int history_check_namespace(struct request *req, uint64_t revision, struct error *err);

#endif
