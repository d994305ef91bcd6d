/* SPDX-License-Identifier: Apache-2.0 */
/* Query options of writes, and their bodies. */
#include "api/version.h"
#include "apiserver/request.h"

#define OPTIONS_MANAGER_MAX 128

int request_invalid_option(struct request *req, const char *kind, const char *reason, const char *field,
                           struct error *err, const char *fmt, ...)
{
    struct status_details *details = pool_alloc(req->pool, sizeof(*details));
    va_list args;

    va_start(args, fmt);
    char *text CLEANUP_FREE = mem_vprintf(fmt, args);
    va_end(args);
    *details = (struct status_details){NULL, "meta.k8s.io", kind, NULL};
    req->error_details = details;
    (void)error_set(err, ERROR_INVALID, "%s.meta.k8s.io \"\" is invalid: %s: %s", kind, field, text);
    error_add_cause(err, reason, field, "%s", text);
    return -(int)ERROR_INVALID;
}

/* As upstream quotes text: "a\\tb", other control characters as \\x07. */
static const char *options_quote(struct pool *pool, const char *text)
{
    static const char letters[] = "\a\b\f\n\r\t\v\"\\", escapes[] = "abfnrtv\"\\";
    BUF_LOCAL(out);

    buf_append_byte(&out, '"');
    for (const char *c = text; *c; c++) {
        const char *known = strchr(letters, *c);

        if (known)
            buf_printf(&out, "\\%c", escapes[known - letters]);
        else if ((unsigned char)*c < 0x20 || *c == 0x7f)
            buf_printf(&out, "\\x%02x", (unsigned)(unsigned char)*c);
        else
            buf_append_byte(&out, *c);
    }
    buf_append_byte(&out, '"');
    return pool_slice_dup(pool, buf_slice(&out));
}

static int options_manager(struct request *req, const char *options, struct error *err)
{
    const char *manager = request_query(req, "fieldManager");
    size_t len = manager ? strlen(manager) : 0;

    if (len > OPTIONS_MANAGER_MAX)
        return request_invalid_option(req, options, "FieldValueTooLong", "fieldManager", err,
                                      "Too long: may not be more than %d bytes", OPTIONS_MANAGER_MAX);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)manager[i] < 0x20 || manager[i] == 0x7f)
            return request_invalid_option(req, options, "FieldValueInvalid", "fieldManager", err,
                                          "Invalid value: %s: invalid character U+%04X (at position %zu)",
                                          options_quote(req->pool, manager), (unsigned)(unsigned char)manager[i], i);
    return 0;
}

int request_write_options(struct request *req, const char *options, struct error *err)
{
    const char *dry_run = request_query(req, "dryRun");
    const char *validation = request_query(req, "fieldValidation");

    if (dry_run && *dry_run) {
        if (strcmp(dry_run, "All") != 0)
            return request_invalid_option(req, options, "FieldValueNotSupported", "dryRun", err,
                                          "Unsupported value: [\"%s\"]: supported values: \"All\"", dry_run);
        req->dry_run = true;
    }
    if (options_manager(req, options, err) < 0)
        return -(int)ERROR_INVALID;
    if (!validation || !*validation || !strcmp(validation, "Warn"))
        req->strictness = CODEC_WARN;
    else if (!strcmp(validation, "Strict"))
        req->strictness = CODEC_STRICT;
    else if (!strcmp(validation, "Ignore"))
        req->strictness = CODEC_IGNORE;
    else
        return request_invalid_option(req, options, "FieldValueNotSupported", "fieldValidation", err,
                                      "Unsupported value: \"%s\": supported values: \"\", \"Ignore\", \"Strict\", "
                                      "\"Warn\"",
                                      validation);
    return 0;
}

struct value *request_decode_again(struct request *req, const struct schema_kind *kind, struct error *err)
{
    const struct schema_kind *sent = kind == req->kind ? req->shown : kind;
    struct value *v = NULL;
    enum codec_format format;

    if (codec_format_of(http_request_header(req->http, "content-type"), &format))
        v = codec_decode(sent, format, req->http->body, CODEC_IGNORE, NULL, err);
    if (v && version_to_stored(sent, v, true, err) < 0) {
        value_free(v);
        return NULL;
    }
    return v;
}

struct value *request_decode_body(struct request *req, const struct schema_kind *kind, struct error *err)
{
    struct codec_findings findings = {0};
    const struct schema_kind *sent = kind == req->kind ? req->shown : kind;
    enum codec_format format;
    struct value *v;

    if (!codec_format_of(http_request_header(req->http, "content-type"), &format)) {
        (void)error_set(err, ERROR_UNSUPPORTED_MEDIA_TYPE,
                        "the body of the request was in an unknown format - accepted media types include: "
                        "application/json, application/yaml, application/vnd.kubernetes.protobuf");
        return NULL;
    }
    v = codec_decode(sent, format, req->http->body, req->strictness, &findings, err);
    if (v && req->strictness == CODEC_WARN)
        request_warn_findings(req, &findings);
    if (v && !kind->no_metadata)
        request_warn_inert(req, sent, v);
    codec_findings_clear(&findings);
    if (v && version_to_stored(sent, v, true, err) < 0) {
        value_free(v);
        return NULL;
    }
    return v;
}
