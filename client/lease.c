/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leader election. One round reads the Lease and, when it is ours, free or expired, writes it; a round follows the
 * other after LEASE_RETRY_MS. Expiry is judged by our own clock: a Lease that has not changed for its duration since we
 * saw it change is expired, whatever its renewTime says, because clocks of machines differ.
 *
 *     FOLLOWING --our write was accepted--> LEADING --no accepted write for LEASE_DEADLINE_MS--> FOLLOWING
 *                                              \--somebody else holds it-----------------------> FOLLOWING
 *
 * Invariant: either a call is under way or the timer runs. started and stopped are the last thing a round does.
 */
#include "client/lease.h"

#include "api/scan.h"
#include "lib/encoding.h"
#include "lib/random.h"

#define LEASE_DURATION_S  15
#define LEASE_DEADLINE_MS 10000
#define LEASE_RETRY_MS    2000

enum lease_state { LEASE_FOLLOWING, LEASE_LEADING };

struct lease_election {
    struct client *client;
    struct lease_election_options options; /* texts owned */
    enum lease_state state;
    char *path; /* of the collection */
    struct client_call *call;
    struct loop_timer *timer;
    struct buf seen;      /* the Lease's resourceVersion, as last read */
    uint64_t seen_ms;     /* when it changed last */
    uint64_t accepted_ms; /* our last accepted write; counts from when it was sent */
    uint64_t sent_ms;
};

static uint64_t lease_now(const struct lease_election *e)
{
    return loop_now_ms(client_loop(e->client));
}

/* Ends a round that did not get the Lease. */
static void lease_round_lost(struct lease_election *e, bool taken)
{
    loop_timer_start(e->timer, LEASE_RETRY_MS + random_below(LEASE_RETRY_MS / 5), 0);
    if (e->state != LEASE_LEADING || (!taken && lease_now(e) - e->accepted_ms < LEASE_DEADLINE_MS))
        return;
    e->state = LEASE_FOLLOWING;
    e->options.stopped(e->options.arg);
}

static void lease_on_written(void *arg, int status, struct slice body, const struct error *err)
{
    struct lease_election *e = arg;
    bool first = e->state == LEASE_FOLLOWING;

    (void)status;
    (void)body;
    e->call = NULL;
    if (err) {
        lease_round_lost(e, false);
        return;
    }
    e->accepted_ms = e->sent_ms;
    e->state = LEASE_LEADING;
    loop_timer_start(e->timer, LEASE_RETRY_MS, 0);
    if (first)
        e->options.started(e->options.arg);
}

static void lease_send(struct lease_election *e, const char *method, const char *path, struct slice body,
                       client_done *done)
{
    e->call = client_send(e->client,
                          &(struct client_request){
                              .method = method,
                              .path = path,
                              .body = body,
                              .timeout_ms = LEASE_DEADLINE_MS / 2,
                          },
                          done, e);
}

/* Writes the Lease as ours. `acquired` is the raw JSON of its acquireTime (empty = now), `revision` of its
 * resourceVersion (empty = create). */
static void lease_write(struct lease_election *e, struct slice revision, struct slice acquired, int64_t transitions)
{
    BUF_LOCAL(body);
    char *path CLEANUP_FREE =
        mem_printf("%s%s%s", e->path, revision.len ? "/" : "", revision.len ? e->options.name : "");
    char now[TIME_TEXT_MAX];

    time_format_micro(clock_wall_ns(loop_clock(client_loop(e->client))), now);
    buf_append_str(&body, "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":");
    json_write_string(&body, slice_str(e->options.name));
    buf_append_str(&body, ",\"namespace\":");
    json_write_string(&body, slice_str(e->options.namespace_));
    if (revision.len) {
        buf_append_str(&body, ",\"resourceVersion\":");
        buf_append_slice(&body, revision);
    }
    buf_append_str(&body, "},\"spec\":{\"holderIdentity\":");
    json_write_string(&body, slice_str(e->options.identity));
    buf_printf(&body, ",\"leaseDurationSeconds\":%d,\"renewTime\":\"%s\",\"acquireTime\":", LEASE_DURATION_S, now);
    if (acquired.len)
        buf_append_slice(&body, acquired);
    else
        buf_printf(&body, "\"%s\"", now);
    buf_printf(&body, ",\"leaseTransitions\":%lld}}", (long long)transitions);
    e->sent_ms = lease_now(e);
    lease_send(e, revision.len ? "PUT" : "POST", path, buf_slice(&body), lease_on_written);
}

/* Whether the Lease of another holder may be taken. */
static bool lease_expired(struct lease_election *e, struct slice revision, int64_t duration_s)
{
    uint64_t now = lease_now(e);

    if (!slice_equal(buf_slice(&e->seen), revision)) {
        buf_reset(&e->seen);
        buf_append_slice(&e->seen, revision);
        e->seen_ms = now;
    }
    return now - e->seen_ms >= (uint64_t)(duration_s > 0 ? duration_s : LEASE_DURATION_S) * 1000;
}

static void lease_on_read(void *arg, int status, struct slice body, const struct error *err)
{
    struct lease_election *e = arg;
    struct slice spec = scan_get(body, "spec");
    struct slice revision = scan_get(body, "metadata.resourceVersion");
    struct slice holder = scan_get(spec, "holderIdentity");
    int64_t transitions = scan_int(scan_get(spec, "leaseTransitions"), 0);

    e->call = NULL;
    if (status == 404)
        lease_write(e, SLICE_NONE, SLICE_NONE, 0);
    else if (err || !revision.len)
        lease_round_lost(e, false);
    else if (scan_text_is(holder, e->options.identity))
        lease_write(e, revision, scan_get(spec, "acquireTime"), transitions);
    else if (!scan_is_string(holder) || holder.len == 2 ||
             lease_expired(e, revision, scan_int(scan_get(spec, "leaseDurationSeconds"), 0)))
        lease_write(e, revision, SLICE_NONE, transitions + 1);
    else
        lease_round_lost(e, true);
}

static void lease_round(void *arg)
{
    struct lease_election *e = arg;
    char *path CLEANUP_FREE = mem_printf("%s/%s", e->path, e->options.name);

    lease_send(e, "GET", path, SLICE_NONE, lease_on_read);
}

struct lease_election *lease_election_start(struct client *client, const struct lease_election_options *options)
{
    struct lease_election *e = mem_zalloc(sizeof(*e));
    BUF_LOCAL(path);

    e->client = client;
    e->options = *options;
    e->options.namespace_ = mem_strdup(options->namespace_);
    e->options.name = mem_strdup(options->name);
    e->options.identity = mem_strdup(options->identity);
    buf_append_str(&path, "/apis/coordination.k8s.io/v1/namespaces/");
    percent_encode(&path, slice_str(options->namespace_));
    buf_append_str(&path, "/leases");
    e->path = buf_steal_str(&path);
    e->timer = loop_timer_new(client_loop(client), lease_round, e);
    lease_round(e);
    return e;
}

void lease_election_free(struct lease_election *e)
{
    if (!e)
        return;
    if (e->call)
        client_call_cancel(e->call);
    loop_timer_free(e->timer);
    free((char *)e->options.namespace_);
    free((char *)e->options.name);
    free((char *)e->options.identity);
    free(e->path);
    buf_free(&e->seen);
    free(e);
}
