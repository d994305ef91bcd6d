/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: events as they go out, one line of JSON each, or a message of protobuf behind its length. A frame is written
 * once for each form that somebody wants of an event, and its bytes are shared by all who want that form.
 */
#ifndef KNARR_APISERVER_FRAME_H
#define KNARR_APISERVER_FRAME_H

#include "apiserver/registry.h"
#include "apiserver/request.h"

enum frame_type { FRAME_ADDED, FRAME_MODIFIED, FRAME_DELETED, FRAME_TYPE_COUNT };

/* JSON, Partial, Table with three kinds of row objects, and protobuf. */
#define FRAME_FORMS 6

/* Those in which one version of a kind goes out. */
struct frame_set {
    const struct schema_kind *kind; /* NULL = none was made yet */
    struct refbuf *frames[FRAME_TYPE_COUNT][FRAME_FORMS];
    struct frame_set *next; /* of another version */
};

struct frame_event {
    const struct store_event *event; /* borrowed during the call */
    struct registry_place place;
    struct frame_set set;
};

struct frame_format {
    const struct schema_kind *kind;
    const struct schema_kind *shown; /* the version of the objects; columns and cells are the kind's */
    enum media media;
    enum table_include include;
    struct clock *clock;
};

/* Borrowed from the event's cache; made when it is the first of its form. A DELETED frame shows the last state: that
 * before the event when the object only left the selection. */
struct refbuf *frame_of_event(struct frame_event *e, const struct frame_format *format, enum frame_type type);
void frame_event_clear(struct frame_event *e);
/* A frame of its own. columns: a Table's first frame carries the column definitions. The caller owns it. */
struct refbuf *frame_make(const struct frame_format *format, enum frame_type type, struct slice stored,
                          uint64_t revision, bool columns);
struct refbuf *frame_bookmark(const struct frame_format *format, uint64_t revision, bool initial_end);
struct refbuf *frame_error(const struct frame_format *format, const struct error *err);

#endif
