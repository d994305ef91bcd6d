/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests: connections that have not shown yet who is behind them. Each address (of IPv6 each /64, which is what one
 * customer has) may have so many of them at once and come so often, so that one address can take neither all places nor
 * all time; who has shown who he is is none any more, and whatever he took is given back.
 *
 * The table of addresses has a fixed size. An address that finds no room in it shares one row with all others that find
 * none. From any thread.
 */
#ifndef KNARR_LIB_HTTP_GUESTS_H
#define KNARR_LIB_HTTP_GUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

struct http_guests_limits {
    size_t per_address;  /* at once */
    size_t all;          /* at once, of all addresses */
    unsigned burst;      /* new ones of an address in a row */
    unsigned per_second; /* and what comes to that with time */
};

enum http_guests_verdict {
    HTTP_GUESTS_WELCOME,
    HTTP_GUESTS_ADDRESS_FULL,
    HTTP_GUESTS_ADDRESS_FAST,
    HTTP_GUESTS_ALL_FULL,
};

/* One connection's place. All zero: it has none. */
struct http_guest {
    struct http_guests_row *row;
};

#define HTTP_GUESTS_ADDRESS 16 /* bytes that tell addresses apart */

struct http_guests;
struct http_guests *http_guests_new(const struct http_guests_limits *limits);
/* NULL is allowed. Nobody may have a place. */
void http_guests_free(struct http_guests *guests);
/* A new connection; now_ns of the monotonic clock. */
enum http_guests_verdict http_guests_enter(struct http_guests *guests, const struct sockaddr *peer, int64_t now_ns,
                                           struct http_guest *ret_guest);
/* It is closed; or it is known now who it is. Nothing to do without a place. */
void http_guests_leave(struct http_guests *guests, struct http_guest *guest);
void http_guests_know(struct http_guests *guests, struct http_guest *guest);
/* What counts as one address. */
void http_guests_address(const struct sockaddr *peer, unsigned char ret_address[HTTP_GUESTS_ADDRESS]);

#endif
