/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel is asked for a few hundred bytes at a time, because names and ids take a handful each and a system call
 * costs more than all the rest of making one. Each thread has its own; what was given away is wiped, and a child of
 * fork begins with nothing, so that no byte is given to two.
 */
#include "lib/random.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define DRAWN_SIZE 512
#define SMALL_MAX  32 /* what is longer comes from the kernel at once */

struct drawn {
    unsigned char bytes[DRAWN_SIZE];
    size_t left; /* at the end of `bytes` */
};

static _Thread_local struct drawn drawn;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint64_t random_seed_state; /* 0 = the kernel's */

void random_set_seed(uint64_t seed)
{
    random_seed_state = seed;
}

/* splitmix64: small, and good enough for a simulation. */
static uint64_t random_next_seeded(void)
{
    uint64_t z = (random_seed_state += 0x9e3779b97f4a7c15ULL);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static void random_ask(unsigned char *out, size_t len)
{
    while (len) {
        ssize_t got = getrandom(out, len, 0);

        if (got < 0) {
            perror("knarr: getrandom");
            abort();
        }
        out += got;
        len -= (size_t)got;
    }
}

/* Of the thread that forked: the only one that the child has. */
static void random_forget(void)
{
    drawn.left = 0;
}

static void random_watch_fork(void)
{
    if (pthread_atfork(NULL, NULL, random_forget))
        abort();
}

static void random_draw(unsigned char *out, size_t len)
{
    unsigned char *from;

    if (drawn.left < len) {
        (void)pthread_once(&once, random_watch_fork);
        random_ask(drawn.bytes, sizeof(drawn.bytes));
        drawn.left = sizeof(drawn.bytes);
    }
    from = drawn.bytes + sizeof(drawn.bytes) - drawn.left;
    memcpy(out, from, len);
    explicit_bzero(from, len);
    drawn.left -= len;
}

void random_bytes(void *data, size_t len)
{
    unsigned char *out = data;

    if (!random_seed_state) {
        if (len <= SMALL_MAX)
            random_draw(out, len);
        else
            random_ask(out, len);
        return;
    }
    for (size_t i = 0; i < len; i++)
        out[i] = (unsigned char)random_next_seeded();
}

uint64_t random_below(uint64_t below)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % below;
    uint64_t value;

    do {
        random_bytes(&value, sizeof(value));
    } while (value >= limit);
    return value % below;
}

void random_uuid(char ret_text[37])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char b[16];

    random_bytes(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof(b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *ret_text++ = '-';
        *ret_text++ = digits[b[i] >> 4];
        *ret_text++ = digits[b[i] & 15];
    }
    *ret_text = '\0';
}

void random_suffix(char *ret_text, size_t len)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";

    for (size_t i = 0; i < len; i++)
        ret_text[i] = letters[random_below(sizeof(letters) - 1)];
    ret_text[len] = '\0';
}
