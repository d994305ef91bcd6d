/* SPDX-License-Identifier: Apache-2.0 */
/* Views from JSON text, and a plan as text: one line per action, for comparing with what is expected. */
#ifndef KNARR_TESTS_UNIT_CONTROLLERS_FIXTURE_H
#define KNARR_TESTS_UNIT_CONTROLLERS_FIXTURE_H

#include "tests/unit/test.h"

#include "controllers/plan.h"

/* 2023-11-14T22:13:20Z */
#define NOW_S 1700000000LL
#define NOW   (NOW_S * NS_PER_S)

static inline struct view *view_of(const struct view_kind *kind, const char *json)
{
    struct view_reader *reader = view_reader_new(kind);
    struct view *v = view_read(reader, slice_str(json));

    view_reader_free(reader);
    return v;
}

static inline struct view *view_of_f(const struct view_kind *kind, const char *fmt, ...) PRINTF_LIKE(2, 3);
static inline struct view *view_of_f(const struct view_kind *kind, const char *fmt, ...)
{
    char *json;
    struct view *v;
    va_list args;

    va_start(args, fmt);
    json = mem_vprintf(fmt, args);
    va_end(args);
    v = view_of(kind, json);
    free(json);
    return v;
}

/* "2023-11-14T22:13:10Z" for 10 seconds ago; one of a few buffers. */
static inline const char *ago(int64_t seconds)
{
    static char texts[8][TIME_TEXT_MAX];
    static unsigned next;
    char *text = texts[next++ % 8];

    time_format_seconds(NOW - seconds * NS_PER_S, text);
    return text;
}

/* The n-th action of that verb, kind and subresource; fails the test when there are fewer. */
static inline const struct action *plan_find(const struct plan *plan, enum action_verb verb,
                                             const struct view_kind *kind, const char *sub, size_t n)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct action *action = &plan->actions[i];

        if (action->verb == verb && action->kind == kind && !strcmp(action->sub ? action->sub : "", sub) && n-- == 0)
            return action;
    }
    fail_msg("no such action");
    return NULL;
}

static inline size_t plan_count(const struct plan *plan, enum action_verb verb, const struct view_kind *kind,
                                const char *sub)
{
    size_t count = 0;

    for (size_t i = 0; i < plan->count; i++)
        count += plan->actions[i].verb == verb && plan->actions[i].kind == kind &&
                 !strcmp(plan->actions[i].sub ? plan->actions[i].sub : "", sub);
    return count;
}

static inline int64_t body_int(const struct action *action, const char *path)
{
    return scan_int(scan_get(buf_slice(&action->body), path), -1);
}

#define assert_body_text(action, path, text)                                                                           \
    do {                                                                                                               \
        char *body_text_ = scan_text_dup(scan_get(buf_slice(&(action)->body), path));                                  \
        assert_non_null(body_text_);                                                                                   \
        assert_string_equal(body_text_, text);                                                                         \
        free(body_text_);                                                                                              \
    } while (0)

#endif
