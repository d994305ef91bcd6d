/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: an int (0 or negative) plus one object {code, message, causes}, made once where the failure is understood and
 * wrapped with context on the way up. Only the edge that handles an error logs it or turns it into a Status; nobody
 * logs and returns. One list (ERROR_CODES) carries code, HTTP status and Kubernetes reason, so that a Status writes
 * itself.
 *
 *     ERROR_LOCAL(err);
 *     if (store_get(store, key, &item, &err) < 0)
 *         return error_pass(ret_err, &err, "reading %s", key);
 *
 * A function's `struct error *err` may be NULL when the caller does not care. On success it is left untouched.
 */
#ifndef KNARR_LIB_ERROR_H
#define KNARR_LIB_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/mem.h"

/* code, HTTP status, Kubernetes reason (metav1.StatusReason of upstream). */
#define ERROR_CODES(X)                                                                                                 \
    X(BAD_REQUEST, 400, "BadRequest")                                                                                  \
    X(UNAUTHORIZED, 401, "Unauthorized")                                                                               \
    X(FORBIDDEN, 403, "Forbidden")                                                                                     \
    X(NOT_FOUND, 404, "NotFound")                                                                                      \
    X(METHOD_NOT_ALLOWED, 405, "MethodNotAllowed")                                                                     \
    X(NOT_ACCEPTABLE, 406, "NotAcceptable")                                                                            \
    X(ALREADY_EXISTS, 409, "AlreadyExists")                                                                            \
    X(CONFLICT, 409, "Conflict")                                                                                       \
    X(GONE, 410, "Gone")                                                                                               \
    X(EXPIRED, 410, "Expired")                                                                                         \
    X(TOO_LARGE, 413, "RequestEntityTooLarge")                                                                         \
    X(UNSUPPORTED_MEDIA_TYPE, 415, "UnsupportedMediaType")                                                             \
    X(INVALID, 422, "Invalid")                                                                                         \
    X(TOO_MANY_REQUESTS, 429, "TooManyRequests")                                                                       \
    X(INTERNAL, 500, "InternalError")                                                                                  \
    X(UNAVAILABLE, 503, "ServiceUnavailable")                                                                          \
    X(TIMEOUT, 504, "Timeout")                                                                                         \
    X(NO_SPACE, 507, "InsufficientStorage")                                                                            \
    /* Inside the program only; an edge maps them to INTERNAL. */                                                      \
    X(IO, 500, "InternalError")                                                                                        \
    X(CORRUPT, 500, "InternalError")                                                                                   \
    X(CANCELLED, 500, "InternalError")

enum error_code {
    ERROR_NONE = 0,
#define X(name, http, reason) ERROR_##name,
    ERROR_CODES(X)
#undef X
        ERROR_CODE_COUNT
};

/* One entry of a Status' details.causes. */
struct error_cause {
    char *reason;  /* "FieldValueInvalid", "FieldValueRequired", ... */
    char *message; /* "Invalid value: \"x\": must be ..." */
    char *field;   /* "spec.containers[0].name", or NULL */
};

struct error {
    enum error_code code;
    char *message;
    struct error_cause *causes; /* owned, cause_count of them */
    size_t cause_count;
    size_t cause_cap;
    int retry_after_seconds; /* 0 = none */
};

#define ERROR_INIT                                                                                                     \
    {                                                                                                                  \
        0                                                                                                              \
    }
/* Declares a local error that frees itself. */
#define ERROR_LOCAL(name) struct error name CLEANUP(error_clear) = ERROR_INIT

/* Sets *err (replacing what it held) and returns -code, for `return error_set(err, ERROR_INVALID, "...")`. */
int error_set(struct error *err, enum error_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same with the text of errno `number` after the message: "opening /x: No such file or directory". */
int error_set_errno(struct error *err, int number, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Puts "context: " before the message that is there; keeps code and causes. Returns -code. */
int error_wrap(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Moves *from to *ret_err (may be NULL) with "context: " before it; fmt may be NULL for no context. Returns -code. */
int error_pass(struct error *ret_err, struct error *from, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Adds one cause. `field` may be NULL. The code and the message stay as they are. */
void error_add_cause(struct error *err, const char *reason, const char *field, const char *fmt, ...) PRINTF_LIKE(4, 5);
void error_copy(struct error *to, const struct error *from);
/* Frees what it holds; safe on a zeroed one and twice. */
void error_clear(struct error *err);

#if defined(__clang_analyzer__) && !defined(ERROR_DEFINITIONS)
/* The analyzer reads one file at a time; this tells it that a failure is negative. */
static inline int error_negative(int code)
{
    if (code >= 0)
        __builtin_unreachable();
    return code;
}
#define error_set(...)       error_negative(error_set(__VA_ARGS__))
#define error_set_errno(...) error_negative(error_set_errno(__VA_ARGS__))
#define error_wrap(...)      error_negative(error_wrap(__VA_ARGS__))
#define error_pass(...)      error_negative(error_pass(__VA_ARGS__))
#endif

static inline bool error_is_set(const struct error *err)
{
    return err->code != ERROR_NONE;
}

/* The message, or "" where there is none. */
const char *error_text(const struct error *err);
int error_http_status(enum error_code code);
const char *error_reason(enum error_code code);
/* The code for an HTTP status and a Status' reason (either may be unknown: 0, NULL), for clients. */
enum error_code error_code_from_http(int status, const char *reason);

#endif
