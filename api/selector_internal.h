/* SPDX-License-Identifier: Apache-2.0 */
/* What a selector is made of, for the files that make one. */
#ifndef KNARR_API_SELECTOR_INTERNAL_H
#define KNARR_API_SELECTOR_INTERNAL_H

#include "api/selector.h"

enum selector_operator {
    SELECTOR_IN,
    SELECTOR_NOT_IN,
    SELECTOR_EQUALS,
    SELECTOR_DOUBLE_EQUALS,
    SELECTOR_NOT_EQUALS,
    SELECTOR_GREATER,
    SELECTOR_LESS,
    SELECTOR_EXISTS,
    SELECTOR_NOT_EXISTS,
};

struct selector_value {
    char *text; /* owned */
    size_t len;
};

struct selector_requirement {
    char *key; /* owned */
    size_t key_len;
    struct selector_value *values; /* owned, without duplicates */
    size_t value_count;
    size_t value_cap;
    enum selector_operator op;
};

struct selector {
    struct selector_requirement *requirements; /* owned, sorted by key */
    size_t count;
    size_t cap;
    bool nothing;
};

static inline void selector_cleanup(struct selector **s)
{
    selector_free(*s);
}
#define CLEANUP_SELECTOR CLEANUP(selector_cleanup)

extern const char *const selector_operator_texts[];

/* The new requirement is valid until the next one is added. */
struct selector_requirement *selector_add(struct selector *s, struct slice key, enum selector_operator op);
void selector_add_value(struct selector_requirement *r, struct slice value);
bool selector_has_value(const struct selector_requirement *r, struct slice value);
void selector_sort_values(struct selector_requirement *r);
void selector_sort(struct selector *s);
/* Key, number and form of the values of a label requirement. */
int selector_check_requirement(const struct selector_requirement *r, struct error *err);

#endif
