/* SPDX-License-Identifier: Apache-2.0 */
/* A list of owned texts, always ended by NULL, so that it can be an argv or an environment. All zero is empty. */
#ifndef KNARR_AGENT_STR_LIST_H
#define KNARR_AGENT_STR_LIST_H

#include "lib/bytes.h"

struct str_list {
    char **items; /* NULL while nothing was added */
    size_t count;
    size_t cap;
};

/* Takes `text` over. */
static inline void str_list_take(struct str_list *l, char *text)
{
    l->items = mem_grow(l->items, &l->cap, l->count + 2, sizeof(*l->items));
    l->items[l->count++] = text;
    l->items[l->count] = NULL;
}

static inline void str_list_add(struct str_list *l, const char *text)
{
    str_list_take(l, mem_strdup(text));
}

static inline void str_list_clear(struct str_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct str_list){0};
}

static inline bool str_list_has(const struct str_list *l, const char *text)
{
    for (size_t i = 0; i < l->count; i++)
        if (!strcmp(l->items[i], text))
            return true;
    return false;
}

#define STR_LIST_LOCAL(name) struct str_list name CLEANUP(str_list_clear) = {0}

#endif
