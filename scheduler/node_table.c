/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/node_table.h"

static void placed_free(void *p)
{
    struct placed_pod *pod = p;

    for (size_t i = 0; i < pod->port_count; i++)
        free(pod->ports[i].ip);
    free(pod->ports);
    free(pod->node_name);
    free(pod->owner_uid);
    free(pod);
}

void node_table_free(struct node_table *t)
{
    map_clear(&t->placed, placed_free);
    map_clear(&t->by_name, NULL);
    for (int r = 0; r < RESOURCE_COUNT; r++) {
        free(t->allocatable[r]);
        free(t->used[r]);
    }
    free(t->view);
    free(t->pods);
    memset(t, 0, sizeof(*t));
}

static void node_table_reserve(struct node_table *t, size_t rows)
{
    size_t cap = t->cap ? t->cap : 16;

    if (rows <= t->cap)
        return;
    while (cap < rows)
        cap *= 2;
    for (int r = 0; r < RESOURCE_COUNT; r++) {
        t->allocatable[r] = mem_realloc(t->allocatable[r], cap * sizeof(int64_t));
        t->used[r] = mem_realloc(t->used[r], cap * sizeof(int64_t));
    }
    t->view = mem_realloc(t->view, cap * sizeof(*t->view));
    t->pods = mem_realloc(t->pods, cap * sizeof(*t->pods));
    t->cap = cap;
}

int32_t node_table_row(const struct node_table *t, struct slice name)
{
    return (int32_t)((intptr_t)map_get(&t->by_name, name) - 1);
}

static void account(struct node_table *t, struct placed_pod *pod, size_t row)
{
    pod->row = (int32_t)row;
    pod->next = t->pods[row];
    t->pods[row] = pod;
    for (int r = 0; r < RESOURCE_COUNT; r++)
        t->used[r][row] += pod->requests.amount[r];
}

static void unaccount(struct node_table *t, struct placed_pod *pod)
{
    struct placed_pod **at;

    if (pod->row < 0)
        return;
    at = &t->pods[pod->row];
    while (*at != pod)
        at = &(*at)->next;
    *at = pod->next;
    for (int r = 0; r < RESOURCE_COUNT; r++)
        t->used[r][pod->row] -= pod->requests.amount[r];
    pod->row = -1;
}

static size_t node_table_new_row(struct node_table *t, struct slice name)
{
    size_t row = 0;

    while (row < t->rows && t->view[row] && t->present < t->rows)
        row++;
    if (t->present >= t->rows)
        row = t->rows;
    node_table_reserve(t, row + 1);
    if (row == t->rows)
        t->rows++;
    t->present++;
    t->pods[row] = NULL;
    for (int r = 0; r < RESOURCE_COUNT; r++)
        t->used[r][row] = 0;
    (void)map_put(&t->by_name, name, (void *)(intptr_t)(row + 1));
    return row;
}

void node_table_set(struct node_table *t, const struct node_view *view)
{
    struct slice name = slice_str(view->name);
    int32_t row = node_table_row(t, name);
    bool added = row < 0;

    if (added)
        row = (int32_t)node_table_new_row(t, name);
    t->view[row] = view;
    for (int r = 0; r < RESOURCE_COUNT; r++)
        t->allocatable[r][row] = view->allocatable.amount[r];
    if (!added)
        return;
    map_for_each (e, &t->placed) {
        struct placed_pod *pod = e->value;

        if (pod->row < 0 && !strcmp(pod->node_name, view->name))
            account(t, pod, (size_t)row);
    }
}

void node_table_remove(struct node_table *t, struct slice name)
{
    int32_t row = node_table_row(t, name);

    if (row < 0)
        return;
    while (t->pods[row])
        unaccount(t, t->pods[row]);
    t->view[row] = NULL;
    t->present--;
    (void)map_remove(&t->by_name, name);
}

void node_table_place(struct node_table *t, struct slice key, const struct pod_view *pod, const char *node_name)
{
    struct placed_pod *p = mem_zalloc(sizeof(*p));
    int32_t row;

    node_table_take_away(t, key);
    p->node_name = mem_strdup(node_name);
    p->owner_uid = pod->owner_uid ? mem_strdup(pod->owner_uid) : NULL;
    p->requests = pod->requests;
    p->row = -1;
    p->ports = mem_calloc(pod->port_count, sizeof(*p->ports));
    p->port_count = pod->port_count;
    for (size_t i = 0; i < pod->port_count; i++) {
        p->ports[i] = pod->ports[i];
        p->ports[i].ip = mem_strdup(pod->ports[i].ip);
    }
    (void)map_put(&t->placed, key, p);
    row = node_table_row(t, slice_str(node_name));
    if (row >= 0)
        account(t, p, (size_t)row);
}

void node_table_take_away(struct node_table *t, struct slice key)
{
    struct placed_pod *pod = map_remove(&t->placed, key);

    if (!pod)
        return;
    unaccount(t, pod);
    placed_free(pod);
}

size_t node_table_count_owner(const struct node_table *t, size_t row, const char *owner_uid)
{
    size_t count = 0;

    for (const struct placed_pod *p = t->pods[row]; p; p = p->next)
        if (p->owner_uid && !strcmp(p->owner_uid, owner_uid))
            count++;
    return count;
}
