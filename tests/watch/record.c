/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/watch/record.h"

void record_clear(struct record *r)
{
    for (size_t i = 0; i < r->session_count; i++) {
        free(r->sessions[i]->events);
        free(r->sessions[i]);
    }
    free(r->sessions);
    free(r->changes);
    *r = (struct record){0};
}

void record_add_change(struct record *r, const struct record_change *change)
{
    r->changes = mem_grow(r->changes, &r->change_cap, r->change_count + 1, sizeof(*change));
    r->changes[r->change_count++] = *change;
}

struct record_session *record_add_session(struct record *r, unsigned watcher, const struct record_selector *selector)
{
    struct record_session *s = mem_zalloc(sizeof(*s));

    s->watcher = watcher;
    s->selector = *selector;
    r->sessions = mem_grow(r->sessions, &r->session_cap, r->session_count + 1, sizeof(struct record_session *));
    r->sessions[r->session_count++] = s;
    return s;
}

void record_add_event(struct record_session *s, const struct record_event *event)
{
    s->events = mem_grow(s->events, &s->cap, s->count + 1, sizeof(*event));
    s->events[s->count++] = *event;
}

/* The number behind the first `before`; the rest of the line follows it. */
static bool parse_number(struct slice *rest, struct slice before, uint64_t *ret_number)
{
    const char *at = memmem(rest->data, rest->len, before.data, before.len);
    const char *end = rest->data + rest->len;
    uint64_t number = 0;
    bool any = false;

    if (!at)
        return false;
    for (at += before.len; at < end && *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (uint64_t)(*at - '0');
        any = true;
    }
    *ret_number = number;
    *rest = slice_make(at, (size_t)(end - at));
    return any;
}

bool record_parse_object(struct slice rest, struct record_event *ret_event)
{
    uint64_t key, label, value, node = 0;
    struct slice spec;

    if (!parse_number(&rest, SLICE_LIT("\"name\":\"p"), &key) ||
        !parse_number(&rest, SLICE_LIT("\"app\":\"a"), &label) || !parse_number(&rest, SLICE_LIT("\"v\":\""), &value))
        return false;
    /* A node stands near, or there is none. */
    spec = slice_make(rest.data, rest.len < 40 ? rest.len : 40);
    if (!parse_number(&spec, SLICE_LIT("\"nodeName\":\"n"), &node))
        (void)parse_number(&spec, SLICE_LIT("\"reason\":\"n"), &node);
    ret_event->key = (uint32_t)key;
    ret_event->label = (uint8_t)label;
    ret_event->value = (uint32_t)value;
    ret_event->node = (uint8_t)node;
    return true;
}

bool record_parse(struct slice line, struct record_event *ret_event)
{
    static const struct slice types[] = {
        [RECORD_ADDED] = SLICE_LIT("{\"type\":\"ADDED\""),
        [RECORD_MODIFIED] = SLICE_LIT("{\"type\":\"MODIFIED\""),
        [RECORD_DELETED] = SLICE_LIT("{\"type\":\"DELETED\""),
        [RECORD_BOOKMARK] = SLICE_LIT("{\"type\":\"BOOKMARK\""),
        [RECORD_INITIAL_END] = SLICE_LIT("{\"type\":\"INITIAL"),
        [RECORD_EXPIRED] = SLICE_LIT("{\"type\":\"ERROR\""),
    };
    size_t type = 0;

    *ret_event = (struct record_event){0};
    while (type < RECORD_TYPES && !slice_starts(line, types[type]))
        type++;
    ret_event->type = (uint8_t)type;
    if (type == RECORD_EXPIRED)
        return slice_find_text(line, SLICE_LIT("\"code\":410")) >= 0;
    if (type >= RECORD_TYPES || !parse_number(&line, SLICE_LIT("\"resourceVersion\":\""), &ret_event->revision))
        return false;
    if (type != RECORD_BOOKMARK)
        return record_parse_object(line, ret_event);
    if (slice_find_text(line, SLICE_LIT("k8s.io/initial-events-end")) >= 0)
        ret_event->type = RECORD_INITIAL_END;
    return true;
}

uint64_t record_resume(const struct record_session *s)
{
    uint64_t newest = s->list ? 0 : s->after;
    uint64_t whole = newest;
    bool begun = !s->list;

    for (size_t i = 0; i < s->count; i++) {
        const struct record_event *e = &s->events[i];
        bool mark = e->type == RECORD_BOOKMARK || e->type == RECORD_INITIAL_END;

        begun = begun || e->type == RECORD_INITIAL_END;
        if (!begun || e->type == RECORD_EXPIRED)
            continue;
        if (e->revision > newest)
            whole = newest;
        if (mark)
            whole = e->revision;
        newest = e->revision;
    }
    return s->end == RECORD_CLEAN ? newest : whole;
}

char *record_path(const struct record_session *s, const char *plural, const char *field, const char *more)
{
    const struct record_selector *sel = &s->selector;
    BUF_LOCAL(path);

    buf_append_str(&path, "/api/v1/");
    if (sel->namespace_ != RECORD_ANY)
        buf_printf(&path, "namespaces/w%d/", sel->namespace_);
    buf_printf(&path, "%s?watch=true&allowWatchBookmarks=true", plural);
    if (s->list)
        buf_append_str(&path, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    else
        buf_printf(&path, "&resourceVersion=%llu", (unsigned long long)s->after);
    if (sel->label != RECORD_ANY)
        buf_printf(&path, "&labelSelector=app%%3Da%d", sel->label);
    if (sel->key != RECORD_ANY)
        buf_printf(&path, "&fieldSelector=metadata.name%%3Dp%06d", sel->key);
    else if (sel->node != RECORD_ANY)
        buf_printf(&path, "&fieldSelector=%s%%3Dn%d", field, sel->node);
    buf_append_str(&path, more);
    return buf_steal_str(&path);
}
