/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What objects were: our extension of GET. `resourceVersion=N&resourceVersionMatch=Exact` answers the object as of
 * revision N, and `time=T` in place of the number as of that time; `history=true` answers its changes, newest first,
 * with who made them ("alice (as bob)" when alice impersonated bob):
 *
 *     {"kind":"HistoryList","apiVersion":"history.knarr.dev/v1","metadata":{"resourceVersion":"OLDEST KEPT"},
 *      "items":[{"resourceVersion":"12","operation":"update","time":"...","user":"...","verb":"patch","object":{...}}]}
 *
 * On a collection, `history=true` with a resourceVersion or a time lists it as it was then; what the list names as its
 * resourceVersion is the revision that the time meant.
 *
 * All are the verb `history`, which no default role but the administrator's has: the past may hold what was taken away
 * on purpose. And all end where the present namespace began: what was there before belonged to somebody else.
 *
 * The same holds for lists and watches that go back further than they can upstream, where etcd forgets after five to
 * ten minutes and the right to list is enough.
 */
#include "api/version.h"
#include "apiserver/authz.h"
#include "apiserver/list_options.h"
#include "apiserver/registry.h"
#include "apiserver/request.h"
#include "lib/encoding.h"

#define HISTORY_LIMIT     50
#define HISTORY_LIMIT_MAX 1000
#define HISTORY_BYTES_MAX (16u << 20)
#define HISTORY_FREE_NS   (600 * NS_PER_S) /* what lists and watches see of the past without the verb */

struct history {
    struct request *req;
    struct buf out;
    int64_t left;      /* changes that may still be shown */
    uint64_t revision; /* Exact: of the one that was found; 0 = none */
    bool cut;          /* there are more */
};

static int history_note_create(void *arg, const struct store_item *item)
{
    *(uint64_t *)arg = item->create_revision;
    return 0;
}

/* The revision at which the namespace was made; 0 for what lies in none. */
static int history_begin(struct request *req, uint64_t *ret_revision, struct error *err)
{
    const struct schema_kind *kind = registry_need_kind("", "namespaces");
    ERROR_LOCAL(failed);

    *ret_revision = 0;
    if (!req->kind->namespaced || store_get(req->server->store, registry_key(req->pool, kind, "", req->info.namespace_),
                                            history_note_create, ret_revision, NULL, &failed) == 0)
        return 0;
    if (failed.code == ERROR_NOT_FOUND)
        return status_not_found(err, kind, slice_str(req->info.namespace_));
    return error_pass(err, &failed, NULL);
}

static int history_number(struct request *req, const char *name, uint64_t most, uint64_t *value, struct error *err)
{
    const char *text = request_query(req, name);

    if (!text || !*text)
        return 0;
    if (!slice_to_uint64(slice_str(text), value) || *value < 1 || *value > most)
        return error_set(err, ERROR_BAD_REQUEST, "%s: Invalid value: \"%s\": must be 1 to %llu", name, text,
                         (unsigned long long)most);
    return 0;
}

/* ---- as of a revision ---- */

/* The time of the oldest revision that is known to have one. */
static int history_too_old(struct store *store, uint64_t oldest, struct error *err)
{
    char text[TIME_TEXT_MAX];
    int64_t made_ns;

    if (store_revision_time(store, oldest, &made_ns, NULL) < 0 &&
        store_revision_time(store, ++oldest, &made_ns, NULL) < 0)
        return error_set(err, ERROR_EXPIRED, "the past is kept from revision %llu on", (unsigned long long)oldest - 1);
    time_format_micro(made_ns, text);
    return error_set(err, ERROR_EXPIRED, "the past is kept from %s on, which is revision %llu", text,
                     (unsigned long long)oldest);
}

static int history_at_time(struct request *req, const char *text, uint64_t *ret_revision, struct error *err)
{
    struct store *store = req->server->store;
    int64_t time_ns, made_ns;

    if (!time_parse(slice_str(text), &time_ns))
        return error_set(err, ERROR_BAD_REQUEST, "time: Invalid value: \"%s\": must be as 2006-01-02T15:04:05Z", text);
    if (time_ns > clock_wall_ns(req->server->clock))
        return error_set(err, ERROR_BAD_REQUEST, "time: Invalid value: \"%s\": it lies in the future", text);
    time_ns = time_ns / 1000 * 1000 + 999; /* times are shown cut to microseconds: what was shown includes its change */
    *ret_revision = store_revision_at(store, time_ns);
    if (store_revision_time(store, *ret_revision, &made_ns, NULL) < 0 || made_ns > time_ns)
        return history_too_old(store, *ret_revision, err);
    return 0;
}

int history_revision(struct request *req, uint64_t *ret_revision, struct error *err)
{
    const char *time = request_query(req, "time");

    *ret_revision = 0;
    if (history_number(req, "resourceVersion", UINT64_MAX, ret_revision, err) < 0)
        return -(int)err->code;
    if (!time || !*time)
        return *ret_revision ? list_check_future(req, *ret_revision, err) : 0;
    if (*ret_revision)
        return error_set(err, ERROR_BAD_REQUEST, "either a resourceVersion or a time, not both");
    return history_at_time(req, time, ret_revision, err);
}

static int exact_visit(void *arg, const struct store_change *change)
{
    struct history *h = arg;

    if (change->kind != STORE_EVENT_DELETE) {
        buf_append_slice(&h->out, change->value);
        h->revision = change->revision;
    }
    return 1;
}

static int history_exact(struct history *h, struct slice key, uint64_t begin, struct error *err)
{
    struct request *req = h->req;
    uint64_t revision;
    int r = history_revision(req, &revision, err);

    if (r < 0)
        return r;
    if (!revision)
        return error_set(err, ERROR_BAD_REQUEST, "resourceVersionMatch Exact needs a resourceVersion or a time");
    r = store_read_changes(req->server->store, key, registry_class(req->kind), revision, begin, exact_visit, h, NULL,
                           err);
    if (r < 0)
        return r;
    if (!h->revision)
        return status_not_found(err, req->shown, slice_str(req->info.name));
    reply_object(req, 200, buf_slice(&h->out), h->revision);
    return 0;
}

/* ---- all changes ---- */

static int changes_visit(void *arg, const struct store_change *change)
{
    static const char *const operations[] = {
        [STORE_EVENT_CREATE] = "create", [STORE_EVENT_MODIFY] = "update", [STORE_EVENT_DELETE] = "delete"};
    struct history *h = arg;
    char time[TIME_TEXT_MAX];
    BUF_LOCAL(converted);

    if (!h->left-- || h->out.len > HISTORY_BYTES_MAX) {
        h->cut = true;
        return 1;
    }
    time_format_micro(change->time_ns, time);
    buf_printf(&h->out,
               "%s{\"resourceVersion\":\"%llu\",\"operation\":\"%s\",\"time\":\"%s\",\"user\":", h->out.len ? "," : "",
               (unsigned long long)change->revision, operations[change->kind], time);
    json_write_string(&h->out, change->user);
    buf_printf(&h->out, ",\"verb\":\"%s\"", request_verb_name(change->verb));
    if (change->kind != STORE_EVENT_DELETE) {
        buf_append_str(&h->out, ",\"object\":");
        object_write(&h->out, version_show(h->req->shown, change->value, &converted), change->revision, true);
    }
    buf_append_byte(&h->out, '}');
    return 0;
}

static int history_changes(struct history *h, struct slice key, uint64_t begin, struct error *err)
{
    struct request *req = h->req;
    uint64_t limit = HISTORY_LIMIT, oldest = 0;
    struct slice pieces[3];
    int r = history_number(req, "limit", HISTORY_LIMIT_MAX, &limit, err);
    BUF_LOCAL(head);

    if (r < 0)
        return r;
    h->left = (int64_t)limit;
    r = store_read_changes(req->server->store, key, registry_class(req->kind), 0, begin, changes_visit, h, &oldest,
                           err);
    if (r < 0)
        return r;
    if (!h->out.len)
        return status_not_found(err, req->shown, slice_str(req->info.name));
    buf_printf(&head,
               "{\"kind\":\"HistoryList\",\"apiVersion\":\"history.knarr.dev/v1\",\"metadata\":{\"resourceVersion\":"
               "\"%llu\"%s},\"items\":[",
               (unsigned long long)(oldest > begin ? oldest : begin), h->cut ? ",\"continue\":\"more\"" : "");
    pieces[0] = buf_slice(&head);
    pieces[1] = buf_slice(&h->out);
    pieces[2] = SLICE_LIT("]}\n");
    reply_pieces(req, 200, "application/json", pieces, ARRAY_SIZE(pieces));
    return 0;
}

/* ---- lists and watches ---- */

/* Was that revision the newest only a moment ago? 1, 0, or a negative error. */
static int history_is_recent(const struct request *req, uint64_t revision, struct error *err)
{
    struct store *store = req->server->store;
    int64_t ended_ns;
    ERROR_LOCAL(failed);

    if (revision >= store_revision(store))
        return 1;
    if (store_revision_time(store, revision + 1, &ended_ns, &failed) < 0)
        return failed.code == ERROR_EXPIRED ? 0 : error_pass(err, &failed, NULL);
    return clock_wall_ns(req->server->clock) - ended_ns <= HISTORY_FREE_NS;
}

static bool history_is_allowed(struct request *req)
{
    ERROR_LOCAL(refused);
    bool allowed = authz_authorize_as(req, "history", &refused) == 0;

    req->error_details = NULL; /* the refusal's: nobody is told of it */
    return allowed;
}

int list_may_see(struct request *req, uint64_t revision, struct error *err)
{
    bool watch = req->info.verb == REQUEST_WATCH;
    int recent = history_is_recent(req, revision, err);
    uint64_t begin = 0;
    ERROR_LOCAL(failed);

    /* A watch may be older than the namespace that it waits for. */
    if (recent < 0 || revision >= store_revision(req->server->store) || (watch && recent))
        return recent < 0 ? recent : 1;
    if (*req->info.namespace_ && history_begin(req, &begin, &failed) < 0 && failed.code != ERROR_NOT_FOUND)
        return error_pass(err, &failed, NULL);
    return revision >= begin && (recent || history_is_allowed(req));
}

int history_check_namespace(struct request *req, uint64_t revision, struct error *err)
{
    uint64_t begin = 0;
    ERROR_LOCAL(failed);

    if (!*req->info.namespace_ || (history_begin(req, &begin, &failed) < 0 && failed.code == ERROR_NOT_FOUND))
        return 0;
    if (failed.code)
        return error_pass(err, &failed, NULL);
    if (revision >= begin)
        return 0;
    return error_set(
        err, ERROR_EXPIRED,
        "namespace \"%s\" was made at revision %llu, after revision %llu; what an earlier namespace of that "
        "name held is not shown",
        req->info.namespace_, (unsigned long long)begin, (unsigned long long)revision);
}

void verb_history(struct request *req)
{
    struct history h = {.req = req};
    struct slice key = registry_key(req->pool, req->kind, req->info.namespace_, req->info.name);
    bool exact = !request_query_bool(req, "history");
    uint64_t begin;
    ERROR_LOCAL(err);

    if (negotiate_media(req, false, &err) < 0 || history_begin(req, &begin, &err) < 0 ||
        (exact ? history_exact : history_changes)(&h, key, begin, &err) < 0)
        reply_error(req, &err);
    buf_free(&h.out);
}
