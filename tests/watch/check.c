/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/watch/check.h"

#include "lib/error.h"

#define NONE    SIZE_MAX
#define CONTEXT 4 /* lines before the place */

struct check {
    const struct record *record;
    size_t *before;   /* of each change: the one of the same key before it, or NONE */
    size_t *key_from; /* of each key: where its changes begin in of_key; one more than there are keys */
    size_t *of_key;
    struct check_counts counts;
    struct buf *what;
};

/* One session, on its way through the changes. */
struct walk {
    struct check *check;
    const struct record_session *session;
    size_t at;         /* in its events */
    size_t next;       /* in the changes */
    uint64_t position; /* everything up to here has come, or did not concern it */
};

/* ---- what went wrong ----------------------------------------------------------------------------------------------
 */

static const char *const type_names[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "INITIAL_END", "EXPIRED"};

static void write_event(struct buf *out, const char *before, const struct record_event *e)
{
    buf_printf(out, "%s%s revision %llu", before, type_names[e->type], (unsigned long long)e->revision);
    if (e->type < RECORD_BOOKMARK)
        buf_printf(out, " key %u value %u label %u node %u", e->key, e->value, e->label, e->node);
    buf_append_byte(out, '\n');
}

static void write_selector(struct buf *out, const struct record_selector *s)
{
    buf_printf(out, "kind %u namespace %d key %d label %d node %d", s->kind, s->namespace_, s->key, s->label, s->node);
}

static int walk_fail(struct walk *w, const char *text)
{
    const struct record_session *s = w->session;
    const struct record *r = w->check->record;
    struct buf *out = w->check->what;
    size_t from = w->at < CONTEXT ? 0 : w->at - CONTEXT;

    buf_printf(out, "%s: watcher %u (", text, s->watcher);
    write_selector(out, &s->selector);
    if (s->list)
        buf_append_str(out, ") from a list");
    else
        buf_printf(out, ") after %llu", (unsigned long long)s->after);
    buf_printf(out, ", event %zu of %zu, position %llu\n", w->at, s->count, (unsigned long long)w->position);
    for (size_t i = from; i < s->count && i <= w->at + 1; i++)
        write_event(out, i == w->at ? "  got  > " : "  got    ", &s->events[i]);
    for (size_t i = w->next; i < r->change_count && i < w->next + CONTEXT; i++) {
        const struct record_change *c = &r->changes[i];

        buf_printf(out, "  truth  revision %llu key %u value %u label %u node %u\n", (unsigned long long)c->revision,
                   c->key, c->value, c->label, c->node);
    }
    return -1;
}

/* ---- what is right ------------------------------------------------------------------------------------------------
 */

static void check_index(struct check *c)
{
    const struct record *r = c->record;
    size_t *last CLEANUP_FREE = mem_calloc(r->keys + 1, sizeof(*last));

    c->before = mem_calloc(r->change_count + 1, sizeof(*c->before));
    c->key_from = mem_calloc(r->keys + 2, sizeof(*c->key_from));
    c->of_key = mem_calloc(r->change_count + 1, sizeof(*c->of_key));
    for (size_t i = 0; i < r->change_count; i++)
        c->key_from[r->changes[i].key + 1]++;
    for (size_t k = 0; k < r->keys; k++) {
        c->key_from[k + 1] += c->key_from[k];
        last[k] = c->key_from[k];
    }
    for (size_t i = 0; i < r->change_count; i++) {
        uint32_t key = r->changes[i].key;

        c->before[i] = last[key] > c->key_from[key] ? c->of_key[last[key] - 1] : NONE;
        c->of_key[last[key]++] = i;
    }
}

/* The change that a key was left by at a revision, or NONE. */
static size_t check_state_at(const struct check *c, size_t key, uint64_t revision)
{
    size_t low = c->key_from[key], high = c->key_from[key + 1];

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (c->record->changes[c->of_key[middle]].revision <= revision)
            low = middle + 1;
        else
            high = middle;
    }
    return low > c->key_from[key] ? c->of_key[low - 1] : NONE;
}

/* Whether what a change left behind is there and selected. */
static bool check_selected(const struct check *c, const struct record_selector *s, size_t i)
{
    const struct record *r = c->record;
    const struct record_change *change;

    if (i == NONE)
        return false;
    change = &r->changes[i];
    return change->value && (!r->kinds || change->key % r->kinds == s->kind) &&
           (s->namespace_ == RECORD_ANY || change->key % r->namespaces == (unsigned)s->namespace_) &&
           (s->key == RECORD_ANY || change->key == (unsigned)s->key) &&
           (s->label == RECORD_ANY || change->label == (unsigned)s->label) &&
           (s->node == RECORD_ANY || change->node == (unsigned)s->node);
}

/* What a change is to a selector; false when it is nothing. */
static bool check_expect(const struct check *c, const struct record_selector *s, size_t i,
                         struct record_event *ret_event)
{
    bool now = check_selected(c, s, i), was = check_selected(c, s, c->before[i]);
    const struct record_change *shown;

    if (!now && !was)
        return false;
    shown = &c->record->changes[now ? i : c->before[i]];
    *ret_event = (struct record_event){.revision = c->record->changes[i].revision,
                                       .key = shown->key,
                                       .value = shown->value,
                                       .label = shown->label,
                                       .node = shown->node,
                                       .type = now ? was ? RECORD_MODIFIED : RECORD_ADDED : RECORD_DELETED};
    return true;
}

/* Moves on to the next change that concerns the session. */
static bool walk_expect(struct walk *w, struct record_event *ret_event)
{
    for (; w->next < w->check->record->change_count; w->next++)
        if (check_expect(w->check, &w->session->selector, w->next, ret_event))
            return true;
    return false;
}

static bool event_equal(const struct record_event *a, const struct record_event *b)
{
    return a->revision == b->revision && a->type == b->type && a->key == b->key && a->value == b->value &&
           a->label == b->label && a->node == b->node;
}

/* Why an event is not the one that comes next. */
static const char *walk_reason(const struct walk *w, const struct record_event *got, const struct record_event *right,
                               bool any)
{
    if (got->revision < w->position || (got->revision == w->position && (!any || right->revision > w->position)))
        return "an event came again, or too late";
    if (!any)
        return "an event of nothing that was committed";
    if (got->revision == right->revision && got->key == right->key)
        return got->type != right->type ? "the wrong type" : "the wrong object";
    return got->revision > right->revision ? "an event is missing" : "an event of nothing that concerns this watcher";
}

/* ---- one session --------------------------------------------------------------------------------------------------
 */

/* Byte order of the keys. */
static bool key_behind(const struct record *r, uint32_t a, uint32_t b)
{
    return a % r->namespaces != b % r->namespaces ? a % r->namespaces > b % r->namespaces : a > b;
}

/* The list up to its bookmark: exactly what there was at the bookmark's revision. */
static int walk_list(struct walk *w, bool *ret_whole)
{
    const struct record_session *s = w->session;
    const struct record *r = w->check->record;
    size_t end = 0, right = 0;

    while (end < s->count && s->events[end].type == RECORD_ADDED)
        end++;
    *ret_whole = end < s->count && s->events[end].type == RECORD_INITIAL_END;
    for (w->at = 0; w->at < end; w->at++) {
        const struct record_event *e = &s->events[w->at];
        size_t i = *ret_whole ? check_state_at(w->check, e->key, s->events[end].revision) : NONE;

        if (e->key >= r->keys || (w->at && !key_behind(r, e->key, s->events[w->at - 1].key)))
            return walk_fail(w, "a list is out of order");
        if (!*ret_whole)
            continue;
        if (!check_selected(w->check, &s->selector, i))
            return walk_fail(w, "a list has what was not there");
        if (r->changes[i].revision != e->revision || r->changes[i].value != e->value ||
            r->changes[i].label != e->label || r->changes[i].node != e->node)
            return walk_fail(w, "a list has another version");
    }
    if (!*ret_whole)
        return end < s->count && s->events[end].type != RECORD_EXPIRED ? walk_fail(w, "a list without an end") : 0;
    for (size_t key = 0; key < r->keys; key++)
        right += check_selected(w->check, &s->selector, check_state_at(w->check, key, s->events[end].revision));
    if (right != end)
        return walk_fail(w, "a list is not complete");
    w->check->counts.events += end;
    w->position = s->events[end].revision;
    w->at = end + 1;
    return 0;
}

static int walk_event(struct walk *w, const struct record_event *got)
{
    struct record_event right = {0};
    bool any = walk_expect(w, &right);

    if (!any || !event_equal(got, &right))
        return walk_fail(w, walk_reason(w, got, &right, any));
    w->check->counts.left += got->type == RECORD_DELETED && w->check->record->changes[w->next].value;
    w->check->counts.events++;
    w->position = got->revision;
    w->next++;
    return 0;
}

static int walk_bookmark(struct walk *w, const struct record_event *got)
{
    struct record_event right;

    if (got->revision < w->position)
        return walk_fail(w, "a bookmark goes back");
    if (got->revision > w->check->record->last)
        return walk_fail(w, "a bookmark of a revision that was not given");
    if (walk_expect(w, &right) && right.revision <= got->revision)
        return walk_fail(w, "a bookmark before what it stands for");
    w->position = got->revision;
    w->check->counts.bookmarks++;
    return 0;
}

static int walk_end(struct walk *w)
{
    const struct record_session *s = w->session;
    struct record_event right;
    bool more = walk_expect(w, &right);

    w->check->counts.clean += s->end == RECORD_CLEAN;
    w->check->counts.cut += s->end == RECORD_CUT;
    w->check->counts.expired += s->expired;
    if (s->expired && w->position && w->position >= s->compacted)
        return walk_fail(w, "410 of a revision that was kept");
    if (s->end == RECORD_OPEN && more)
        return walk_fail(w, "the rest is missing");
    if (s->end == RECORD_CLEAN && more && right.revision == w->position)
        return walk_fail(w, "a transaction is split");
    return 0;
}

static void walk_find_next(struct walk *w)
{
    const struct record *r = w->check->record;
    size_t low = 0, high = r->change_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (r->changes[middle].revision <= w->position)
            low = middle + 1;
        else
            high = middle;
    }
    w->next = low;
}

static int check_session(struct check *c, const struct record_session *s, size_t unsent_max)
{
    struct walk w = {.check = c, .session = s, .position = s->after};
    bool whole = true;
    int r = 0;

    c->counts.lists += s->list;
    c->counts.resumed += !s->list;
    if (s->unsent_max > c->counts.unsent_max)
        c->counts.unsent_max = s->unsent_max;
    if (unsent_max && s->unsent_max > unsent_max)
        return walk_fail(&w, "the server held too much for it");
    if (s->list && walk_list(&w, &whole) < 0)
        return -1;
    if (!whole)
        return s->end == RECORD_OPEN ? walk_fail(&w, "the list did not end") : 0;
    walk_find_next(&w);
    for (; r == 0 && w.at < s->count; w.at++) {
        const struct record_event *e = &s->events[w.at];

        if (e->type < RECORD_BOOKMARK)
            r = walk_event(&w, e);
        else if (e->type == RECORD_BOOKMARK)
            r = walk_bookmark(&w, e);
        else if (e->type == RECORD_INITIAL_END || w.at + 1 < s->count)
            r = walk_fail(&w, "something follows the end");
    }
    return r < 0 ? r : walk_end(&w);
}

int check_record(const struct record *record, size_t unsent_max, struct check_counts *ret_counts, struct buf *ret_what)
{
    struct check c = {.record = record, .what = ret_what};
    int r = 0;

    for (size_t i = 1; i < record->change_count && r == 0; i++) {
        if (record->changes[i].revision < record->changes[i - 1].revision)
            r = -1;
    }
    if (r < 0)
        buf_append_str(ret_what, "the changes themselves are out of order\n");
    check_index(&c);
    for (size_t i = 0; i < record->session_count && r == 0; i++)
        r = check_session(&c, record->sessions[i], unsent_max);
    free(c.before);
    free(c.key_from);
    free(c.of_key);
    *ret_counts = c.counts;
    return r;
}
