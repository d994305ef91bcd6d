/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event recorder: sends one request at a time, in the order of recording, so that the count of an event never runs
 * backwards. What was said about the same object with the same words within ten minutes is one Event whose count grows;
 * while its next count waits to be sent, further repeats only raise that count.
 *
 *     IDLE --event_record--> SENDING --answer--> SENDING (more waits) or IDLE
 *
 * A failed request is given up with one log line: events inform people, nothing depends on them.
 */
#include "client/event.h"

#include "lib/encoding.h"
#include "lib/list.h"
#include "lib/log.h"
#include "lib/map.h"

#define EVENT_WAITING_MAX 1000
#define EVENT_KNOWN_MAX   4096
#define EVENT_WINDOW_NS   (600 * NS_PER_S)
#define EVENT_MESSAGE_MAX 1024 /* upstream's limit */

/* One Event on the server, or on its way there. */
struct event {
    struct list known;   /* oldest first */
    struct list waiting; /* linked when a request for it has to be sent */
    char *key;           /* in recorder->events */
    char *namespace_;
    char *name;
    char *fixed; /* the members that never change, as JSON without the outer braces */
    int64_t first_ns;
    int64_t last_ns;
    unsigned count;
    bool created; /* a POST has succeeded: from now on PATCH */
};

struct event_recorder {
    struct client *client;
    char *component;
    char *host;
    struct map events; /* by key */
    struct list known;
    struct list waiting;
    size_t waiting_count;
    bool dropping;   /* said so already */
    int64_t name_ns; /* of the last name */
    struct event *sending;
    struct client_call *call;
};

static void event_free(struct event *e)
{
    free(e->key);
    free(e->namespace_);
    free(e->name);
    free(e->fixed);
    free(e);
}

static void event_forget(struct event_recorder *r, struct event *e)
{
    (void)map_remove(&r->events, slice_str(e->key));
    list_remove(&e->known);
    event_free(e);
}

static void event_member(struct buf *out, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    if (out->len && out->data[out->len - 1] != '{')
        buf_append_byte(out, ',');
    buf_printf(out, "\"%s\":", name);
    json_write_string(out, slice_str(value));
}

/* What never changes about an Event. */
static char *event_write_fixed(const struct event_recorder *r, const struct event_object *object, bool warning,
                               const char *reason, const char *message)
{
    BUF_LOCAL(out);

    buf_append_str(&out, "\"involvedObject\":{");
    event_member(&out, "kind", object->kind);
    event_member(&out, "namespace", object->namespace_);
    event_member(&out, "name", object->name);
    event_member(&out, "uid", object->uid);
    event_member(&out, "apiVersion", object->api_version);
    event_member(&out, "resourceVersion", object->resource_version);
    event_member(&out, "fieldPath", object->field_path);
    buf_append_byte(&out, '}');
    event_member(&out, "reason", reason);
    event_member(&out, "message", message);
    buf_append_str(&out, ",\"source\":{");
    event_member(&out, "component", r->component);
    event_member(&out, "host", r->host);
    buf_append_byte(&out, '}');
    event_member(&out, "type", warning ? "Warning" : "Normal");
    event_member(&out, "reportingComponent", r->component);
    event_member(&out, "reportingInstance", r->host);
    return buf_steal_str(&out);
}

static void event_write_times(struct buf *out, const struct event *e, bool first)
{
    char text[TIME_TEXT_MAX];

    if (first) {
        time_format_seconds(e->first_ns, text);
        buf_printf(out, "\"firstTimestamp\":\"%s\",", text);
    }
    time_format_seconds(e->last_ns, text);
    buf_printf(out, "\"lastTimestamp\":\"%s\",\"count\":%u", text, e->count);
}

static void event_send_next(struct event_recorder *r);

static void event_on_answer(void *arg, int status, struct slice body, const struct error *err)
{
    struct event_recorder *r = arg;
    struct event *e = r->sending;

    (void)body;
    r->call = NULL;
    r->sending = NULL;
    if (!err) {
        e->created = true;
    } else {
        if (e->created && status == 404) {
            /* It expired on the server: the next request makes it again. */
            e->created = false;
            if (list_empty(&e->waiting)) {
                list_append(&r->waiting, &e->waiting);
                r->waiting_count++;
            }
        } else {
            log_debug("events", "event %s/%s is lost: %s", e->namespace_, e->name, err->message);
        }
    }
    event_send_next(r);
}

static void event_send_next(struct event_recorder *r)
{
    struct event *e = list_first(&r->waiting, struct event, waiting);
    BUF_LOCAL(body);
    BUF_LOCAL(path);

    if (!e || r->sending)
        return;
    list_remove(&e->waiting);
    r->waiting_count--;
    if (r->waiting_count < EVENT_WAITING_MAX / 2)
        r->dropping = false;
    r->sending = e;
    buf_append_str(&path, "/api/v1/namespaces/");
    percent_encode(&path, slice_str(e->namespace_));
    buf_append_str(&path, "/events");
    buf_append_byte(&body, '{');
    if (e->created) {
        buf_append_byte(&path, '/');
        percent_encode(&path, slice_str(e->name));
    } else {
        buf_append_str(&body, "\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{");
        event_member(&body, "name", e->name);
        event_member(&body, "namespace", e->namespace_);
        buf_printf(&body, "},%s,", e->fixed);
    }
    event_write_times(&body, e, !e->created);
    buf_append_byte(&body, '}');
    r->call = client_send(r->client,
                          &(struct client_request){
                              .method = e->created ? "PATCH" : "POST",
                              .path = buf_cstr(&path),
                              .content_type = e->created ? "application/merge-patch+json" : NULL,
                              .body = buf_slice(&body),
                              .timeout_ms = 30000,
                          },
                          event_on_answer, r);
}

/* Drops what is too old or too many; what still waits to be sent stays. */
static void event_trim(struct event_recorder *r, int64_t now)
{
    list_for_each_safe (at, next, &r->known) {
        struct event *e = container_of(at, struct event, known);

        if (r->events.count <= EVENT_KNOWN_MAX && now - e->last_ns < EVENT_WINDOW_NS)
            break;
        if (e != r->sending && list_empty(&e->waiting))
            event_forget(r, e);
    }
}

/* The event of these words, known or new. Which version of the object it was about does not tell two apart. */
static struct event *event_find(struct event_recorder *r, const struct event_object *object, bool warning,
                                const char *reason, const char *message, int64_t now)
{
    struct event_object any_version = *object;
    char *key CLEANUP_FREE = NULL;
    struct event *e;

    any_version.resource_version = NULL;
    key = event_write_fixed(r, &any_version, warning, reason, message);
    e = map_get(&r->events, slice_str(key));
    if (e)
        return e;
    e = mem_zalloc(sizeof(*e));
    e->key = STEAL(key);
    e->fixed = event_write_fixed(r, object, warning, reason, message);
    e->namespace_ = mem_strdup(object->namespace_ && *object->namespace_ ? object->namespace_ : "default");
    /* Names come from the time, as upstream's do; one more than the last when the clock stands still. */
    r->name_ns = now > r->name_ns ? now : r->name_ns + 1;
    e->name = mem_printf("%s.%llx", object->name, (unsigned long long)r->name_ns);
    e->first_ns = now;
    list_init(&e->known);
    list_init(&e->waiting);
    (void)map_put(&r->events, slice_str(e->key), e);
    return e;
}

void event_record(struct event_recorder *r, const struct event_object *object, bool warning, const char *reason,
                  const char *fmt, ...)
{
    BUF_LOCAL(message);
    int64_t now = clock_wall_ns(loop_clock(client_loop(r->client)));
    struct event *e;
    va_list args;

    event_trim(r, now);
    if (r->waiting_count >= EVENT_WAITING_MAX) {
        if (!r->dropping)
            log_warning("events", "%s: %d events wait to be sent; dropping more", r->component, EVENT_WAITING_MAX);
        r->dropping = true;
        return;
    }
    va_start(args, fmt);
    buf_vprintf(&message, fmt, args);
    va_end(args);
    if (message.len > EVENT_MESSAGE_MAX)
        message.len = EVENT_MESSAGE_MAX;
    e = event_find(r, object, warning, reason, buf_cstr(&message), now);
    e->last_ns = now;
    e->count++;
    list_remove(&e->known);
    list_append(&r->known, &e->known);
    if (list_empty(&e->waiting)) {
        list_append(&r->waiting, &e->waiting);
        r->waiting_count++;
    }
    event_send_next(r);
}

struct event_recorder *event_recorder_new(struct client *client, const char *component, const char *host)
{
    struct event_recorder *r = mem_zalloc(sizeof(*r));

    r->client = client;
    r->component = mem_strdup(component);
    r->host = host ? mem_strdup(host) : NULL;
    list_init(&r->known);
    list_init(&r->waiting);
    return r;
}

void event_recorder_free(struct event_recorder *r)
{
    if (!r)
        return;
    if (r->call)
        client_call_cancel(r->call);
    list_for_each_safe (it, next, &r->known)
        event_forget(r, container_of(it, struct event, known));
    map_clear(&r->events, NULL);
    free(r->component);
    free(r->host);
    free(r);
}
