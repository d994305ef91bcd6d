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
#include "lib/http_client.h"

#include <ctype.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <strings.h>
#include <sys/socket.h>
#include <uv.h>

#include "lib/list.h"

#define CONNECT_TIMEOUT_MS 10000
#define CONNECTIONS_KEPT   256
#define IDLE_REUSE_S       80L /* our own server closes idle connections after 100 s */
#define KEEPALIVE_S        30L
#define KEEPALIVE_STEP_S   10L
#define USER_TIMEOUT_MS    30000u
#define READ_BUFFER        65536L
#define HEAD_MAX           (256u << 10)
#define HEADER_COUNT_MAX   512

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer *timer; /* libcurl's */
    struct loop_timer *kick;  /* resumes paused calls */
    struct buf ca;
    struct buf certificate;
    struct buf key;
    char *proxy;
    bool insecure;
    struct list calls;
    unsigned inside; /* libcurl or one of our users' callbacks is on the stack */
    bool freed;
};

struct client_socket {
    uv_poll_t poll;
    struct http_client *client;
    curl_socket_t fd;
};

struct header_place {
    size_t name;
    size_t value;
    size_t value_len;
};

struct http_call {
    struct list link;
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    struct http_call_events events;
    void *arg;
    char message[CURL_ERROR_SIZE];
    struct loop_timer *idle;
    unsigned idle_ms;
    size_t redirects_left;
    struct buf head; /* "name\0value\0"... of the response that is coming */
    struct header_place *places;
    size_t place_cap;
    size_t header_count;
    bool added; /* to the multi handle */
    bool has_location;
    bool head_given;
    bool paused;    /* the user does not want data */
    bool held;      /* libcurl keeps some back because of that */
    bool cancelled; /* no event any more; freed on the way out */
};

static void client_settle(struct http_client *client);

/* Calls. */

static void call_free(struct http_call *call)
{
    list_remove(&call->link);
    if (call->added)
        (void)curl_multi_remove_handle(call->client->multi, call->easy);
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    loop_timer_free(call->idle);
    buf_free(&call->head);
    free(call->places);
    free(call);
}

static void call_touch(struct http_call *call)
{
    if (call->idle && !call->paused)
        loop_timer_start(call->idle, call->idle_ms, 0);
}

static void call_give_head(struct http_call *call)
{
    struct http_header *headers CLEANUP_FREE = mem_calloc(call->header_count, sizeof(*headers));
    const char *text = buf_cstr(&call->head);
    long status = 0;

    for (size_t i = 0; i < call->header_count; i++) {
        headers[i].name = text + call->places[i].name;
        headers[i].value = slice_make(text + call->places[i].value, call->places[i].value_len);
    }
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    call->head_given = true;
    if (call->events.head)
        call->events.head(call->arg, (int)status, headers, call->header_count);
}

/* The blank line: the head is whole, unless another response follows this one. */
static void call_head_complete(struct http_call *call)
{
    long status = 0;

    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200)
        return;
    if (status >= 300 && status < 400 && call->has_location && call->redirects_left) {
        call->redirects_left--;
        return;
    }
    call_give_head(call);
}

static bool call_add_header(struct http_call *call, struct slice line)
{
    ptrdiff_t colon = slice_find(line, ':');
    struct slice name = slice_make(line.data, colon > 0 ? (size_t)colon : 0);
    struct slice value = slice_trim(slice_make(line.data + colon + 1, line.len - (size_t)(colon + 1)));

    if (colon <= 0)
        return true;
    if (call->header_count == HEADER_COUNT_MAX || call->head.len + line.len > HEAD_MAX)
        return false;
    call->places = mem_grow(call->places, &call->place_cap, call->header_count + 1, sizeof(*call->places));
    call->places[call->header_count++] =
        (struct header_place){call->head.len, call->head.len + name.len + 1, value.len};
    for (size_t i = 0; i < name.len; i++)
        buf_append_byte(&call->head, (char)tolower((unsigned char)name.data[i]));
    buf_append_byte(&call->head, '\0');
    buf_append_slice(&call->head, value);
    buf_append_byte(&call->head, '\0');
    call->has_location = call->has_location || slice_equal_nocase(name, SLICE_LIT("location"));
    return true;
}

static size_t call_on_header(char *data, size_t size, size_t count, void *arg)
{
    struct http_call *call = arg;
    struct slice line = slice_make(data, size * count);

    if (call->cancelled)
        return 0;
    call_touch(call);
    if (call->head_given)
        return line.len; /* a trailer */
    if (slice_starts(line, SLICE_LIT("HTTP/"))) {
        buf_reset(&call->head);
        call->header_count = 0;
        call->has_location = false;
    } else if (!slice_trim(line).len) {
        call_head_complete(call);
    } else if (!call_add_header(call, line)) {
        return 0;
    }
    return call->cancelled ? 0 : line.len;
}

static size_t call_on_data(char *data, size_t size, size_t count, void *arg)
{
    struct http_call *call = arg;

    if (call->cancelled)
        return CURL_WRITEFUNC_ERROR;
    if (call->paused) {
        call->held = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    call_touch(call);
    if (call->events.data)
        call->events.data(call->arg, slice_make(data, size * count));
    return call->cancelled ? CURL_WRITEFUNC_ERROR : size * count;
}

static enum error_code call_code(CURLcode code)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return ERROR_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
        return ERROR_UNAVAILABLE;
    default:
        return ERROR_IO;
    }
}

/* Gives the last event; the call is only to be freed afterwards. */
static void call_end(struct http_call *call, const struct error *err)
{
    call->cancelled = true;
    if (call->events.end)
        call->events.end(call->arg, err);
}

static void call_done(struct http_call *call, CURLcode code)
{
    ERROR_LOCAL(err);
    const char *url = "";

    if (code == CURLE_OK && !call->head_given)
        call_give_head(call);
    if (call->cancelled)
        return;
    if (code != CURLE_OK) {
        (void)curl_easy_getinfo(call->easy, CURLINFO_EFFECTIVE_URL, &url);
        (void)error_set(&err, call_code(code), "%s: %s", url,
                        call->message[0] ? call->message : curl_easy_strerror(code));
    }
    call_end(call, code == CURLE_OK ? NULL : &err);
}

static void call_idle(void *arg)
{
    struct http_call *call = arg;
    struct http_client *client = call->client;
    ERROR_LOCAL(err);

    (void)error_set(&err, ERROR_TIMEOUT, "nothing received for %u ms", call->idle_ms);
    client->inside++;
    call_end(call, &err);
    client->inside--;
    client_settle(client);
}

void http_call_cancel(struct http_call *call)
{
    call->cancelled = true;
    if (call->idle)
        loop_timer_stop(call->idle);
    if (!call->client->inside)
        call_free(call);
}

void http_call_pause(struct http_call *call, bool paused)
{
    if (call->cancelled || call->paused == paused)
        return;
    call->paused = paused;
    if (paused) {
        if (call->idle)
            loop_timer_stop(call->idle);
        return;
    }
    call_touch(call);
    /* libcurl would hand out what it holds from inside this call. */
    if (call->held)
        loop_timer_start(call->client->kick, 0, 0);
}

/* The client and libcurl. */

static void client_destroy(struct http_client *client)
{
    list_for_each_safe (it, next, &client->calls)
        call_free(container_of(it, struct http_call, link));
    (void)curl_multi_cleanup(client->multi);
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
            call_done((struct http_call *)(void *)call, code);
    }
}

/* Carries out what was noted, unless still inside. The client may be gone afterwards. */
static void client_settle(struct http_client *client)
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
            call_free(call);
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
    client_settle(client);
}

static void client_act(struct http_client *client, curl_socket_t fd, int events)
{
    int running;

    client->inside++;
    (void)curl_multi_socket_action(client->multi, fd, events, &running);
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
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;

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
            call_end(call, &err);
    }
    client->inside--;
    client_settle(client);
}

void http_client_set_certificate(struct http_client *client, struct slice certificate, struct slice key)
{
    buf_reset(&client->certificate);
    buf_reset(&client->key);
    buf_append_slice(&client->certificate, certificate);
    buf_append_slice(&client->key, key);
}

/* Making a call. */

#define SET(option, value) (void)curl_easy_setopt(easy, option, value)

static int call_on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    unsigned timeout = USER_TIMEOUT_MS;

    (void)arg;
    (void)purpose;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
    return CURL_SOCKOPT_OK;
}

static void call_set_blob(CURL *easy, CURLoption option, const struct buf *text)
{
    struct curl_blob blob = {text->data, text->len, CURL_BLOB_COPY};

    if (text->len)
        SET(option, &blob);
}

static void call_set_tls(const struct http_client *client, CURL *easy)
{
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
    if (client->insecure) {
        SET(CURLOPT_SSL_VERIFYPEER, 0L);
        SET(CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (client->ca.len) {
        /* Without this the system's authorities would be trusted beside the given one. */
        SET(CURLOPT_CAPATH, NULL);
        SET(CURLOPT_CAINFO, NULL);
        call_set_blob(easy, CURLOPT_CAINFO_BLOB, &client->ca);
    }
    call_set_blob(easy, CURLOPT_SSLCERT_BLOB, &client->certificate);
    call_set_blob(easy, CURLOPT_SSLKEY_BLOB, &client->key);
}

static void call_add_line(struct http_call *call, const char *name, struct slice value)
{
    BUF_LOCAL(line);
    struct curl_slist *longer;

    /* libcurl's way to say "empty"; "name:" would remove its own header. */
    buf_printf(&line, value.len ? "%s: " : "%s;", name);
    for (size_t i = 0; i < value.len; i++)
        buf_append_byte(&line, (unsigned char)value.data[i] < 0x20 ? ' ' : value.data[i]);
    longer = curl_slist_append(call->headers, buf_cstr(&line));
    if (!longer)
        mem_die(line.len);
    call->headers = longer;
}

static void call_set_headers(struct http_call *call, const struct http_call_options *options)
{
    bool has_type = false;

    for (size_t i = 0; i < options->header_count; i++) {
        call_add_line(call, options->headers[i].name, options->headers[i].value);
        has_type = has_type || !strcasecmp(options->headers[i].name, "content-type");
    }
    call->headers = curl_slist_append(call->headers, "Expect:");
    if (!has_type)
        call->headers = curl_slist_append(call->headers, "Content-Type:");
    (void)curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
}

static void call_set_request(struct http_call *call, const struct http_call_options *options)
{
    CURL *easy = call->easy;
    const char *method = options->method;
    bool sends = !strcmp(method, "POST") || !strcmp(method, "PUT") || !strcmp(method, "PATCH") || options->body.len;

    SET(CURLOPT_URL, options->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, !strncasecmp(options->url, "https:", 6) ? "https" : "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (sends) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)options->body.len);
        SET(CURLOPT_COPYPOSTFIELDS, options->body.len ? options->body.data : "");
    } else if (!strcmp(method, "HEAD")) {
        SET(CURLOPT_NOBODY, 1L);
    }
    SET(CURLOPT_CUSTOMREQUEST, method);
    if (options->redirects_max) {
        SET(CURLOPT_FOLLOWLOCATION, 1L);
        SET(CURLOPT_MAXREDIRS, (long)options->redirects_max);
    }
    SET(CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS,
        options->connect_timeout_ms ? (long)options->connect_timeout_ms : (long)CONNECT_TIMEOUT_MS);
    call_set_headers(call, options);
}

static void call_set_transport(struct http_call *call)
{
    CURL *easy = call->easy;

    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROXY, call->client->proxy);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
    SET(CURLOPT_TCP_KEEPINTVL, KEEPALIVE_STEP_S);
    SET(CURLOPT_SOCKOPTFUNCTION, call_on_socket);
    SET(CURLOPT_MAXAGE_CONN, IDLE_REUSE_S);
    SET(CURLOPT_BUFFERSIZE, READ_BUFFER);
    SET(CURLOPT_ERRORBUFFER, call->message);
    SET(CURLOPT_PRIVATE, call);
    SET(CURLOPT_HEADERFUNCTION, call_on_header);
    SET(CURLOPT_HEADERDATA, call);
    SET(CURLOPT_WRITEFUNCTION, call_on_data);
    SET(CURLOPT_WRITEDATA, call);
}

struct http_call *http_client_call(struct http_client *client, const struct http_call_options *options,
                                   const struct http_call_events *events, void *arg)
{
    struct http_call *call = mem_zalloc(sizeof(*call));

    call->client = client;
    call->events = *events;
    call->arg = arg;
    call->redirects_left = options->redirects_max;
    call->easy = curl_easy_init();
    if (!call->easy)
        mem_die(0);
    call_set_transport(call);
    call_set_tls(client, call->easy);
    call_set_request(call, options);
    list_append(&client->calls, &call->link);
    if (options->idle_timeout_ms) {
        call->idle_ms = options->idle_timeout_ms;
        call->idle = loop_timer_new(client->loop, call_idle, call);
        call_touch(call);
    }
    client_settle(client);
    return call;
}
