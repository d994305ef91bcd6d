/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control plane of one machine. Started from the bottom up (state, store, API server, then the loops that use it),
 * stopped from the top down, so that nobody loses what it stands on. The main thread only waits for a signal.
 */
#include "main/server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "api/value.h"
#include "apiserver/apiserver.h"
#include "controllers/controllers.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "lib/thread.h"
#include "main/backup_schedule.h"
#include "main/common_options.h"
#include "main/state.h"
#include "scheduler/scheduler.h"
#include "store/store.h"

#define SERVER_PORT            6443
#define SERVER_NODE_GRACE      50   /* seconds; as upstream's node-monitor-grace-period */
#define SERVER_GRACE           5000 /* ms that requests get to finish */
#define SERVER_DAY             86400
#define SERVER_FORGET_S        3600 /* so often what is too old is forgotten */
#define SERVER_HISTORY_MIB     1024
#define SERVER_QUOTA_MIB       8192
#define SERVER_EVENT_TTL       3600
#define SERVER_TERMINATED_PODS 12500 /* as upstream */
#define SERVER_YEAR            (365LL * SERVER_DAY)
#define SERVER_SILENCE         30
#define SERVER_RETRY_S         60 /* after new certificates could not be made */
#define SERVER_CA_WARN_S       (180LL * SERVER_DAY)
#define SERVER_BACKUP_KEEP     7

struct server_flags {
    struct common_options common;
    const char *address;
    const char *advertise_address;
    const char *service_cidr;
    const char *token_file;
    const char *account_issuer;
    long port;
    long node_grace; /* seconds without a sign of life after which a node is Unknown */
    long history;    /* seconds that one can go back at the least, within history_mib */
    long history_mib;
    long quota_mib;            /* of what lives in the store */
    long event_ttl;            /* seconds that an event stays */
    long terminated_pods;      /* pods that have ended, kept for looking at */
    long certificate_life;     /* seconds; of what the CA signs */
    const char *backup_folder; /* NULL = home/backups */
    long backup_every;         /* seconds; 0 = none */
    long backup_keep;
    long silence; /* seconds without a sign of life after which a connection is given up */
};

struct server {
    struct server_flags flags;
    char *own_address;
    char *service_address; /* first of the Service block */
    struct state state;
    struct store *store;
    struct apiserver *api;
    char *backup_folder;
    struct backup_schedule *backups; /* NULL = none */
};

/* ---- workers: a thread, a loop, and what runs on it ---------------------------------------------------------------
 */

struct worker {
    const char *name;
    /* On the worker's own thread. */
    void (*start)(struct worker *w);
    void (*stop)(struct worker *w);
    struct server *server;
    struct loop *loop;
    pthread_t thread;
    bool running;
    struct client *client; /* the scheduler's own */
    void *what;
};

/* A client in process, with an identity of its own and the rights that upstream's default roles give it. The caller
 * frees it. */
static struct client *worker_client(struct worker *w, const char *user, const char *const *groups, size_t count)
{
    return client_new(w->loop, apiserver_transport(w->server->api, w->loop, user, groups, count));
}

/* name NULL: what all controllers read together. */
static struct client *worker_client_for(void *arg, const char *name)
{
    static const char *const groups[] = {"system:serviceaccounts", "system:serviceaccounts:kube-system"};
    char *user CLEANUP_FREE = mem_printf("system:serviceaccount:kube-system:%s", name ? name : "");

    return name ? worker_client(arg, user, groups, ARRAY_SIZE(groups))
                : worker_client(arg, "system:kube-controller-manager", NULL, 0);
}

static void scheduler_worker_start(struct worker *w)
{
    struct scheduler_options options = {.name = NULL};

    w->client = options.client = worker_client(w, "system:kube-scheduler", NULL, 0);
    w->what = scheduler_start(&options);
}

static void scheduler_worker_stop(struct worker *w)
{
    scheduler_free(w->what);
    client_free(w->client);
}

static void controllers_worker_start(struct worker *w)
{
    const struct controllers_options options = {.loop = w->loop,
                                                .client_for = worker_client_for,
                                                .arg = w,
                                                .signer = &w->server->state.ca,
                                                .root_ca = slice_str(w->server->state.ca.certificate),
                                                .certificate_s = w->server->flags.certificate_life,
                                                .terminated_pods = (size_t)w->server->flags.terminated_pods,
                                                .node_grace_s = (unsigned)w->server->flags.node_grace};

    w->what = controllers_start(&options);
}

static void controllers_worker_stop(struct worker *w)
{
    controllers_free(w->what);
}

static void worker_end(void *arg)
{
    struct worker *w = arg;

    w->stop(w);
    loop_stop(w->loop);
}

static void *worker_run(void *arg)
{
    struct worker *w = arg;

    thread_name_self("%s", w->name);
    w->start(w);
    loop_run(w->loop);
    return NULL;
}

static int worker_begin(struct worker *w, struct server *server, struct error *err)
{
    w->server = server;
    w->loop = loop_new(clock_system());
    if (pthread_create(&w->thread, NULL, worker_run, w))
        return error_set(err, ERROR_INTERNAL, "the thread of %s could not be started", w->name);
    w->running = true;
    return 0;
}

/* Joined before the API server stops; its loop is freed after that, because fronts may still post to it. */
static void worker_join(struct worker *w)
{
    if (!w->running)
        return;
    loop_post(w->loop, worker_end, w);
    (void)pthread_join(w->thread, NULL);
    w->running = false;
}

static void worker_free(struct worker *w)
{
    if (!w->loop)
        return;
    loop_turn(w->loop, false);
    loop_free(w->loop);
    w->loop = NULL;
}

/* ---- life ---------------------------------------------------------------------------------------------------------
 */

/* "10.96.0.1" of "10.96.0.0/16", for the serving certificate. The API server checks the block itself. */
static char *server_service_address(const char *cidr)
{
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;
    unsigned bits;
    uint32_t address;

    if (sscanf(cidr, "%u.%u.%u.%u/%u", &a, &b, &c, &d, &bits) != 5 || a > 255 || b > 255 || c > 255 || d > 255 ||
        bits < 1 || bits > 31)
        return NULL;
    address = (a << 24 | b << 16 | c << 8 | d) & (UINT32_MAX << (32 - bits));
    address++;
    return mem_printf("%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}

static struct state_options server_state_options(const struct server *s)
{
    return (struct state_options){.home = s->flags.common.home,
                                  .address = s->flags.address,
                                  .advertise_address = s->flags.advertise_address,
                                  .service_address = s->service_address,
                                  .port = (uint16_t)s->flags.port,
                                  .certificate_s = s->flags.certificate_life};
}

static int server_load_state(struct server *s, struct error *err)
{
    struct state_options options;

    s->service_address = server_service_address(s->flags.service_cidr);
    if (!s->service_address)
        return error_set(err, ERROR_BAD_REQUEST, "--service-cidr %s is not an IPv4 block", s->flags.service_cidr);
    options = server_state_options(s);
    return state_load(&options, &s->state, err);
}

/* Nothing can be renewed beyond the CA's end, and a new CA is a decision of people. */
static void server_judge_ca(const struct server *s)
{
    int64_t left = s->state.ca_end_ns - clock_wall_ns(clock_system());
    char end[TIME_TEXT_MAX];

    if (left > SERVER_CA_WARN_S * NS_PER_S)
        return;
    time_format_seconds(s->state.ca_end_ns, end);
    log_warning("server",
                "the cluster's CA ends at %s: then no certificate counts any more. Replace %s/pki/ca.crt and ca.key "
                "before, and let the nodes join again",
                end, s->flags.common.home);
}

/* Certificates that the server made for itself, anew; who is connected does not notice. */
static void server_renew(struct server *s)
{
    const struct state_options options = server_state_options(s);
    ERROR_LOCAL(err);

    if (state_renew(&options, &s->state, &err) < 0 ||
        apiserver_set_certificates(s->api, &s->state.serving, &s->state.node_client, &err) < 0) {
        log_error("server", "renewing the server's certificates: %s; trying again", error_text(&err));
        s->state.renew_ns = clock_wall_ns(clock_system()) + SERVER_RETRY_S * NS_PER_S;
        return;
    }
    log_info("server", "the server's certificates were renewed");
    server_judge_ca(s);
}

static int server_open_store(struct server *s, struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("%s/store", s->flags.common.home);
    /* The API server starts the writer, after it has made the default objects in two commits. */
    const struct store_options options = {.path = path,
                                          .manual = true,
                                          .quota = (uint64_t)s->flags.quota_mib << 20,
                                          .history = (uint64_t)s->flags.history_mib << 20};

    if (state_make_home(s->flags.common.home, err) < 0)
        return -(int)ERROR_IO;
    if (store_open(&options, &s->store, err) < 0)
        return error_wrap(err, "opening the store in %s", path);
    return 0;
}

static int server_start_api(struct server *s, struct error *err)
{
    const struct apiserver_options options = {.store = s->store,
                                              .clock = clock_system(),
                                              .address = s->flags.address,
                                              .port = (uint16_t)s->flags.port,
                                              .serving = s->state.serving,
                                              .client_ca = slice_str(s->state.ca.certificate),
                                              .cluster_ca = slice_str(s->state.ca.certificate),
                                              .signer = &s->state.ca,
                                              .advertise_address = s->flags.advertise_address,
                                              .service_cidr = s->flags.service_cidr,
                                              .event_ttl_s = s->flags.event_ttl,
                                              .silence_s = (unsigned)s->flags.silence,
                                              .static_token_file = s->flags.token_file,
                                              .account_key = slice_str(s->state.account_key),
                                              .account_issuer = s->flags.account_issuer,
                                              .node_client = s->state.node_client};

    return apiserver_start(&options, &s->api, err);
}

static int server_start_backups(struct server *s, struct error *err)
{
    s->backup_folder = s->flags.backup_folder ? mem_strdup(s->flags.backup_folder)
                                              : mem_printf("%s/backups", s->flags.common.home);
    const struct backup_schedule_options options = {.store = s->store,
                                                    .folder = s->backup_folder,
                                                    .home = s->flags.common.home,
                                                    .every_s = s->flags.backup_every,
                                                    .keep = (size_t)s->flags.backup_keep};

    return s->flags.backup_every ? backup_schedule_start(&options, &s->backups, err) : 0;
}

static void server_compacted(void *arg, const struct error *err)
{
    (void)arg;
    if (err)
        log_warning("server", "forgetting old revisions: %s; trying again later", error_text(err));
}

/* Nanoseconds until the earlier of both, at least a millisecond and at most a day. */
static int64_t server_wait_ns(const struct server *s, int64_t compact_ns)
{
    int64_t compact = compact_ns - clock_monotonic_ns(clock_system());
    int64_t renew = s->state.renew_ns - clock_wall_ns(clock_system());
    int64_t wait = compact < renew ? compact : renew;

    if (wait > SERVER_DAY * NS_PER_S)
        return SERVER_DAY * NS_PER_S;
    return wait < NS_PER_MS ? NS_PER_MS : wait;
}

/* Forgets what is older than the history. By the times in the store, so that restarts do not lengthen it. */
static void server_forget(struct server *s)
{
    uint64_t keep = store_revision_at(s->store, clock_wall_ns(clock_system()) - s->flags.history * NS_PER_S);

    if (keep > store_compacted(s->store))
        store_compact(s->store, keep, server_compacted, NULL);
}

/* Meanwhile forgets, at the start and each period, and renews certificates. */
static void server_wait_for_signal(struct server *s, const sigset_t *signals)
{
    int64_t period = (s->flags.history < SERVER_FORGET_S ? s->flags.history : SERVER_FORGET_S) * NS_PER_S;
    int64_t compact_ns = clock_monotonic_ns(clock_system());
    int number;

    server_judge_ca(s);
    for (;;) {
        int64_t wait = server_wait_ns(s, compact_ns);
        const struct timespec timeout = {.tv_sec = wait / NS_PER_S, .tv_nsec = wait % NS_PER_S};

        if ((number = sigtimedwait(signals, NULL, &timeout)) >= 0)
            break;
        if (clock_monotonic_ns(clock_system()) >= compact_ns) {
            server_forget(s);
            compact_ns += period;
        }
        if (clock_wall_ns(clock_system()) >= s->state.renew_ns)
            server_renew(s);
    }
    notify_send("STOPPING=1");
    log_info("server", "stopping: %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
}

static int server_run(struct server *s, const sigset_t *signals, struct error *err)
{
    struct worker workers[] = {
        {.name = "scheduler", .start = scheduler_worker_start, .stop = scheduler_worker_stop},
        {.name = "controllers", .start = controllers_worker_start, .stop = controllers_worker_stop},
    };
    int r;

    /* The store is locked: a second server of the same home leaves its kubeconfig alone. */
    if ((r = server_open_store(s, err)) < 0 || (r = server_load_state(s, err)) < 0 ||
        (r = server_start_api(s, err)) < 0)
        return r;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(workers); i++)
        r = worker_begin(&workers[i], s, err);
    if (r == 0)
        r = server_start_backups(s, err);
    if (r == 0) {
        (void)printf("knarr server: ready at https://%s:%u, kubeconfig %s\n", s->flags.advertise_address,
                     apiserver_port(s->api), s->state.kubeconfig);
        (void)fflush(stdout);
        notify_send("READY=1\nSTATUS=ready at https://%s:%u", s->flags.advertise_address, apiserver_port(s->api));
        server_wait_for_signal(s, signals);
    }
    backup_schedule_stop(s->backups);
    for (size_t i = ARRAY_SIZE(workers); i > 0; i--)
        worker_join(&workers[i - 1]);
    apiserver_stop(s->api, SERVER_GRACE);
    for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
        worker_free(&workers[i]);
    return r;
}

/* One process, one server: its options. */
static struct server_flags server_flags = {.common = COMMON_OPTIONS_DEFAULT,
                                           .address = "0.0.0.0",
                                           .service_cidr = "10.96.0.0/16",
                                           .port = SERVER_PORT,
                                           .node_grace = SERVER_NODE_GRACE,
                                           .history = SERVER_DAY,
                                           .history_mib = SERVER_HISTORY_MIB,
                                           .quota_mib = SERVER_QUOTA_MIB,
                                           .event_ttl = SERVER_EVENT_TTL,
                                           .terminated_pods = SERVER_TERMINATED_PODS,
                                           .certificate_life = SERVER_YEAR,
                                           .backup_keep = SERVER_BACKUP_KEEP,
                                           .silence = SERVER_SILENCE};

static const struct flag server_options[] = {
    COMMON_OPTIONS_ROWS(server_flags.common),
    {"address", 0, FLAG_TEXT, &server_flags.address, "address to listen on", "IP"},
    {"advertise-address", 0, FLAG_TEXT, &server_flags.advertise_address, "address that others reach it at", "IP"},
    {"port", 0, FLAG_NUMBER, &server_flags.port, "port of the API", "N", .min = 1, .max = 65535},
    {"service-cidr", 0, FLAG_TEXT, &server_flags.service_cidr, "block of Services' addresses", "CIDR"},
    {"token-auth-file", 0, FLAG_TEXT, &server_flags.token_file, "CSV of static tokens: token,user,uid,groups", "FILE"},
    {"service-account-issuer", 0, FLAG_TEXT, &server_flags.account_issuer, "issuer and audience of accounts' tokens",
     "URL"},
    {"node-grace", 0, FLAG_NUMBER, &server_flags.node_grace, "seconds until a silent node is given up", "S", .min = 1,
     .max = SERVER_DAY},
    {"history", 0, FLAG_NUMBER, &server_flags.history, "seconds that one can go back in the cluster's past", "S",
     .min = 1, .max = 30 * SERVER_DAY},
    {"history-mib", 0, FLAG_NUMBER, &server_flags.history_mib,
     "MiB of the past that are kept; the oldest beyond it is forgotten", "N", .min = 64, .max = 1048576},
    {"quota-mib", 0, FLAG_NUMBER, &server_flags.quota_mib,
     "MiB of objects that the store may hold, the past not counted; more are refused (507)", "N", .min = 16,
     .max = 262144},
    {"event-ttl", 0, FLAG_NUMBER, &server_flags.event_ttl, "seconds that an event stays", "S", .min = 1,
     .max = 30 * SERVER_DAY},
    {"terminated-pod-limit", 0, FLAG_NUMBER, &server_flags.terminated_pods,
     "pods that have ended and are kept; the oldest beyond it go", "N", .min = 1, .max = 1000000},
    {"certificate-life", 0, FLAG_NUMBER, &server_flags.certificate_life,
     "seconds that certificates of nodes and of the server live; they are renewed while they run", "S", .min = 2,
     .max = SERVER_YEAR},
    {"backup-every", 0, FLAG_NUMBER, &server_flags.backup_every, "seconds between backups; 0: none by schedule", "S",
     .max = SERVER_YEAR},
    {"backup-folder", 0, FLAG_TEXT, &server_flags.backup_folder, "where they go; without it backups below the home",
     "DIR"},
    {"backup-keep", 0, FLAG_NUMBER, &server_flags.backup_keep, "backups that are kept; the oldest beyond it go", "N",
     .min = 1, .max = 100000},
    {"client-timeout", 0, FLAG_NUMBER, &server_flags.silence,
     "seconds without a sign of life from a client's host after which its connection is given up", "S", .min = 2,
     .max = 3600},
    {NULL, 0, FLAG_BOOL, NULL},
};

static void server_help(FILE *to)
{
    options_help(to, "server", server_options);
}

/* As many connections as we may have: each watch is one. */
static void server_raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int server_command(int argc, char **argv)
{
    struct server s = {.own_address = NULL};
    struct pool *pool CLEANUP_POOL = pool_new(); /* texts of the options */
    sigset_t signals;
    ERROR_LOCAL(err);
    int r;

    if (!options_read(server_options, pool, argc, argv))
        return 2;
    s.flags = server_flags;
    common_options_apply(&s.flags.common);
    /* Blocked here, before any thread exists, so that only sigwait below sees them. */
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    server_raise_limit();
    mem_settle();
    value_init();
    notify_init();
    if (!s.flags.advertise_address) {
        bool any = !strcmp(s.flags.address, "0.0.0.0") || !strcmp(s.flags.address, "::");

        s.own_address = any ? state_own_address() : mem_strdup(s.flags.address);
        s.flags.advertise_address = s.own_address;
    }
    r = server_run(&s, &signals, &err);
    if (r < 0)
        common_options_fail(&s.flags.common, "server", &err);
    store_close(s.store);
    state_clear(&s.state);
    free(s.own_address);
    free(s.service_address);
    free(s.backup_folder);
    return r < 0 ? 1 : 0;
}

const struct cli_command server_commands[] = {
    {"server", "[--home DIR] [--port N] [--config FILE] ...", "Run the control plane", server_command, server_help},
    {NULL, NULL, NULL, NULL, NULL},
};
