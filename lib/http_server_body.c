/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies that are read while their request is handled. libh2o 2.2.5 calls a handler when it has the whole body and
 * offers nothing else. So its parser of requests is defined here, in front of the library's own: of a request that is
 * to stream, libh2o is not shown that it has a body. It calls the handler at once, the body follows in the connection's
 * input behind the head, and is taken out of there before libh2o looks at what it believes to be the next request.
 *
 *     WAITS --start--> READS --all of it--> WHOLE
 *       |               | ^
 *       |         pause v | go on
 *       |              PAUSED
 *       `--answered before it was whole: the rest is thrown away for a moment (linger), and the connection closes
 *
 * Invariants: of a body that is not whole when the answer begins, the connection is not used again, so nobody's body is
 * ever read as a request. What has two lengths, or one that cannot be read, is refused: 400, closed.
 */
#include <dlfcn.h>

#include "lib/http_server_internal.h"

/* What the parser found, for the handler that libh2o calls next on the same stack. */
struct body_hint {
    const char *path; /* where libh2o has it; NULL = nothing streams */
    size_t head;
    bool chunked;
    bool expects; /* 100-continue */
    uint64_t length;
};

static __thread struct body_hint hint;
static http_body_streams *chosen; /* atomic; one for all listeners that have one */

void server_body_choose(http_body_streams *streams)
{
    if (streams)
        __atomic_store_n(&chosen, streams, __ATOMIC_RELEASE);
}

static struct slice header_name(const struct phr_header *h)
{
    return slice_make(h->name ? h->name : "", h->name ? h->name_len : 0);
}

static bool length_read(struct slice text, uint64_t *ret_length)
{
    int64_t n;

    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    if (!slice_to_int64(text, &n))
        return false;
    *ret_length = (uint64_t)n;
    return true;
}

/* Notes one header that says how the body comes. False: this cannot be. */
static bool hint_note(struct body_hint *h, struct slice name, struct slice value, bool *length_known)
{
    if (slice_equal_nocase(name, SLICE_LIT("content-length"))) {
        if (*length_known || h->chunked || !length_read(value, &h->length))
            return false;
        *length_known = true;
    } else if (slice_equal_nocase(name, SLICE_LIT("transfer-encoding"))) {
        if (*length_known || h->chunked || !slice_equal_nocase(value, SLICE_LIT("chunked")))
            return false;
        h->chunked = true;
    }
    return true;
}

static bool hint_hides(struct slice name)
{
    return slice_equal_nocase(name, SLICE_LIT("content-length")) ||
           slice_equal_nocase(name, SLICE_LIT("transfer-encoding")) || slice_equal_nocase(name, SLICE_LIT("expect"));
}

/* False: the request is to be refused. */
static bool hint_look(const char *path, size_t head, int minor_version, struct phr_header *headers, size_t *count)
{
    struct body_hint found = {.path = path, .head = head};
    bool length_known = false;
    size_t kept = 0;

    for (size_t i = 0; i < *count; i++) {
        struct slice value = slice_trim(slice_make(headers[i].value, headers[i].value_len));

        if (!hint_note(&found, header_name(&headers[i]), value, &length_known))
            return false;
        found.expects = found.expects || (slice_equal_nocase(header_name(&headers[i]), SLICE_LIT("expect")) &&
                                          slice_equal_nocase(value, SLICE_LIT("100-continue")));
    }
    if (found.chunked && minor_version < 1)
        return false;
    if (!found.chunked && !found.length)
        return true;
    for (size_t i = 0; i < *count; i++)
        if (!hint_hides(header_name(&headers[i])))
            headers[kept++] = headers[i];
    *count = kept;
    hint = found;
    return true;
}

typedef int parse_function(const char *buf, size_t len, const char **method, size_t *method_len, const char **path,
                           size_t *path_len, int *minor_version, struct phr_header *headers, size_t *num_headers,
                           size_t last_len);

static parse_function *parse_next(void)
{
    static parse_function *next;
    parse_function *parse = __atomic_load_n(&next, __ATOMIC_ACQUIRE);

    if (!parse) {
        void *found = dlsym(RTLD_NEXT, "phr_parse_request");

        memcpy(&parse, &found, sizeof(parse));
        if (!parse)
            abort();
        __atomic_store_n(&next, parse, __ATOMIC_RELEASE);
    }
    return parse;
}

__attribute__((visibility("default"))) int phr_parse_request(const char *buf, size_t len, const char **method,
                                                             size_t *method_len, const char **path, size_t *path_len,
                                                             int *minor_version, struct phr_header *headers,
                                                             size_t *num_headers, size_t last_len)
{
    http_body_streams *streams = __atomic_load_n(&chosen, __ATOMIC_ACQUIRE);
    int n = parse_next()(buf, len, method, method_len, path, path_len, minor_version, headers, num_headers, last_len);

    hint.path = NULL;
    if (n > 0 && streams && streams(slice_make(*method, *method_len), slice_make(*path, *path_len)) &&
        !hint_look(*path, (size_t)n, *minor_version, headers, num_headers))
        return -1;
    return n;
}

/* ---- reading ---- */

static void body_on_later(h2o_timeout_entry_t *entry)
{
    struct server_body *body = container_of(entry, struct server_body, later);

    if (!body->paused)
        server_body_take(body);
}

void server_body_begin(struct server_body *body, struct server_conn *conn, const h2o_req_t *h2o)
{
    body->conn = conn;
    body->later.cb = body_on_later;
    if (!hint.path || hint.path != h2o->input.path.base || h2o->entity.base)
        return;
    body->streams = true;
    body->expects = hint.expects;
    body->chunked = hint.chunked;
    body->head = hint.head;
    body->length = body->left = hint.length;
    body->decoder.consume_trailer = 1;
    hint.path = NULL;
}

void server_body_end(struct server_body *body)
{
    h2o_timeout_unlink(&body->later);
}

bool server_body_is_unread(const struct server_body *body)
{
    return body->streams && !body->whole;
}

/* Decodes what is in the input behind the head: so many bytes of the body are there now. */
static size_t body_decode(struct server_body *body, char *data, size_t len, size_t *ret_rest, bool *ret_bad)
{
    ssize_t rest;

    *ret_bad = false;
    if (!body->chunked) {
        size_t n = len < body->left ? len : (size_t)body->left;

        body->left -= n;
        body->whole = !body->left;
        *ret_rest = len - n;
        return n;
    }
    rest = phr_decode_chunked(&body->decoder, data, &len);
    *ret_bad = rest == -1;
    body->whole = rest >= 0;
    *ret_rest = rest > 0 ? (size_t)rest : 0;
    return len;
}

void server_body_take(struct server_body *body)
{
    struct server_conn *conn = body->conn;
    struct server_exchange *exchange = conn->exchange;
    h2o_buffer_t *input = conn->sock->input;
    char *data = input->bytes + body->head;
    size_t len = input->size - body->head;
    size_t rest;
    bool bad;

    if (!len || body->whole)
        return;
    len = body_decode(body, data, len, &rest, &bad);
    if (bad) {
        body->dropped = true;
        server_conn_cut(conn);
        rest = 0;
    } else if (len && !body->dropped) {
        body->events.data(body->arg, slice_make(data, len));
    }
    if (conn->exchange != exchange || !conn->sock)
        return;
    memmove(data, data + len, rest);
    input->size = body->head + rest;
    if (body->whole && !body->dropped)
        body->events.end(body->arg);
}

static void body_take_later(struct server_body *body)
{
    if (!body->whole && body->conn->sock->input->size > body->head)
        h2o_timeout_link(body->conn->server->ctx.loop, &body->conn->server->ctx.zero_timeout, &body->later);
}

void server_body_start(struct server_body *body, const struct http_body_events *events, void *arg)
{
    body->events = *events;
    body->arg = arg;
    body->started = true;
    body_take_later(body);
}

void server_body_pause(struct server_body *body, bool paused)
{
    body->paused = paused;
    h2o_timeout_unlink(&body->later);
    if (!paused)
        body_take_later(body);
}
