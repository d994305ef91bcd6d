/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run of watchers leaves behind: every change that was committed, and of every watcher every session with each
 * event as it arrived. Written while the run goes on, judged afterwards (check.h), so that nothing of the judgement
 * disturbs what is judged.
 *
 * Objects are numbers: key K stands for "pK" in namespace "wN" with N = K modulo the number of namespaces; of which
 * kind it is, where there are several, says K modulo their number. A change carries a value that is never used again,
 * one label and one node; the text of an object says all of them.
 */
#ifndef KNARR_TESTS_WATCH_RECORD_H
#define KNARR_TESTS_WATCH_RECORD_H

#include "lib/bytes.h"
#include "lib/pool.h"

#define RECORD_ANY (-1)

/* What a watcher asks for; RECORD_ANY where it does not care. */
struct record_selector {
    int namespace_;
    int key;
    int label;
    int node;
    unsigned kind;
};

/* One change of one object, as it was committed. */
struct record_change {
    uint64_t revision;
    uint32_t key;
    uint32_t value; /* 0 = deleted */
    uint8_t label;
    uint8_t node;
};

enum record_type {
    RECORD_ADDED,
    RECORD_MODIFIED,
    RECORD_DELETED,
    RECORD_BOOKMARK,
    RECORD_INITIAL_END, /* the bookmark behind a list */
    RECORD_EXPIRED,     /* an error that says 410 */
    RECORD_TYPES
};

/* One line of a stream. */
struct record_event {
    uint64_t revision;
    uint32_t key;
    uint32_t value;
    uint8_t type;
    uint8_t label;
    uint8_t node;
};

enum record_end {
    RECORD_OPEN,  /* it was still there when all had settled: everything must have come */
    RECORD_CLEAN, /* the server ended it: whole transactions */
    RECORD_CUT    /* the connection broke: anything may be missing at the end */
};

/* One watch, from its request to its end. */
struct record_session {
    unsigned watcher;
    struct record_selector selector;
    bool list;          /* it began with what there was */
    uint64_t after;     /* else: the revision it began behind */
    bool expired;       /* 410 */
    uint64_t compacted; /* when it was: what the oldest kept revision was right after */
    size_t unsent_max;  /* bytes that the server held for it */
    enum record_end end;
    struct record_event *events;
    size_t count;
    size_t cap;
};

struct record {
    unsigned namespaces;
    unsigned kinds; /* 0 = one */
    size_t keys;
    uint64_t last; /* the newest revision at the end */
    struct record_change *changes;
    size_t change_count;
    size_t change_cap;
    struct record_session **sessions;
    size_t session_count;
    size_t session_cap;
};

void record_clear(struct record *r);
void record_add_change(struct record *r, const struct record_change *change);
/* The session is the record's. */
struct record_session *record_add_session(struct record *r, unsigned watcher, const struct record_selector *selector);
void record_add_event(struct record_session *s, const struct record_event *event);
/* Reads one line of a stream; false when it is none that this record knows. */
bool record_parse(struct slice line, struct record_event *ret_event);
/* The object alone, as it is stored or served; its revision is not read. */
bool record_parse_object(struct slice object, struct record_event *ret_event);
/* Behind which revision a new session may go on so that nothing is missing: the last one of `s` that is known to be
 * whole (0 = none). After a cut the last transaction may not be. */
uint64_t record_resume(const struct record_session *s);
/* "/api/v1/namespaces/w1/pods?watch=true&...", and `more` behind it; `field` is that of the node. */
char *record_path(const struct record_session *s, const char *plural, const char *field, const char *more);

#endif
