/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The informer's conversation with the server.
 *
 *                   +--------- page with `continue` ---------+
 *                   v                                        |
 *     start ----> LISTING --last page--> WATCHING --clean end, after a while or an event--> WATCHING (resumed)
 *                   ^  \                  /   |
 *                   |   failure          /    | 410, in the status line or as an ERROR event: resume = false
 *                   |    \   failure, or /    |
 *                   |     v   short end v     |
 *                   +----- WAITING <----------+
 *                          |  (back-off over: list, or watch when `resume`)
 *                          +-------------------> WATCHING
 *
 * Invariants: LISTING and WATCHING have a call and no running timer, WAITING has a running timer and no call. Nothing
 * is touched after a callback of the owner without a look at `dead`.
 */
#include "client/informer_internal.h"

#include <stdio.h>

#include "api/scan.h"
#include "client/backoff.h"
#include "lib/encoding.h"
#include "lib/log.h"

#define INFORMER_PAGE        500
#define INFORMER_LINE_MAX    (64u << 20) /* one event */
#define INFORMER_SHORT_MS    1000        /* a watch that ends sooner without an event backs off */
#define INFORMER_WATCH_S     300         /* asked of the server; up to twice that, by chance */
#define INFORMER_RETRY_MAX_S 60

static void informer_list(struct informer *inf);
static void informer_watch(struct informer *inf);

static void informer_destroy(struct informer *inf)
{
    loop_timer_free(inf->timer);
    informer_cells_free(inf);
    free((char *)inf->options.namespace_);
    free((char *)inf->options.label_selector);
    free((char *)inf->options.field_selector);
    free(inf->next_page);
    buf_free(&inf->line);
    free(inf);
}

/* Brackets every frame that may call the owner; leave answers false when the informer is gone. */
static void informer_enter(struct informer *inf)
{
    inf->depth++;
}

static bool informer_leave(struct informer *inf)
{
    if (--inf->depth || !inf->dead)
        return !inf->dead;
    informer_destroy(inf);
    return false;
}

static void informer_go(struct informer *inf)
{
    if (inf->resume)
        informer_watch(inf);
    else
        informer_list(inf);
}

static void informer_on_timer(void *arg)
{
    informer_go(arg);
}

/* A failure: says so (once in a row at warning level) and comes back later. */
static void informer_back_off(struct informer *inf, const char *what, const char *why, unsigned retry_after_s)
{
    uint64_t delay =
        backoff_jitter(backoff_delay(inf->options.backoff_ms, inf->options.backoff_max_ms, ++inf->failures));

    if (retry_after_s > INFORMER_RETRY_MAX_S)
        retry_after_s = INFORMER_RETRY_MAX_S;
    if (delay < retry_after_s * 1000ULL)
        delay = retry_after_s * 1000ULL;
    log_write(inf->failures == 1 ? LOG_WARNING : LOG_DEBUG, "informer", "%s %s failed: %s; trying again in %llu ms",
              what, inf->options.kind->plural, why, (unsigned long long)delay);
    inf->state = INFORMER_WAITING;
    loop_timer_start(inf->timer, delay, 0);
}

static void informer_query_add(struct buf *query, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    buf_printf(query, "&%s=", name);
    percent_encode(query, slice_str(value));
}

/* ---- list ---- */

static int informer_read_page(struct informer *inf, struct slice body)
{
    BUF_LOCAL(scratch);
    struct slice items = scan_get(body, "items");
    struct slice revision = scan_text(scan_get(body, "metadata.resourceVersion"), &scratch);
    uint64_t number;
    struct scan_cursor cursor;
    struct slice item;

    /* An empty list's items may be null, but a list always has its revision. */
    if (!slice_to_uint64(revision, &number))
        return -ERROR_CORRUPT;
    cursor = scan_open(items);
    while (!inf->dead && scan_element(&cursor, &item))
        informer_put(inf, item);
    if (inf->dead)
        return 0;
    free(inf->next_page);
    inf->next_page = scan_text_dup(scan_get(body, "metadata.continue"));
    if (inf->next_page && !*inf->next_page) {
        free(inf->next_page);
        inf->next_page = NULL;
    }
    if (!inf->next_page)
        inf->revision = number; /* of all pages: they are one snapshot */
    return 0;
}

static void informer_list_complete(struct informer *inf)
{
    bool first = !inf->synced;

    informer_sweep(inf);
    if (inf->dead)
        return;
    inf->resume = true;
    inf->synced = true;
    if (first && inf->options.synced)
        inf->options.synced(inf->options.arg);
}

static void informer_on_page(void *arg, int status, struct slice body, const struct error *err)
{
    struct informer *inf = arg;
    int result = 0;

    inf->call = NULL;
    if (err) {
        /* A continue token that has expired too ends here: the list starts over from its first page. */
        free(inf->next_page);
        inf->next_page = NULL;
        informer_back_off(inf, "listing", err->message, (unsigned)err->retry_after_seconds);
        return;
    }
    (void)status;
    informer_enter(inf);
    result = informer_read_page(inf, body);
    if (!inf->dead && !result && !inf->next_page)
        informer_list_complete(inf);
    if (!informer_leave(inf))
        return;
    if (result)
        informer_back_off(inf, "listing", "the answer is not a list", 0);
    else
        informer_go(inf);
}

static void informer_list(struct informer *inf)
{
    char *path CLEANUP_FREE = client_path(inf->options.kind, inf->options.namespace_, NULL, NULL);
    BUF_LOCAL(query);

    inf->state = INFORMER_LISTING;
    if (!inf->next_page)
        inf->list++;
    buf_printf(&query, "limit=%d", INFORMER_PAGE);
    informer_query_add(&query, "labelSelector", inf->options.label_selector);
    informer_query_add(&query, "fieldSelector", inf->options.field_selector);
    informer_query_add(&query, "continue", inf->next_page);
    inf->call = client_send(inf->client,
                            &(struct client_request){
                                .method = "GET",
                                .path = path,
                                .query = buf_cstr(&query),
                                .timeout_ms = 60000,
                            },
                            informer_on_page, inf);
}

/* ---- watch ---- */

/* Ends the watch from our side. */
static void informer_watch_drop(struct informer *inf)
{
    if (inf->call)
        client_call_cancel(inf->call);
    inf->call = NULL;
    buf_reset(&inf->line);
}

static void informer_watch_expired(struct informer *inf)
{
    informer_watch_drop(inf);
    inf->resume = false;
    if (inf->watch_heard || !inf->failures) {
        /* The history moved on while we were away; that is no failure yet. */
        inf->failures++;
        informer_list(inf);
    } else {
        informer_back_off(inf, "watching", "the revision is too old", 0);
    }
}

static void informer_on_error_event(struct informer *inf, struct slice status)
{
    char *message CLEANUP_FREE = NULL;

    if (scan_int(scan_get(status, "code"), 0) == 410) {
        informer_watch_expired(inf);
        return;
    }
    message = scan_text_dup(scan_get(status, "message"));
    informer_watch_drop(inf);
    informer_back_off(inf, "watching", message ? message : "an error without a message", 0);
}

/* One event. The watch may be over afterwards (inf->call NULL) or the informer dead. */
/* Every server writes {"type":T,"object":O}: the object goes up to the bracket that ends the line. To look for its end
 * would be to read all of it once more; in any other order it is done. */
static void informer_split_event(struct slice line, struct slice *ret_type, struct slice *ret_object)
{
    struct scan_cursor at = scan_open(line);
    struct slice key;

    if (scan_key(&at, &key) && slice_is(key, "type") && slice_ends(line, SLICE_LIT("}}"))) {
        *ret_type = scan_value(&at);
        if (scan_key(&at, &key) && slice_is(key, "object")) {
            *ret_object = slice_make(at.at, (size_t)(line.data + line.len - 1 - at.at));
            return;
        }
    }
    *ret_type = scan_get(line, "type");
    *ret_object = scan_get(line, "object");
}

static void informer_on_event(struct informer *inf, struct slice line)
{
    BUF_LOCAL(scratch);
    struct slice type, object;
    uint64_t revision = 0;

    informer_split_event(line, &type, &object);
    if (scan_text_is(type, "ERROR")) {
        informer_on_error_event(inf, object);
        return;
    }
    (void)slice_to_uint64(scan_text(scan_get(object, "metadata.resourceVersion"), &scratch), &revision);
    if (!revision) {
        informer_watch_drop(inf);
        informer_back_off(inf, "watching", "an event that is none", 0);
        return;
    }
    inf->watch_heard = true;
    inf->failures = 0;
    /* Before the owner hears of it: what it looks up then is of this revision. */
    inf->revision = revision;
    if (scan_text_is(type, "ADDED") || scan_text_is(type, "MODIFIED"))
        informer_put(inf, object);
    else if (scan_text_is(type, "DELETED"))
        informer_remove(inf, object);
}

/* Complete lines of what has come. */
static void informer_on_data(void *arg, struct slice data)
{
    struct informer *inf = arg;
    size_t at = 0;

    if (inf->watch_status != 200)
        return;
    buf_append_slice(&inf->line, data);
    informer_enter(inf);
    for (;;) {
        struct slice rest = slice_from(buf_slice(&inf->line), at);
        ptrdiff_t end = inf->line.len > at ? slice_find(rest, '\n') : -1;

        if (end < 0)
            break;
        at += (size_t)end + 1;
        rest.len = (size_t)end;
        rest = slice_trim(rest);
        if (rest.len)
            informer_on_event(inf, rest);
        if (inf->dead || !inf->call)
            break;
    }
    if (!informer_leave(inf) || !inf->call || inf->state != INFORMER_WATCHING)
        return;
    buf_consume(&inf->line, at);
    if (inf->line.len > INFORMER_LINE_MAX) {
        informer_watch_drop(inf);
        informer_back_off(inf, "watching", "an event without end", 0);
    }
}

static void informer_on_head(void *arg, int status, const char *content_type, unsigned retry_after_s)
{
    struct informer *inf = arg;

    (void)content_type;
    inf->watch_status = status;
    inf->retry_after_s = retry_after_s;
}

static void informer_on_end(void *arg, const struct error *err)
{
    struct informer *inf = arg;
    char text[32];
    bool lasted = loop_now_ms(client_loop(inf->client)) - inf->watch_start_ms >= INFORMER_SHORT_MS;

    inf->call = NULL;
    buf_reset(&inf->line);
    if (inf->watch_status == 200 && lasted)
        inf->failures = 0;
    if (inf->watch_status == 410) {
        informer_watch_expired(inf);
    } else if (err) {
        informer_back_off(inf, "watching", err->message, inf->retry_after_s);
    } else if (inf->watch_status != 200) {
        (void)snprintf(text, sizeof(text), "HTTP status %d", inf->watch_status);
        informer_back_off(inf, "watching", text, inf->retry_after_s);
    } else if (!inf->watch_heard && !lasted) {
        informer_back_off(inf, "watching", "the stream ended at once", 0);
    } else {
        informer_watch(inf);
    }
}

static void informer_watch(struct informer *inf)
{
    static const struct client_events events = {informer_on_head, informer_on_data, informer_on_end};
    char *path CLEANUP_FREE = client_path(inf->options.kind, inf->options.namespace_, NULL, NULL);
    BUF_LOCAL(query);

    inf->state = INFORMER_WATCHING;
    inf->watch_start_ms = loop_now_ms(client_loop(inf->client));
    inf->watch_heard = false;
    inf->watch_status = 0;
    inf->retry_after_s = 0;
    buf_printf(&query, "watch=true&allowWatchBookmarks=true&resourceVersion=%llu&timeoutSeconds=%d",
               (unsigned long long)inf->revision, INFORMER_WATCH_S + (int)random_below(INFORMER_WATCH_S));
    informer_query_add(&query, "labelSelector", inf->options.label_selector);
    informer_query_add(&query, "fieldSelector", inf->options.field_selector);
    inf->call = client_stream(inf->client,
                              &(struct client_request){
                                  .method = "GET",
                                  .path = path,
                                  .query = buf_cstr(&query),
                              },
                              &events, inf);
}

/* ---- life ---- */

static char *informer_keep(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

struct informer *informer_start(struct client *client, const struct informer_options *options)
{
    struct informer *inf = mem_zalloc(sizeof(*inf));

    inf->client = client;
    inf->options = *options;
    inf->options.namespace_ = informer_keep(options->namespace_);
    inf->options.label_selector = informer_keep(options->label_selector);
    inf->options.field_selector = informer_keep(options->field_selector);
    if (!inf->options.backoff_ms)
        inf->options.backoff_ms = 800;
    if (!inf->options.backoff_max_ms)
        inf->options.backoff_max_ms = 30000;
    inf->timer = loop_timer_new(client_loop(client), informer_on_timer, inf);
    informer_list(inf);
    return inf;
}

void informer_free(struct informer *inf)
{
    if (!inf)
        return;
    if (inf->call)
        client_call_cancel(inf->call);
    inf->call = NULL;
    loop_timer_stop(inf->timer);
    inf->dead = true;
    if (!inf->depth)
        informer_destroy(inf);
}

bool informer_has_synced(const struct informer *inf)
{
    return inf->synced;
}

uint64_t informer_revision(const struct informer *inf)
{
    return inf->synced ? inf->revision : 0;
}
