/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/frame.h"

#include "api/version.h"

static const char *const frame_names[] = {"ADDED", "MODIFIED", "DELETED"};

static size_t frame_form(const struct frame_format *format)
{
    if (format->media == MEDIA_TABLE)
        return 2 + (size_t)format->include;
    if (format->media == MEDIA_PROTOBUF)
        return FRAME_FORMS - 1;
    return format->media == MEDIA_PARTIAL ? 1 : 0;
}

/* The whole of an event whose object is there as JSON. */
static struct refbuf *frame_finish(const struct frame_format *format, const char *type, struct slice object)
{
    BUF_LOCAL(out);
    BUF_LOCAL(message);

    if (format->media == MEDIA_PROTOBUF && reply_encode_protobuf(object, &message)) {
        codec_write_protobuf_event(type, buf_slice(&message), &out);
        return refbuf_from(&out);
    }
    buf_printf(&out, "{\"type\":\"%s\",\"object\":", type);
    buf_append_slice(&out, object);
    buf_append_str(&out, "}\n");
    return refbuf_from(&out);
}

static void frame_write_object(struct buf *out, const struct frame_format *format, struct slice stored,
                               uint64_t revision, bool columns)
{
    BUF_LOCAL(scratch);
    const struct table_shown shown = {version_show(format->shown, stored, &scratch), revision, format->include};

    if (format->media == MEDIA_PARTIAL) {
        table_write_partial(out, shown.document, revision);
        return;
    }
    if (format->media != MEDIA_TABLE) {
        object_write(out, shown.document, revision, true);
        return;
    }
    buf_printf(out,
               "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\"%llu\"},",
               (unsigned long long)revision);
    if (columns)
        table_write_columns(out, format->kind);
    else
        buf_append_str(out, "\"columnDefinitions\":null");
    buf_append_str(out, ",\"rows\":[");
    table_write_row_as(out, format->kind, stored, &shown, clock_wall_ns(format->clock));
    buf_append_str(out, "]}");
}

struct refbuf *frame_make(const struct frame_format *format, enum frame_type type, struct slice stored,
                          uint64_t revision, bool columns)
{
    BUF_LOCAL(out);

    frame_write_object(&out, format, stored, revision, columns);
    return frame_finish(format, frame_names[type], buf_slice(&out));
}

/* The frames of that version; nearly always all watch the same one. */
static struct frame_set *frame_find_set(struct frame_event *e, const struct schema_kind *kind)
{
    struct frame_set *set = &e->set;

    while (set->kind && set->kind != kind &&
           (strcmp(set->kind->version, kind->version) != 0 || strcmp(set->kind->group, kind->group) != 0)) {
        if (!set->next)
            set->next = mem_zalloc(sizeof(*set->next));
        set = set->next;
    }
    set->kind = kind;
    return set;
}

struct refbuf *frame_of_event(struct frame_event *e, const struct frame_format *format, enum frame_type type)
{
    struct refbuf **slot = &frame_find_set(e, format->shown)->frames[type][frame_form(format)];
    const struct store_event *event = e->event;
    bool left = type == FRAME_DELETED && event->kind == STORE_EVENT_MODIFY && event->prev_value.len;

    if (!*slot)
        *slot = frame_make(format, type, left ? event->prev_value : event->value, event->revision, false);
    return *slot;
}

static void frame_set_clear(struct frame_set *set)
{
    for (size_t t = 0; t < FRAME_TYPE_COUNT; t++)
        for (size_t f = 0; f < FRAME_FORMS; f++) {
            refbuf_unref(set->frames[t][f]);
            set->frames[t][f] = NULL;
        }
}

void frame_event_clear(struct frame_event *e)
{
    frame_set_clear(&e->set);
    e->set.kind = NULL;
    while (e->set.next) {
        struct frame_set *set = e->set.next;

        e->set.next = set->next;
        frame_set_clear(set);
        free(set);
    }
}

struct refbuf *frame_bookmark(const struct frame_format *format, uint64_t revision, bool initial_end)
{
    const char *mark = initial_end ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "";
    char version[320];
    BUF_LOCAL(out);

    if (format->media == MEDIA_TABLE)
        /* A Table has no annotations of its own: the mark stands on the object of its one row. */
        buf_printf(&out,
                   "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\"%llu\"},"
                   "\"columnDefinitions\":null,\"rows\":[{\"cells\":[],\"object\":{\"kind\":\"PartialObjectMetadata\","
                   "\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\"%llu\"%s}}}]}",
                   (unsigned long long)revision, (unsigned long long)revision, mark);
    else
        buf_printf(&out, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{\"resourceVersion\":\"%llu\"%s}}",
                   format->media == MEDIA_PARTIAL ? "PartialObjectMetadata" : format->shown->kind,
                   format->media == MEDIA_PARTIAL ? "meta.k8s.io/v1"
                                                  : schema_api_version(format->shown, version, sizeof(version)),
                   (unsigned long long)revision, mark);
    return frame_finish(format, "BOOKMARK", buf_slice(&out));
}

struct refbuf *frame_error(const struct frame_format *format, const struct error *err)
{
    BUF_LOCAL(out);

    status_write_error(&out, err, NULL);
    return frame_finish(format, "ERROR", buf_slice(&out));
}
