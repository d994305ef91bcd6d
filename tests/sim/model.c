/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/model.h"

#include <stdio.h>

void model_init(struct model *m)
{
    *m = (struct model){.revision = 1, .compacted = 1, .compacted_asked = 1};
    for (size_t i = 0; i < MODEL_KEYS; i++)
        m->newest[i] = MODEL_NONE;
}

void model_free(struct model *m)
{
    free(m->changes);
}

/* ---- text ---- */

struct slice model_key(unsigned key, char ret_text[MODEL_KEY_TEXT])
{
    return slice_make(ret_text, (size_t)snprintf(ret_text, MODEL_KEY_TEXT, "/%c/%02u", "abc"[key % 3], key));
}

unsigned model_key_of(struct slice key)
{
    uint64_t n = MODEL_KEYS;

    return key.len > 3 && slice_to_uint64(slice_from(key, 3), &n) && n < MODEL_KEYS ? (unsigned)n : MODEL_KEYS;
}

bool model_key_under(unsigned key, struct slice prefix)
{
    char text[MODEL_KEY_TEXT];

    return slice_starts(model_key(key, text), prefix);
}

enum store_class model_class(unsigned key)
{
    return key % 3 == 2 ? STORE_HISTORY_WINDOW : STORE_HISTORY_FULL;
}

enum store_class model_class_under(struct slice prefix)
{
    return prefix.len > 1 && prefix.data[1] != 'c' ? STORE_HISTORY_FULL : STORE_HISTORY_WINDOW;
}

/* Most are small; some do not fit a page, a few no segment. */
char *model_value(uint32_t value)
{
    int size = value % 61 == 0 ? 60000 : value % 11 == 0 ? 5000 : 20 + (int)(value * 37 % 300);

    return mem_printf("%u %0*d", value, size, 0);
}

char *model_meta(uint32_t value)
{
    return mem_printf("m%u", value);
}

bool model_value_is(uint32_t value, struct slice meta, struct slice text)
{
    char *expected CLEANUP_FREE = model_value(value), *expected_meta CLEANUP_FREE = model_meta(value);

    return slice_is(text, expected) && slice_is(meta, expected_meta);
}

/* ---- writing ---- */

static bool model_lives(const struct model *m, unsigned key)
{
    size_t at = m->newest[key];

    return at != MODEL_NONE && m->changes[at].kind != STORE_EVENT_DELETE;
}

static bool model_holds(const struct model *m, const struct model_condition *c)
{
    bool lives = model_lives(m, c->key);

    if (c->revision == STORE_ANY_REVISION)
        return lives;
    return c->revision ? lives && m->changes[m->newest[c->key]].revision == c->revision : !lives;
}

enum error_code model_verdict(const struct model *m, const struct model_transaction *t, size_t *ret_condition)
{
    for (size_t i = 0; i < t->condition_count; i++)
        if (!model_holds(m, &t->conditions[i])) {
            *ret_condition = i;
            return ERROR_CONFLICT;
        }
    for (size_t i = 0; i < t->operation_count; i++)
        if (t->operations[i].gone && !model_lives(m, t->operations[i].key))
            return ERROR_NOT_FOUND;
    return ERROR_NONE;
}

void model_apply(struct model *m, const struct model_transaction *t)
{
    m->revision++;
    for (size_t i = 0; i < t->operation_count; i++) {
        const struct model_operation *o = &t->operations[i];
        bool lives = model_lives(m, o->key);
        size_t before = m->newest[o->key];
        struct model_change c = {.revision = m->revision,
                                 .create_revision = m->revision,
                                 .key = o->key,
                                 .value = o->value,
                                 .time_ns = m->now_ns};

        c.kind = o->gone ? STORE_EVENT_DELETE : lives ? STORE_EVENT_MODIFY : STORE_EVENT_CREATE;
        c.before = before;
        if (lives)
            c.create_revision = m->changes[before].create_revision;
        if (o->gone)
            c.value = m->changes[before].value;
        m->changes = mem_grow(m->changes, &m->cap, m->count + 1, sizeof(*m->changes));
        m->newest[o->key] = m->count;
        m->changes[m->count++] = c;
    }
}

/* ---- reading ---- */

const struct model_change *model_at(const struct model *m, unsigned key, uint64_t revision)
{
    size_t at = m->newest[key];

    while (at != MODEL_NONE && m->changes[at].revision > revision)
        at = m->changes[at].before;
    return at == MODEL_NONE || m->changes[at].kind == STORE_EVENT_DELETE ? NULL : &m->changes[at];
}

size_t model_next(const struct model *m, size_t from, struct slice prefix, uint64_t revision)
{
    for (size_t i = from; i < m->count && m->changes[i].revision <= revision; i++)
        if (model_key_under(m->changes[i].key, prefix))
            return i;
    return MODEL_NONE;
}

size_t model_behind(const struct model *m, uint64_t revision)
{
    size_t at = m->count;

    while (at && m->changes[at - 1].revision > revision)
        at--;
    return at;
}

const char *model_event_wrong(const struct model *m, const struct model_change *c, const struct store_event *event)
{
    const struct model_change *before = c->before == MODEL_NONE ? NULL : &m->changes[c->before];

    if (event->revision != c->revision)
        return "its revision";
    if (model_key_of(event->key) != c->key)
        return "its key";
    if (event->kind != c->kind)
        return "what happened";
    if (event->create_revision != c->create_revision)
        return "when it was made";
    if (!model_value_is(c->value, event->meta, event->value))
        return "its value";
    if (c->kind == STORE_EVENT_CREATE)
        return event->prev_revision || event->prev_value.len || event->prev_meta.len ? "something before it" : NULL;
    if (event->prev_revision != before->revision)
        return "the revision before";
    return model_value_is(before->value, event->prev_meta, event->prev_value) ? NULL : "the value before";
}
