/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive doubly linked list: the link is embedded in the item, so adding and removing allocate nothing. */
#ifndef KNARR_LIB_LIST_H
#define KNARR_LIB_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/mem.h"

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_append(struct list *head, struct list *item)
{
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}

/* Leaves the item linked to itself, so that removing twice is harmless. */
static inline void list_remove(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

/* All items go over to `to`, whatever that was before; `from` is empty then. */
static inline void list_move(struct list *to, struct list *from)
{
    list_init(to);
    if (list_empty(from))
        return;
    *to = *from;
    to->next->prev = to->prev->next = to;
    list_init(from);
}

#define list_for_each(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
/* `it` may be removed in the body. */
#define list_for_each_safe(it, n, head)                                                                                \
    for (struct list *it = (head)->next, *n = it->next; it != (head); it = n, n = it->next)
#define list_first(head, type, member) (list_empty(head) ? NULL : container_of((head)->next, type, member))

#endif
