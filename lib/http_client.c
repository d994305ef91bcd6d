/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface on a loop: its sockets are uv_poll handles, its one timer a loop_timer. libcurl must not be
 * entered from inside one of its own callbacks, and its callbacks are where our users want to cancel, pause, start and
 * free. So everything a user asks for while `inside` > 0 is only noted, and carried out by client_settle on the way
 * out.
 *
 *     call:  NEW --settle--> RUNNING --DONE from libcurl, idle timeout--> `end` given--.
 *             `-----cancel, client freed------`--------------------------------------> CANCELLED --settle--> freed
 *
 * Invariant: a call is in its client's list from http_client_call until it is freed; its easy handle is in the multi
 * handle from RUNNING on.
 */
#include "lib/http_client_internal.h"

#include <pthread.h>
#include <uv.h>

#define CONNECTIONS_KEPT 256

struct client_socket {
    uv_poll_t poll;
    struct http_client *client;
    curl_socket_t fd;
};

static void client_destroy(struct http_client *client)
{
    list_for_each_safe (it, next, &client->calls)
        http_call_free(container_of(it, struct http_call, link));
    (void)curl_multi_cleanup(client->multi);
    http_client_forget_errors();
    loop_timer_free(client->timer);
    loop_timer_free(client->kick);
    buf_free(&client->ca);
    buf_free(&client->certificate);
    buf_free(&client->key);
    free(client->proxy);
    free(client);
}

/* Gives the results that libcurl has ready. */
static void client_collect(struct http_client *client)
{
    CURLMsg *message;
    int left;

    while (!client->freed && (message = curl_multi_info_read(client->multi, &left))) {
        CURLcode code = message->data.result;
        char *call = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        if (!((struct http_call *)(void *)call)->cancelled)
            http_call_done((struct http_call *)(void *)call, code);
    }
}

void http_client_settle(struct http_client *client)
{
    if (client->inside)
        return;
    if (client->freed) {
        client_destroy(client);
        return;
    }
    list_for_each_safe (it, next, &client->calls) {
        struct http_call *call = container_of(it, struct http_call, link);

        if (call->cancelled) {
            http_call_free(call);
        } else if (!call->added) {
            call->added = true;
            (void)curl_multi_add_handle(client->multi, call->easy); /* sets the timer to zero and does no more */
        }
    }
}

static void client_leave(struct http_client *client)
{
    client_collect(client); /* users' callbacks run in here, still inside */
    client->inside--;
    http_client_settle(client);
}

static void client_act(struct http_client *client, curl_socket_t fd, int events)
{
    int running;

    client->inside++;
    (void)curl_multi_socket_action(client->multi, fd, events, &running);
    http_client_forget_errors();
    client_leave(client);
}

static void client_on_timer(void *arg)
{
    client_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void client_on_kick(void *arg)
{
    struct http_client *client = arg;

    client->inside++;
    list_for_each (it, &client->calls) {
        struct http_call *call = container_of(it, struct http_call, link);

        if (call->cancelled || call->paused || !call->held)
            continue;
        call->held = false;
        (void)curl_easy_pause(call->easy, CURLPAUSE_CONT);
        http_client_forget_errors();
    }
    client_leave(client);
}

static int client_set_timer(CURLM *multi, long ms, void *arg)
{
    struct http_client *client = arg;

    (void)multi;
    if (ms < 0)
        loop_timer_stop(client->timer);
    else
        loop_timer_start(client->timer, (uint64_t)ms, 0);
    return 0;
}

static void socket_on_poll(uv_poll_t *poll, int status, int events)
{
    struct client_socket *s = container_of(poll, struct client_socket, poll);
    /* Told of an error alone, libcurl would not look which. */
    int flags = status < 0 ? CURL_CSELECT_ERR | CURL_CSELECT_IN | CURL_CSELECT_OUT : 0;

    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    client_act(s->client, s->fd, flags);
}

static void socket_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, struct client_socket, poll));
}

static int client_set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
    struct http_client *client = arg;
    struct client_socket *s = assigned;
    int events = what == CURL_POLL_INOUT ? UV_READABLE | UV_WRITABLE
                 : what == CURL_POLL_OUT ? UV_WRITABLE
                                         : UV_READABLE;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s) {
            (void)uv_poll_stop(&s->poll);
            uv_close((uv_handle_t *)&s->poll, socket_closed);
        }
        (void)curl_multi_assign(client->multi, fd, NULL);
        return 0;
    }
    if (!s) {
        s = mem_zalloc(sizeof(*s));
        s->client = client;
        s->fd = fd;
        if (uv_poll_init_socket(loop_uv(client->loop), &s->poll, fd)) {
            free(s);
            return -1;
        }
        (void)curl_multi_assign(client->multi, fd, s);
    }
    (void)uv_poll_start(&s->poll, events, socket_on_poll);
    return 0;
}

static void curl_start(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        mem_die(0);
}

struct http_client *http_client_new(struct loop *loop, const struct http_client_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct http_client *client = mem_zalloc(sizeof(*client));

    (void)pthread_once(&once, curl_start);
    client->loop = loop;
    client->multi = curl_multi_init();
    if (!client->multi)
        mem_die(0);
    client->timer = loop_timer_new(loop, client_on_timer, client);
    client->kick = loop_timer_new(loop, client_on_kick, client);
    list_init(&client->calls);
    buf_append_slice(&client->ca, options->ca);
    http_client_set_certificate(client, options->certificate, options->key);
    client->insecure = options->insecure_skip_verify;
    client->proxy = mem_strdup(options->proxy ? options->proxy : "");
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, client_set_socket);
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, client_set_timer);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    return client;
}

void http_client_free(struct http_client *client)
{
    ERROR_LOCAL(err);

    if (!client || client->freed)
        return;
    client->freed = true;
    client->inside++;
    (void)error_set(&err, ERROR_CANCELLED, "the client was closed");
    list_for_each (it, &client->calls) {
        struct http_call *call = container_of(it, struct http_call, link);

        if (!call->cancelled)
            http_call_end(call, &err);
    }
    client->inside--;
    http_client_settle(client);
}

void http_client_set_certificate(struct http_client *client, struct slice certificate, struct slice key)
{
    buf_reset(&client->certificate);
    buf_reset(&client->key);
    buf_append_slice(&client->certificate, certificate);
    buf_append_slice(&client->key, key);
}
