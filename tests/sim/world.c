/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define OPEN_TRIES 50
#define FAIR_TRIES 10 /* after which nothing fails any more */

/* ---- notes ---- */

static void world_hash(struct world *w, struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        w->hash = (w->hash ^ (unsigned char)text.data[i]) * 0x100000001b3u; /* FNV-1a */
}

void world_note(struct world *w, const char *format, ...)
{
    char text[512];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    world_hash(w, slice_make(text, len < (int)sizeof(text) ? (size_t)len : sizeof(text) - 1));
    if (w->verbose)
        (void)printf("%7.1f  %s\n", (double)(w->clock.monotonic / (NS_PER_S / 10)) / 10, text);
}

void world_wrong(struct world *w, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    world_note(w, "WRONG: %s", text);
    if (!w->wrong)
        w->wrong = mem_strdup(text);
}

bool world_chance(unsigned one_in)
{
    return one_in && disk_draw(one_in) == 0;
}

/* ---- what goes wrong ---- */

static struct world *world_now; /* the one whose disk it is */

static int world_fault(enum disk_call call, size_t *len)
{
    struct world *w = world_now;

    if (w->crash_in && --w->crash_in == 0) {
        *len = disk_draw(*len + 1);
        disk_freeze();
        return EIO;
    }
    if (w->full_for && (call == DISK_SPACE || call == DISK_WRITE)) {
        w->full_for--;
        if (call == DISK_SPACE || world_chance(2)) {
            w->faults++;
            *len = 0;
            return ENOSPC;
        }
    }
    if (!world_chance(w->fault_one_in))
        return 0;
    w->faults++;
    if (call == DISK_WRITE) { /* short, torn, or whole after all */
        *len = world_chance(3) ? *len : disk_draw(*len + 1);
        return world_chance(4) ? 0 : EIO;
    }
    if (call == DISK_SPACE && world_chance(2))
        w->full_for = (unsigned)disk_draw(40);
    return call == DISK_SPACE && world_chance(2) ? ENOSPC : EIO;
}

static void world_power(struct world *w)
{
    w->crash_in = w->crash_within ? 1 + disk_draw(w->crash_within) : 0;
}

/* ---- life ---- */

static char *world_next_root(struct world *w)
{
    return mem_printf("%s/%u", w->folder, w->roots++);
}

void world_begin(struct world *w, uint64_t seed, bool verbose)
{
    *w = (struct world){.seed = seed, .verbose = verbose, .hash = 0xcbf29ce484222325u};
    /* Neighbours begin far from each other. */
    disk_seed = (seed + 1) * 0x9e3779b97f4a7c15u | 1;
    for (int i = 0; i < 8; i++)
        (void)disk_draw(2);
    clock_fake_init(&w->clock, 1700000000 * NS_PER_S);
    (void)snprintf(w->folder, sizeof(w->folder), "%s/knarr-sim-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(w->folder))
        world_wrong(w, "no folder: %s", strerror(errno));
    w->disk = disk_new();
    world_now = w;
    disk_fault = world_fault;
    w->root = world_next_root(w);
    disk_restart(w->disk, w->root);
    w->options.clock = &w->clock.base;
    w->options.manual = true;
}

void world_end(struct world *w)
{
    disk_fault = NULL;
    disk_unwatch();
    store_close(w->store);
    disk_free(w->disk);
    disk_remove(w->root);
    (void)rmdir(w->folder);
    free(w->root);
    free(w->wrong);
}

static void world_apply(struct world *w)
{
    for (; w->applied < disk_steps(); w->applied++)
        disk_apply(w->disk, w->applied);
}

/* What is left is what the disk may hold. */
static void world_lose_power(struct world *w)
{
    char *old = w->root;

    disk_unwatch();
    world_apply(w);
    w->root = world_next_root(w);
    w->applied = 0;
    disk_restart(w->disk, w->root);
    disk_remove(old);
    free(old);
    world_note(w, "the power went (%u)", ++w->crashes);
}

void world_crash(struct world *w)
{
    store_close(w->store); /* on a disk that takes nothing any more */
    w->store = NULL;
    if (world_chance(3)) {
        disk_thaw();
        world_note(w, "killed (%u)", ++w->kills);
    } else {
        world_lose_power(w);
    }
    world_power(w);
}

bool world_open(struct world *w)
{
    for (int i = 0; i < OPEN_TRIES; i++) {
        ERROR_LOCAL(err);

        if (i == FAIR_TRIES)
            w->fault_one_in = w->full_for = w->crash_in = w->crash_within = 0;
        w->options.path = w->root;
        if (store_open(&w->options, &w->store, &err) == 0 && !disk_frozen()) {
            world_note(w, "open at %llu, compacted %llu", (unsigned long long)store_revision(w->store),
                       (unsigned long long)store_compacted(w->store));
            return true;
        }
        if (disk_frozen()) {
            world_crash(w);
            continue;
        }
        w->store = NULL;
        world_note(w, "does not open: %s", error_reason(err.code));
        if (!w->faults || i > FAIR_TRIES || err.code == ERROR_CORRUPT) {
            world_wrong(w, "it does not open: %s", error_text(&err));
            return false;
        }
    }
    return false;
}

void world_close(struct world *w)
{
    store_close(w->store);
    w->store = NULL;
    if (disk_frozen())
        world_crash(w);
    else
        world_apply(w);
}
