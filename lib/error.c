/* SPDX-License-Identifier: Apache-2.0 */
#define ERROR_DEFINITIONS
#include "lib/error.h"

#include <string.h>

static const struct {
    int http;
    const char *reason;
} error_rows[ERROR_CODE_COUNT] = {[ERROR_NONE] = {200, ""},
#define X(name, http, reason) [ERROR_##name] = {http, reason},
                                  ERROR_CODES(X)
#undef X
};

static void error_replace(struct error *err, enum error_code code, char *message)
{
    error_clear(err);
    err->code = code;
    err->message = message;
}

int error_set(struct error *err, enum error_code code, const char *fmt, ...)
{
    va_list args;

    if (!err)
        return -(int)code;
    va_start(args, fmt);
    error_replace(err, code, mem_vprintf(fmt, args));
    va_end(args);
    return -(int)code;
}

int error_set_errno(struct error *err, int number, const char *fmt, ...)
{
    va_list args;
    char buffer[128];

    if (!err)
        return -(int)ERROR_IO;
    va_start(args, fmt);
    char *what CLEANUP_FREE = mem_vprintf(fmt, args);
    va_end(args);
    error_replace(err, ERROR_IO, mem_printf("%s: %s", what, strerror_r(number, buffer, sizeof(buffer))));
    return -(int)ERROR_IO;
}

static void error_prefix(struct error *err, const char *fmt, va_list args)
{
    char *context CLEANUP_FREE = mem_vprintf(fmt, args);
    char *whole = mem_printf("%s: %s", context, error_text(err));

    free(err->message);
    err->message = whole;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
    va_list args;

    if (!err)
        return -(int)ERROR_INTERNAL;
    va_start(args, fmt);
    error_prefix(err, fmt, args);
    va_end(args);
    return -(int)err->code;
}

int error_pass(struct error *ret_err, struct error *from, const char *fmt, ...)
{
    int code = from->code ? -(int)from->code : -(int)ERROR_INTERNAL;
    va_list args;

    if (!ret_err) {
        error_clear(from);
        return code;
    }
    if (fmt) {
        va_start(args, fmt);
        error_prefix(from, fmt, args);
        va_end(args);
    }
    error_clear(ret_err);
    *ret_err = *from;
    memset(from, 0, sizeof(*from));
    return code;
}

void error_add_cause(struct error *err, const char *reason, const char *field, const char *fmt, ...)
{
    struct error_cause *cause;
    va_list args;

    if (!err)
        return;
    err->causes = mem_grow(err->causes, &err->cause_cap, err->cause_count + 1, sizeof(*err->causes));
    cause = &err->causes[err->cause_count++];
    cause->reason = mem_strdup(reason);
    cause->field = field ? mem_strdup(field) : NULL;
    va_start(args, fmt);
    cause->message = mem_vprintf(fmt, args);
    va_end(args);
}

void error_copy(struct error *to, const struct error *from)
{
    error_clear(to);
    to->code = from->code;
    to->message = from->message ? mem_strdup(from->message) : NULL;
    to->retry_after_seconds = from->retry_after_seconds;
    for (size_t i = 0; i < from->cause_count; i++)
        error_add_cause(to, from->causes[i].reason, from->causes[i].field, "%s", from->causes[i].message);
}

void error_clear(struct error *err)
{
    if (!err)
        return;
    for (size_t i = 0; i < err->cause_count; i++) {
        free(err->causes[i].reason);
        free(err->causes[i].message);
        free(err->causes[i].field);
    }
    free(err->causes);
    free(err->message);
    memset(err, 0, sizeof(*err));
}

const char *error_text(const struct error *err)
{
    return err->message ? err->message : "";
}

int error_http_status(enum error_code code)
{
    return code < ERROR_CODE_COUNT ? error_rows[code].http : 500;
}

const char *error_reason(enum error_code code)
{
    return code < ERROR_CODE_COUNT ? error_rows[code].reason : "InternalError";
}

enum error_code error_code_from_http(int status, const char *reason)
{
    if (status >= 200 && status < 300)
        return ERROR_NONE;
    for (int code = 1; reason && code < ERROR_CODE_COUNT; code++)
        if (!strcmp(error_rows[code].reason, reason))
            return (enum error_code)code;
    for (int code = 1; code < ERROR_CODE_COUNT; code++)
        if (error_rows[code].http == status)
            return (enum error_code)code;
    return status >= 500 ? ERROR_INTERNAL : ERROR_BAD_REQUEST;
}
