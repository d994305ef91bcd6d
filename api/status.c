/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status bodies, written in upstream's key order (clients compare them as text in places), and read back. A Status
 * comes from somebody else's server too, so reading takes anything.
 */
#include "api/status.h"

#include <stdio.h>

#include "api/value.h"
#include "lib/encoding.h"

#define MESSAGE_MAX 2048 /* of a body that is no Status */

static void write_text(struct buf *out, struct slice text)
{
    BUF_LOCAL(clean);

    if (utf8_valid(text)) {
        json_write_string(out, text);
        return;
    }
    /* A message may quote what somebody sent. */
    while (text.len) {
        size_t len = utf8_sequence(text);

        if (len)
            buf_append(&clean, text.data, len);
        else
            utf8_append(&clean, 0xfffd);
        text = slice_from(text, len ? len : 1);
    }
    json_write_string(out, buf_slice(&clean));
}

/* `"name":"text"`, preceded by a comma unless it is the first of its object; nothing when the text is empty. */
static void write_member(struct buf *out, bool *first, const char *name, const char *text)
{
    if (!text || !*text)
        return;
    if (!*first)
        buf_append_byte(out, ',');
    *first = false;
    buf_printf(out, "\"%s\":", name);
    write_text(out, slice_str(text));
}

static void write_causes(struct buf *out, const struct error *err)
{
    buf_append_str(out, "\"causes\":[");
    for (size_t i = 0; i < err->cause_count; i++) {
        const struct error_cause *c = &err->causes[i];
        bool first = true;

        buf_append_str(out, i ? ",{" : "{");
        write_member(out, &first, "reason", c->reason);
        write_member(out, &first, "message", c->message);
        write_member(out, &first, "field", c->field);
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ']');
}

static void write_details(struct buf *out, const struct status_details *details, const struct error *err)
{
    static const struct status_details none;
    bool first = true;

    if (!details)
        details = &none;
    buf_append_str(out, "\"details\":{");
    write_member(out, &first, "name", details->name);
    write_member(out, &first, "group", details->group);
    write_member(out, &first, "kind", details->kind);
    write_member(out, &first, "uid", details->uid);
    if (err && err->cause_count) {
        buf_append_str(out, first ? "" : ",");
        first = false;
        write_causes(out, err);
    }
    if (err && err->retry_after_seconds)
        buf_printf(out, "%s\"retryAfterSeconds\":%d", first ? "" : ",", err->retry_after_seconds);
    buf_append_byte(out, '}');
}

void status_write_error(struct buf *out, const struct error *err, const struct status_details *details)
{
    bool first = false;

    buf_append_str(out, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\"");
    write_member(out, &first, "message", error_text(err));
    write_member(out, &first, "reason", error_reason(err->code));
    if (details || err->cause_count || err->retry_after_seconds) {
        buf_append_byte(out, ',');
        write_details(out, details, err);
    }
    buf_printf(out, ",\"code\":%d}", error_http_status(err->code));
}

void status_write_success(struct buf *out, const struct status_details *details)
{
    buf_append_str(out, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\"");
    if (details) {
        buf_append_byte(out, ',');
        write_details(out, details, NULL);
    }
    buf_append_byte(out, '}');
}

static const char *text_or(const struct value *v, const char *fallback)
{
    const char *text = value_str(v);

    return text ? text : fallback;
}

static void read_causes(const struct value *details, struct error *err)
{
    const struct value *causes = value_get(details, "causes");
    int64_t retry = value_int(value_get(details, "retryAfterSeconds"));

    for (size_t i = 0; i < value_count(causes); i++) {
        const struct value *c = value_at(causes, i);

        error_add_cause(err, text_or(value_get(c, "reason"), ""), value_str(value_get(c, "field")), "%s",
                        text_or(value_get(c, "message"), ""));
    }
    if (err && retry > 0 && retry < 86400)
        err->retry_after_seconds = (int)retry;
}

void status_read_error(int http_status, struct slice body, struct error *err)
{
    struct value *status CLEANUP(value_cleanup) = value_parse_lenient(body, NULL);
    const char *reason = value_str(value_get(status, "reason"));
    int64_t code = value_int(value_get(status, "code"));

    if (!status || !slice_is(value_string(value_get(status, "kind")), "Status")) {
        struct slice shown = slice_make(body.data, body.len < MESSAGE_MAX ? body.len : MESSAGE_MAX);

        error_set(err, error_code_from_http(http_status, NULL), "the server answered %d: %.*s", http_status,
                  SLICE_ARGS(slice_trim(shown)));
        return;
    }
    if (code < 100 || code > 599)
        code = http_status;
    error_set(err, error_code_from_http((int)code, reason), "%s",
              text_or(value_get(status, "message"), "the server gave no message"));
    read_causes(value_get(status, "details"), err);
}

/* "pods" or "deployments.apps". */
static const char *resource_text(const struct schema_kind *kind, char *buffer, size_t size)
{
    (void)snprintf(buffer, size, "%s%s%s", kind->plural, *kind->group ? "." : "", kind->group);
    return buffer;
}

int status_not_found(struct error *err, const struct schema_kind *kind, struct slice name)
{
    char resource[256];

    return error_set(err, ERROR_NOT_FOUND, "%s \"%.*s\" not found", resource_text(kind, resource, sizeof(resource)),
                     SLICE_ARGS(name));
}

int status_already_exists(struct error *err, const struct schema_kind *kind, struct slice name)
{
    char resource[256];

    return error_set(err, ERROR_ALREADY_EXISTS, "%s \"%.*s\" already exists",
                     resource_text(kind, resource, sizeof(resource)), SLICE_ARGS(name));
}

int status_conflict(struct error *err, const struct schema_kind *kind, struct slice name, const char *why)
{
    char resource[256];

    return error_set(err, ERROR_CONFLICT, "Operation cannot be fulfilled on %s \"%.*s\": %s",
                     resource_text(kind, resource, sizeof(resource)), SLICE_ARGS(name), why);
}
