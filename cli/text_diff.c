/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shortest script of deletions and insertions by Myers' greedy algorithm ("An O(ND) Difference Algorithm and Its
 * Variations", 1986): `reach[k]` is how far into the first text one comes on diagonal k with d edits. What is common at
 * both ends is cut off first.
 */
#include "cli/text_diff.h"

#define CONTEXT 3

struct lines {
    struct slice *items;
    size_t count;
};

struct diff {
    struct lines before;
    struct lines now;
    size_t head;      /* lines that are the same at the beginning */
    size_t tail;      /* and at the end */
    struct buf edits; /* a ' ', '-' or '+' per line of the result */
};

static void lines_split(struct slice text, struct lines *ret)
{
    struct slice line;
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == '\n';
    ret->items = mem_calloc(count + 1, sizeof(*ret->items));
    ret->count = 0;
    if (slice_ends(text, SLICE_LIT("\n")))
        text.len--;
    while (text.len && slice_split(&text, '\n', &line))
        ret->items[ret->count++] = line;
}

static void trim(struct diff *d)
{
    size_t most = d->before.count < d->now.count ? d->before.count : d->now.count;

    while (d->head < most && slice_equal(d->before.items[d->head], d->now.items[d->head]))
        d->head++;
    while (d->tail < most - d->head &&
           slice_equal(d->before.items[d->before.count - 1 - d->tail], d->now.items[d->now.count - 1 - d->tail]))
        d->tail++;
}

/* The diagonal from which `k` is reached with the d-th edit: above it (an insertion) or below (a deletion). */
static long step_from(const long *reach, long k, long d)
{
    return k == -d || (k != d && reach[k - 1] < reach[k + 1]) ? k + 1 : k - 1;
}

static void walk_back(struct diff *d, long **rows, long edits)
{
    long x = (long)(d->before.count - d->head - d->tail), y = (long)(d->now.count - d->head - d->tail);
    BUF_LOCAL(back);

    for (long i = edits; i >= 0; i--) {
        const long *reach = rows[i] + i + 1;
        long from = step_from(reach, x - y, i);
        long from_x = i ? reach[from] : 0, from_y = i ? from_x - from : 0;

        for (; x > from_x && y > from_y; x--, y--)
            buf_append_byte(&back, ' ');
        if (!i)
            break;
        buf_append_byte(&back, x == from_x ? '+' : '-');
        x = from_x;
        y = from_y;
    }
    while (back.len)
        buf_append_byte(&d->edits, back.data[--back.len]);
}

/* One round: with d edits, how far on every diagonal. True when the end is reached. */
static bool advance(const struct diff *d, long *reach, long edits)
{
    const struct slice *a = d->before.items + d->head, *b = d->now.items + d->head;
    long n = (long)(d->before.count - d->head - d->tail), m = (long)(d->now.count - d->head - d->tail);

    for (long k = -edits; k <= edits; k += 2) {
        long from = step_from(reach, k, edits);
        long x = edits ? reach[from] + (from < k) : 0;

        while (x < n && x - k < m && x - k >= 0 && slice_equal(a[x], b[x - k]))
            x++;
        reach[k] = x;
        if (x >= n && x - k >= m)
            return true;
    }
    return false;
}

/* False when it would take too many edits. */
static bool search(struct diff *d)
{
    const long most = TEXT_DIFF_EDITS_MAX;
    long *space CLEANUP_FREE = mem_calloc((size_t)(2 * most + 3), sizeof(*space));
    long **rows CLEANUP_FREE = mem_calloc((size_t)most + 1, sizeof(*rows));
    long *reach = space + most + 1;
    bool found = false;
    long i;

    for (i = 0; i <= most && !found; i++) {
        rows[i] = mem_dup(reach - i - 1, (size_t)(2 * i + 3) * sizeof(*reach));
        found = advance(d, reach, i);
    }
    if (found)
        walk_back(d, rows, i - 1);
    while (i-- > 0)
        free(rows[i]);
    return found;
}

static void fill(struct buf *edits, char edit, size_t count)
{
    while (count--)
        buf_append_byte(edits, edit);
}

/* Counts the lines of one hunk, then prints them. `line` = of both texts at its beginning. */
static void print_hunk(const struct diff *d, struct slice edits, size_t before_line, size_t now_line, struct buf *out)
{
    size_t before = 0, now = 0;

    for (size_t i = 0; i < edits.len; i++) {
        before += edits.data[i] != '+';
        now += edits.data[i] != '-';
    }
    buf_printf(out, "@@ -%zu,%zu +%zu,%zu @@\n", before_line + (before > 0), before, now_line + (now > 0), now);
    for (size_t i = 0; i < edits.len; i++) {
        struct slice line = edits.data[i] == '+' ? d->now.items[now_line] : d->before.items[before_line];

        buf_printf(out, "%c%.*s\n", edits.data[i], SLICE_ARGS(line));
        before_line += edits.data[i] != '+';
        now_line += edits.data[i] != '-';
    }
}

/* Where the hunk that begins at `at` ends: behind the last change that has none other close behind it. */
static size_t hunk_end(struct slice edits, size_t at)
{
    size_t last = at;

    for (size_t i = at; i < edits.len && i <= last + 2 * CONTEXT + 1; i++)
        if (edits.data[i] != ' ')
            last = i;
    return last + 1 + CONTEXT < edits.len ? last + 1 + CONTEXT : edits.len;
}

static void print_hunks(const struct diff *d, struct buf *out)
{
    struct slice edits = buf_slice(&d->edits);
    size_t before = 0, now = 0, done = 0;

    for (size_t i = 0; i < edits.len; i++) {
        size_t back = i - done < CONTEXT ? i - done : CONTEXT;
        size_t end;

        if (edits.data[i] == ' ') {
            before++;
            now++;
            continue;
        }
        end = hunk_end(edits, i);
        print_hunk(d, slice_make(edits.data + i - back, end - i + back), before - back, now - back, out);
        for (; i < end; i++) {
            before += edits.data[i] != '+';
            now += edits.data[i] != '-';
        }
        done = i--;
    }
}

void text_diff(const char *before_name, struct slice before, const char *now_name, struct slice now, struct buf *out)
{
    struct diff d = {.head = 0};

    if (slice_equal(before, now))
        return;
    lines_split(before, &d.before);
    lines_split(now, &d.now);
    trim(&d);
    fill(&d.edits, ' ', d.head);
    if (!search(&d)) {
        fill(&d.edits, '-', d.before.count - d.head - d.tail);
        fill(&d.edits, '+', d.now.count - d.head - d.tail);
    }
    fill(&d.edits, ' ', d.tail);
    buf_printf(out, "--- %s\n+++ %s\n", before_name, now_name);
    print_hunks(&d, out);
    buf_free(&d.edits);
    free(d.before.items);
    free(d.now.items);
}
