/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libh2o answers some requests itself (a body over its limit, a bad length, an unknown expectation) in plain text. A
 * filter puts a Status in the place of the text, since clients print what they can decode. Requests that it cannot even
 * parse are answered "400 Bad Request" in text all the same: that path knows no filters.
 *
 * It would also close at once, with the rest of the body unread; the kernel then resets the connection and the client
 * may never see the answer. So the filter keeps back the end of the answer, and what still comes is thrown away for a
 * few seconds:  ANSWER --written--> LINGER --peer closes, enough bytes, enough time--> closed.
 */
#include <sys/socket.h>

#include "lib/http_server_internal.h"

#define LINGER_S     5
#define LINGER_BYTES (64u << 20)

struct error_ostream {
    h2o_ostream_t super;
    h2o_iovec_t body;
    bool answered;
};

char *server_error_body(int code, size_t body_max)
{
    static const char frame[] = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
                                "\"message\":\"%s\",\"reason\":\"%s\",\"code\":%d}\n";
    char *message CLEANUP_FREE = code == 413 ? mem_printf("Request entity too large: limit is %zu", body_max)
                                             : mem_strdup("the request could not be read");

    return mem_printf(frame, message, error_reason(error_code_from_http(code, NULL)), code);
}

static void linger_end(struct server_conn *conn)
{
    conn->server->drop(conn->sock, h2o_socket_error_closed);
}

static void linger_on_read(h2o_socket_t *sock, const char *err)
{
    struct server_conn *conn = server_conn_of(sock);

    conn->linger_bytes += sock->input->size;
    h2o_buffer_consume(&sock->input, sock->input->size);
    if (err || conn->linger_bytes > LINGER_BYTES)
        linger_end(conn);
}

static void linger_on_second(h2o_timeout_entry_t *entry)
{
    struct server_conn *conn = container_of(entry, struct server_conn, linger);

    if (--conn->linger_seconds)
        h2o_timeout_link(conn->server->ctx.loop, &conn->server->ctx.one_sec_timeout, entry);
    else
        linger_end(conn);
}

void server_conn_linger(struct server_conn *conn)
{
    conn->linger_seconds = LINGER_S;
    conn->linger.cb = linger_on_second;
    h2o_timeout_link(conn->server->ctx.loop, &conn->server->ctx.one_sec_timeout, &conn->linger);
    (void)shutdown(h2o_socket_get_fd(conn->sock), SHUT_WR);
    h2o_socket_read_start(conn->sock, linger_on_read);
}

/* Called with the whole text, and again when that is written. */
static void error_send(h2o_ostream_t *ostream, h2o_req_t *h2o, h2o_iovec_t *bufs, size_t count, h2o_send_state_t state)
{
    struct error_ostream *self = container_of(ostream, struct error_ostream, super);

    (void)bufs;
    (void)state;
    if (self->answered) {
        server_conn_linger(server_conn_of(h2o->conn->callbacks->get_socket(h2o->conn)));
        return;
    }
    self->answered = true;
    h2o_ostream_send_next(ostream, h2o, &self->body, count ? 1 : 0, H2O_SEND_STATE_IN_PROGRESS);
}

static void error_setup(h2o_filter_t *filter, h2o_req_t *h2o, h2o_ostream_t **slot)
{
    struct http_server *server = container_of(h2o->conn->ctx, struct http_server, ctx);
    struct server_conn *conn = server_conn_of(h2o->conn->callbacks->get_socket(h2o->conn));
    struct error_ostream *self;

    (void)filter;
    if (!conn->exchange) {
        char *text CLEANUP_FREE = server_error_body(h2o->res.status, server->listener->body_max);

        self = (void *)h2o_add_ostream(h2o, sizeof(*self), slot);
        self->super.do_send = error_send;
        self->answered = false;
        self->body = h2o_strdup(&h2o->pool, text, strlen(text));
        slot = &self->super.next;
        h2o->res.content_length = self->body.len;
        h2o->res.headers.size = 0;
        h2o_add_header(&h2o->pool, &h2o->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, H2O_STRLIT("application/json"));
    }
    h2o_setup_next_ostream(h2o, slot);
}

void server_error_register(h2o_pathconf_t *path)
{
    h2o_filter_t *filter = h2o_create_filter(path, sizeof(*filter));

    filter->on_setup_ostream = error_setup;
}
