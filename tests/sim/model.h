/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a store must answer: every change that was acknowledged, in order, in an array. Keys are numbers, values too;
 * both have their text. Small enough to be seen to be right.
 */
#ifndef KNARR_TESTS_SIM_MODEL_H
#define KNARR_TESTS_SIM_MODEL_H

#include "store/store.h"

#define MODEL_KEYS    18 /* /a/00, /b/01, /c/02, /a/03 ...; those under /c/ are of the class window */
#define MODEL_OPS_MAX 3
#define MODEL_NONE    SIZE_MAX

struct model_change {
    uint64_t revision;
    uint64_t create_revision;
    enum store_event_kind kind;
    unsigned key;
    uint32_t value;  /* of a deletion: the last */
    int64_t time_ns; /* when it was acknowledged */
    size_t before;   /* the key's change before, or MODEL_NONE */
};

struct model {
    struct model_change *changes;
    size_t count;
    size_t cap;
    size_t newest[MODEL_KEYS]; /* of each key, or MODEL_NONE */
    uint64_t revision;
    int64_t now_ns;
    uint64_t compacted;       /* this much was told to be forgotten */
    uint64_t compacted_asked; /* more than this was not asked for */
};

struct model_operation {
    bool gone;
    unsigned key;
    uint32_t value;
};
struct model_condition {
    unsigned key;
    uint64_t revision; /* as in struct store_condition */
};
struct model_transaction {
    struct model_condition conditions[MODEL_OPS_MAX];
    size_t condition_count;
    struct model_operation operations[MODEL_OPS_MAX];
    size_t operation_count;
};

void model_init(struct model *m);
void model_free(struct model *m);

#define MODEL_KEY_TEXT 16
struct slice model_key(unsigned key, char ret_text[MODEL_KEY_TEXT]);
/* The number in a key's text. */
unsigned model_key_of(struct slice key);
bool model_key_under(unsigned key, struct slice prefix);
enum store_class model_class(unsigned key);
/* As which class a prefix is read: the one that knows the least of what is under it. */
enum store_class model_class_under(struct slice prefix);
/* To be freed. */
char *model_value(uint32_t value);
char *model_meta(uint32_t value);
bool model_value_is(uint32_t value, struct slice meta, struct slice text);

/* What a transaction must lead to now: ERROR_NONE, ERROR_CONFLICT (and of which condition) or ERROR_NOT_FOUND. */
enum error_code model_verdict(const struct model *m, const struct model_transaction *t, size_t *ret_condition);
/* It happened, at the next revision. */
void model_apply(struct model *m, const struct model_transaction *t);
/* The key's change at or before that revision; NULL when there is none, or when it was deleted. */
const struct model_change *model_at(const struct model *m, unsigned key, uint64_t revision);
/* Says what is wrong with an event that is told as this change; NULL = nothing. */
const char *model_event_wrong(const struct model *m, const struct model_change *c, const struct store_event *event);
/* The first change at or behind `from` that is under the prefix and not behind the revision; MODEL_NONE = none. */
size_t model_next(const struct model *m, size_t from, struct slice prefix, uint64_t revision);
/* The first change behind that revision. */
size_t model_behind(const struct model *m, uint64_t revision);

#endif
