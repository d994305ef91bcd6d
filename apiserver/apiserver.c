/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start and stop. What fronts share is made first and never changes while they run; each front's loop, hub and
 * connections belong to its thread. Stopping: fronts end their watches and take no more, wait for what is under way in
 * the store, then their threads end; the store outlives them.
 */
#include "apiserver/apiserver.h"

#include <unistd.h>

#include "apiserver/account.h"
#include "apiserver/authn.h"
#include "apiserver/customs.h"
#include "apiserver/hub.h"
#include "apiserver/event_expiry.h"
#include "apiserver/folder_cache.h"
#include "apiserver/node_link.h"
#include "apiserver/rbac.h"
#include "apiserver/server_internal.h"
#include "apiserver/stream_proxy.h"
#include "apiserver/turns.h"
#include "apiserver/usage_cache.h"
#include "lib/thread.h"

#define APISERVER_FRONTS_MAX  4
#define APISERVER_EVENT_TTL_S 3600 /* as upstream */

static unsigned apiserver_front_count(unsigned wanted)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (wanted)
        return wanted < 64 ? wanted : 64;
    return cores < 1 ? 1 : cores > APISERVER_FRONTS_MAX ? APISERVER_FRONTS_MAX : (unsigned)cores;
}

static void front_make(struct apiserver *server, struct front *front, const struct pki_pair *node_client)
{
    front->server = server;
    node_link_set_identity(front, node_client);
    front->loop = loop_new(server->clock);
    front->hub = hub_new(server->store, front->loop);
    list_init(&front->streams);
    list_init(&front->proxies);
    front->accounts = account_cache_new();
    front->folders = folder_cache_new(server->store);
}

static void front_unmake(struct front *front)
{
    loop_timer_free(front->keeper);
    usage_cache_free(front);
    event_expiry_free(front->expiry);
    node_link_free(front);
    rbac_index_unref(front->rbac_index);
    account_cache_free(front->accounts);
    folder_cache_free(front->folders);
    hub_free(front->hub);
    loop_free(front->loop);
}

static void apiserver_copy_options(struct apiserver *server, const struct apiserver_options *o)
{
    const char *address = o->advertise_address ? o->advertise_address : o->address;

    server->store = o->store;
    server->clock = o->clock ? o->clock : clock_system();
    server->advertise_address = mem_printf("%s:%u", address ? address : "127.0.0.1", o->port ? o->port : 6443);
    server->cluster_ca = slice_dup(o->cluster_ca);
}

int apiserver_make(const struct apiserver_options *options, struct apiserver **ret_server, struct error *err)
{
    struct apiserver *server = mem_zalloc(sizeof(*server));
    int r = 0;

    apiserver_copy_options(server, options);
    r = service_range_parse(options->service_cidr ? options->service_cidr : "10.96.0.0/16", &server->services, err);
    if (r == 0 && options->static_token_file)
        r = authn_tokens_load(options->static_token_file, &server->tokens, err);
    if (r == 0)
        r = account_issuer_make(options->account_issuer, options->account_key, server->advertise_address,
                                &server->accounts, err);
    if (r < 0) {
        apiserver_unmake(server);
        return r;
    }
    server->rbac = rbac_new(server->store);
    server->turns = turns_new();
    server->customs = customs_new(server->store, server->advertise_address);
    server->front_count = apiserver_front_count(options->fronts);
    server->fronts = mem_calloc(server->front_count, sizeof(*server->fronts));
    for (size_t i = 0; i < server->front_count; i++)
        front_make(server, &server->fronts[i], &options->node_client);
    *ret_server = server;
    return 0;
}

void apiserver_unmake(struct apiserver *server)
{
    for (size_t i = 0; i < server->front_count; i++)
        front_unmake(&server->fronts[i]);
    free(server->fronts);
    rbac_free(server->rbac);
    turns_free(server->turns);
    customs_free(server->customs);
    authn_tokens_free(server->tokens);
    account_issuer_free(server->accounts);
    free(server->advertise_address);
    free(server->cluster_ca);
    free(server);
}

int apiserver_set_certificates(struct apiserver *server, const struct pki_pair *serving,
                               const struct pki_pair *node_client, struct error *err)
{
    int r =
        http_listener_set_certificate(server->listener, slice_str(serving->certificate), slice_str(serving->key), err);

    for (size_t i = 0; r == 0 && i < server->front_count; i++)
        node_link_post_identity(&server->fronts[i], node_client);
    return r;
}

void front_end_streams(struct front *front)
{
    hub_stop(front->hub);
    stream_proxy_end(front);
    proxy_end_all(front);
}

/* ---- threads ------------------------------------------------------------------------------------------------------
 */

static void *front_run(void *arg)
{
    struct front *front = arg;

    thread_name_self("front-%zu", (size_t)(front - front->server->fronts));
    loop_run(front->loop);
    return NULL;
}

/* The loop may end when nothing of this front is in the store's hands any more. */
static void front_check_idle(void *arg)
{
    struct front *front = arg;

    if (!front->http_stopped)
        return;
    if (front->writes)
        loop_post(front->loop, front_check_idle, front); /* the writer thread answers soon */
    else
        loop_stop(front->loop);
}

static void front_http_stopped(void *arg)
{
    struct front *front = arg;

    front->http_stopped = true;
    front_check_idle(front);
}

/* On the front's loop. */
static void front_begin_stop(void *arg)
{
    struct front *front = arg;

    front_end_streams(front);
    http_server_stop(front->http, front->stop_grace, front_http_stopped, front);
}

static int apiserver_listen(struct apiserver *server, const struct apiserver_options *o, struct error *err)
{
    struct http_server_options http = {.body_streams = proxy_body_streams,
                                       .address = o->address ? o->address : "0.0.0.0",
                                       .port = o->port,
                                       .certificate = slice_str(o->serving.certificate),
                                       .key = slice_str(o->serving.key),
                                       .client_ca = o->client_ca,
                                       .silence_s = o->silence_s};

    return http_listener_open(&http, &server->listener, err);
}

static int front_start(struct front *front, struct error *err)
{
    front->http = http_server_start(front->server->listener, front->loop, front_handle, front);
    if (pthread_create(&front->thread, NULL, front_run, front))
        return error_set(err, ERROR_INTERNAL, "a thread of the API server could not be started");
    front->running = true;
    return 0;
}

int apiserver_start(const struct apiserver_options *options, struct apiserver **ret_server, struct error *err)
{
    struct apiserver *server = NULL;
    int r = apiserver_make(options, &server, err);

    if (r < 0)
        return r;
    if ((r = apiserver_listen(server, options, err)) < 0 || (r = apiserver_bootstrap(server, err)) < 0 ||
        (r = store_start_writer(server->store, err)) < 0) {
        if (server->listener)
            http_listener_free(server->listener);
        apiserver_unmake(server);
        return r;
    }
    apiserver_bootstrap_keep(server);
    server->fronts[0].expiry =
        event_expiry_start(&server->fronts[0], options->event_ttl_s ? options->event_ttl_s : APISERVER_EVENT_TTL_S);
    for (size_t i = 0; r == 0 && i < server->front_count; i++)
        r = front_start(&server->fronts[i], err);
    if (r < 0) {
        apiserver_stop(server, 0);
        return r;
    }
    *ret_server = server;
    return 0;
}

uint16_t apiserver_port(const struct apiserver *server)
{
    return http_listener_port(server->listener);
}

void apiserver_stop(struct apiserver *server, unsigned grace_ms)
{
    for (size_t i = 0; i < server->front_count; i++)
        if (server->fronts[i].running) {
            server->fronts[i].stop_grace = grace_ms;
            loop_post(server->fronts[i].loop, front_begin_stop, &server->fronts[i]);
        }
    for (size_t i = 0; i < server->front_count; i++) {
        struct front *front = &server->fronts[i];

        if (front->running)
            (void)pthread_join(front->thread, NULL);
        if (front->http)
            http_server_free(front->http);
    }
    http_listener_free(server->listener);
    apiserver_unmake(server);
}
