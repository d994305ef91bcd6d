/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows stand in small sets, found by a hash that is seeded per process. A row without connections whose tokens are all
 * back says nothing and is given to the next address; a set without such a row sends him to the shared one.
 */
#include "lib/http_guests.h"

#include <netinet/in.h>
#include <pthread.h>

#include "lib/clock.h"
#include "lib/map.h"

#define SETS 1024
#define WAYS 4

struct http_guests_row {
    unsigned char address[HTTP_GUESTS_ADDRESS];
    size_t open;
    int64_t used_ns; /* of what it may use: each new connection takes one step, time gives it back */
    int64_t at_ns;   /* when that was so */
};

struct http_guests {
    struct http_guests_limits limits;
    int64_t step_ns; /* of one connection */
    pthread_mutex_t lock;
    size_t open;
    struct http_guests_row others;
    struct http_guests_row rows[SETS][WAYS];
};

struct http_guests *http_guests_new(const struct http_guests_limits *limits)
{
    struct http_guests *guests = mem_zalloc(sizeof(*guests));

    guests->limits = *limits;
    guests->step_ns = NS_PER_S / limits->per_second;
    (void)pthread_mutex_init(&guests->lock, NULL);
    return guests;
}

void http_guests_free(struct http_guests *guests)
{
    if (!guests)
        return;
    (void)pthread_mutex_destroy(&guests->lock);
    free(guests);
}

void http_guests_address(const struct sockaddr *peer, unsigned char ret_address[HTTP_GUESTS_ADDRESS])
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    memset(ret_address, 0, HTTP_GUESTS_ADDRESS);
    if (peer->sa_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr;

        memcpy(ret_address, v6, IN6_IS_ADDR_V4MAPPED(v6) ? 16 : 8);
    } else if (peer->sa_family == AF_INET) {
        memcpy(ret_address, mapped, sizeof(mapped));
        memcpy(ret_address + sizeof(mapped), &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
    }
}

static void row_settle(struct http_guests_row *row, int64_t now_ns)
{
    row->used_ns -= now_ns - row->at_ns;
    if (row->used_ns < 0)
        row->used_ns = 0;
    row->at_ns = now_ns;
}

static struct http_guests_row *guests_find(struct http_guests *guests, const unsigned char *address, int64_t now_ns)
{
    struct http_guests_row *set = guests->rows[map_hash(slice_make(address, HTTP_GUESTS_ADDRESS)) % SETS];
    struct http_guests_row *spare = NULL;

    for (size_t i = 0; i < WAYS; i++) {
        row_settle(&set[i], now_ns);
        if (!memcmp(set[i].address, address, HTTP_GUESTS_ADDRESS))
            return &set[i];
        if (!set[i].open && !set[i].used_ns)
            spare = &set[i];
    }
    if (!spare) {
        row_settle(&guests->others, now_ns);
        return &guests->others;
    }
    memcpy(spare->address, address, HTTP_GUESTS_ADDRESS);
    return spare;
}

static enum http_guests_verdict guests_judge(const struct http_guests *guests, const struct http_guests_row *row)
{
    if (row->open >= guests->limits.per_address)
        return HTTP_GUESTS_ADDRESS_FULL;
    if (row->used_ns + guests->step_ns > guests->step_ns * (int64_t)guests->limits.burst)
        return HTTP_GUESTS_ADDRESS_FAST;
    return guests->open < guests->limits.all ? HTTP_GUESTS_WELCOME : HTTP_GUESTS_ALL_FULL;
}

enum http_guests_verdict http_guests_enter(struct http_guests *guests, const struct sockaddr *peer, int64_t now_ns,
                                           struct http_guest *ret_guest)
{
    unsigned char address[HTTP_GUESTS_ADDRESS];
    enum http_guests_verdict verdict;
    struct http_guests_row *row;

    http_guests_address(peer, address);
    (void)pthread_mutex_lock(&guests->lock);
    row = guests_find(guests, address, now_ns);
    verdict = guests_judge(guests, row);
    if (verdict == HTTP_GUESTS_WELCOME) {
        row->used_ns += guests->step_ns;
        row->open++;
        guests->open++;
        ret_guest->row = row;
    }
    (void)pthread_mutex_unlock(&guests->lock);
    return verdict;
}

static void guests_give_back(struct http_guests *guests, struct http_guest *guest, int64_t ns)
{
    struct http_guests_row *row = guest->row;

    if (!row)
        return;
    guest->row = NULL;
    (void)pthread_mutex_lock(&guests->lock);
    row->open--;
    guests->open--;
    row->used_ns = row->used_ns > ns ? row->used_ns - ns : 0;
    (void)pthread_mutex_unlock(&guests->lock);
}

void http_guests_leave(struct http_guests *guests, struct http_guest *guest)
{
    guests_give_back(guests, guest, 0);
}

void http_guests_know(struct http_guests *guests, struct http_guest *guest)
{
    guests_give_back(guests, guest, guests->step_ns);
}
