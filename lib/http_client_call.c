/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of the HTTP client: its options as libcurl's, the answer's head gathered line by line (only the last one's,
 * when there are redirects or 1xx), its data handed on. The states are drawn in http_client.c.
 */
#include "lib/http_client_internal.h"

#include <ctype.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>

#define CONNECT_TIMEOUT_MS 10000
#define IDLE_REUSE_S       80L /* our own server closes idle connections after 100 s */
#define KEEPALIVE_S        30L
#define KEEPALIVE_STEP_S   10L
#define USER_TIMEOUT_MS    30000u
#define READ_BUFFER        65536L
#define HEAD_MAX           (256u << 10)
#define HEADER_COUNT_MAX   512

void http_call_free(struct http_call *call)
{
    list_remove(&call->link);
    if (call->added)
        (void)curl_multi_remove_handle(call->client->multi, call->easy);
    curl_easy_cleanup(call->easy);
    http_client_forget_errors();
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

static void call_give_trailer(struct http_call *call, struct slice line)
{
    ptrdiff_t colon = slice_find(line, ':');

    if (call->events.trailer && colon > 0)
        call->events.trailer(call->arg, slice_make(line.data, (size_t)colon),
                             slice_trim(slice_make(line.data + colon + 1, line.len - (size_t)(colon + 1))));
}

static size_t call_on_header(char *data, size_t size, size_t count, void *arg)
{
    struct http_call *call = arg;
    struct slice line = slice_make(data, size * count);

    if (call->cancelled)
        return 0;
    call_touch(call);
    if (call->head_given)
        call_give_trailer(call, line);
    else if (slice_starts(line, SLICE_LIT("HTTP/"))) {
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

void http_call_end(struct http_call *call, const struct error *err)
{
    call->cancelled = true;
    if (call->events.end)
        call->events.end(call->arg, err);
}

void http_call_done(struct http_call *call, CURLcode code)
{
    ERROR_LOCAL(err);
    const char *url = "";

    if (code == CURLE_OK && call->connection) {
        call->events.end(call->arg, NULL);
        return;
    }
    if (code == CURLE_OK && !call->head_given && !call->connect_only)
        call_give_head(call);
    if (call->cancelled)
        return;
    if (code != CURLE_OK) {
        (void)curl_easy_getinfo(call->easy, CURLINFO_EFFECTIVE_URL, &url);
        (void)error_set(&err, call_code(code), "%s: %s", url,
                        call->message[0] ? call->message : curl_easy_strerror(code));
    }
    http_call_end(call, code == CURLE_OK ? NULL : &err);
}

const char *http_call_redirect(const struct http_call *call)
{
    const char *url = NULL;

    (void)curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_URL, &url);
    return url;
}

int http_call_errno(const struct http_call *call)
{
    long number = 0;

    (void)curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &number);
    return (int)number;
}

static void call_idle(void *arg)
{
    struct http_call *call = arg;
    struct http_client *client = call->client;
    ERROR_LOCAL(err);

    (void)error_set(&err, ERROR_TIMEOUT, "nothing received for %u ms", call->idle_ms);
    client->inside++;
    http_call_end(call, &err);
    client->inside--;
    http_client_settle(client);
}

void http_call_cancel(struct http_call *call)
{
    call->cancelled = true;
    if (call->idle)
        loop_timer_stop(call->idle);
    if (!call->client->inside)
        http_call_free(call);
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
    SET(CURLOPT_HTTP_VERSION, (long)(options->http2 ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : CURL_HTTP_VERSION_1_1));
    SET(CURLOPT_FRESH_CONNECT, (long)options->fresh);
    SET(CURLOPT_FORBID_REUSE, (long)options->fresh);
    SET(CURLOPT_CONNECT_ONLY, (long)options->connect_only);
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

static struct http_call *call_new(struct http_client *client, const struct http_call_options *options,
                                  const struct http_call_events *events, void *arg)
{
    struct http_call *call = mem_zalloc(sizeof(*call));

    call->client = client;
    call->events = *events;
    call->arg = arg;
    call->redirects_left = options->redirects_max;
    call->connect_only = options->connect_only;
    call->easy = curl_easy_init();
    if (!call->easy)
        mem_die(0);
    call_set_transport(call);
    call_set_tls(client, call->easy);
    call_set_request(call, options);
    list_append(&client->calls, &call->link);
    return call;
}

struct http_call *http_client_call(struct http_client *client, const struct http_call_options *options,
                                   const struct http_call_events *events, void *arg)
{
    struct http_call *call = call_new(client, options, events, arg);

    if (options->idle_timeout_ms) {
        call->idle_ms = options->idle_timeout_ms;
        call->idle = loop_timer_new(client->loop, call_idle, call);
        call_touch(call);
    }
    http_client_settle(client);
    return call;
}

const char *http_call_url(const struct http_call *call)
{
    char *url = NULL;

    (void)curl_easy_getinfo(call->easy, CURLINFO_EFFECTIVE_URL, &url);
    return url ? url : "";
}

struct http_call *http_call_connect(struct http_client *client, const struct http_call_options *options,
                                    const struct http_call_events *events, void *arg)
{
    struct http_call *call = call_new(client, options, events, arg);
    CURL *easy = call->easy;

    call->connection = true;
    SET(CURLOPT_CONNECT_ONLY, 1L);
    http_client_settle(client);
    return call;
}
