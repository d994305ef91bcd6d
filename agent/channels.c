/* SPDX-License-Identifier: Apache-2.0 */
/* What both carriers have in common: the options, the words of the end, the choice between them. */
#include "agent/channels.h"

#include "api/scan.h"
#include "lib/encoding.h"
#include "lib/spdy_conn.h"
#include "lib/websocket_conn.h"

#define TERMINAL_MAX 10000 /* columns or rows */

int channels_read_options(const struct http_request *req, struct channels_options *o, struct error *err)
{
    o->in = http_query_bool(req->pool, req->query, "stdin");
    o->out = http_query_bool(req->pool, req->query, "stdout");
    o->tty = http_query_bool(req->pool, req->query, "tty");
    o->err = http_query_bool(req->pool, req->query, "stderr") && !o->tty;
    if (!o->in && !o->out && !o->err)
        return error_set(err, ERROR_BAD_REQUEST, "you must specify at least 1 of stdin, stdout, stderr");
    return 0;
}

struct channels *channels_open(struct http_request *req, const struct channels_options *options,
                               const struct channels_events *events, void *arg, struct error *err)
{
    if (websocket_requested(req))
        return channels_open_websocket(req, options, events, arg, err);
    if (spdy_requested(req))
        return channels_open_spdy(req, options, events, arg, err);
    (void)error_set(err, ERROR_BAD_REQUEST, "Upgrade request required");
    return NULL;
}

void channels_write(struct channels *c, enum channel channel, struct slice data)
{
    bool wanted = channel == CHANNEL_STDOUT ? c->options.out : channel == CHANNEL_STDERR && c->options.err;

    if (data.len && wanted)
        c->ops->write(c, channel, data);
}

size_t channels_pending(const struct channels *c)
{
    return c->ops->pending(c);
}

void channels_pause(struct channels *c, bool paused)
{
    c->ops->pause(c, paused);
}

void channels_take_resize(struct channels *c, struct slice json)
{
    int64_t columns = scan_int(scan_get(json, "Width"), 0);
    int64_t rows = scan_int(scan_get(json, "Height"), 0);

    if (columns > 0 && rows > 0 && columns < TERMINAL_MAX && rows < TERMINAL_MAX)
        c->events.resize(c->arg, (unsigned)columns, (unsigned)rows);
}

void channels_write_status(struct buf *out, const struct channels_result *r)
{
    char *text CLEANUP_FREE = NULL;

    if (r->failure) {
        text = mem_printf("Internal error occurred: %s", r->failure);
        buf_append_str(out, "{\"metadata\":{},\"status\":\"Failure\",\"message\":");
        json_write_string(out, slice_str(text));
        buf_append_str(out, ",\"reason\":\"InternalError\",\"details\":{\"causes\":[{\"message\":");
        json_write_string(out, slice_str(r->failure));
        buf_append_str(out, "}]},\"code\":500}");
    } else if (r->exit_code) {
        buf_printf(
            out,
            "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"command terminated with non-zero exit code: exit "
            "code %d\",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\","
            "\"message\":\"%d\"}]}}",
            r->exit_code, r->exit_code);
    } else {
        buf_append_str(out, "{\"metadata\":{},\"status\":\"Success\"}");
    }
}

/* Before v4 success was silence, and a failure a line of text. */
static void write_legacy(struct buf *out, const struct channels_result *r)
{
    if (r->failure)
        buf_printf(out, "Internal error occurred: %s", r->failure);
    else if (r->exit_code)
        buf_printf(out, "command terminated with non-zero exit code: exit code %d", r->exit_code);
}

void channels_finish(struct channels *c, const struct channels_result *result)
{
    BUF_LOCAL(text);

    if (c->has_status)
        channels_write_status(&text, result);
    else
        write_legacy(&text, result);
    c->ops->finish(c, buf_slice(&text));
}
