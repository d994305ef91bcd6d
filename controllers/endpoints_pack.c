/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subsets out of endpoints:
 *
 *     endpoints, in order -> for each port the set of those that have it -> ports with equal sets -> a subset each
 *
 * A set is a bit for each endpoint, so that equal sets are equal bytes and a map finds them.
 */
#include "controllers/endpoints_pack.h"

#include "lib/map.h"

struct subset {
    const char *has; /* the set of its endpoints */
    struct buf ports;
    size_t counts[2]; /* not ready, ready */
    size_t limits[2]; /* how many of them are written */
};

struct port {
    struct slice text; /* "" = none */
    char *has;
};

struct packing {
    const struct endpoint_ports *list;
    size_t count;
    struct port *ports;
    size_t port_count;
    size_t port_cap;
    struct map by_text; /* -> place in `ports`, from 1 */
    struct subset *subsets;
    size_t subset_count;
};

static size_t set_size(size_t count)
{
    return (count + 7) / 8;
}

static bool set_has(const char *set, size_t i)
{
    return (unsigned char)set[i / 8] >> (i % 8) & 1;
}

static int pack_compare(const void *left, const void *right)
{
    const struct endpoint *a = &((const struct endpoint_ports *)left)->e;
    const struct endpoint *b = &((const struct endpoint_ports *)right)->e;
    int by_ip = slice_compare(view_unquote(a->ip), view_unquote(b->ip));

    return by_ip ? by_ip : slice_compare(endpoint_target_uid(a), endpoint_target_uid(b));
}

/* ---- sets ---- */

static void pack_port(struct packing *p, size_t endpoint, struct slice text)
{
    size_t place = (size_t)(uintptr_t)map_get(&p->by_text, text);

    if (!place) {
        p->ports = mem_grow(p->ports, &p->port_cap, p->port_count + 1, sizeof(*p->ports));
        p->ports[p->port_count++] = (struct port){text, mem_zalloc(set_size(p->count))};
        place = p->port_count;
        (void)map_put(&p->by_text, text, (void *)(uintptr_t)place); // NOLINT(performance-no-int-to-ptr): a number
    }
    p->ports[place - 1].has[endpoint / 8] |= (char)(1 << endpoint % 8);
}

static void pack_ports(struct packing *p)
{
    for (size_t i = 0; i < p->count; i++) {
        struct scan_cursor at = scan_open(slice_str(p->list[i].ports));
        struct slice port;

        if (p->list[i].bare)
            pack_port(p, i, SLICE_LIT(""));
        while (scan_element(&at, &port))
            pack_port(p, i, port);
    }
}

static void pack_subsets(struct packing *p)
{
    struct map by_set = {0};

    p->subsets = mem_calloc(p->port_count + 1, sizeof(*p->subsets));
    for (size_t i = 0; i < p->port_count; i++) {
        struct slice set = slice_make(p->ports[i].has, set_size(p->count));
        struct subset *s = map_get(&by_set, set);

        if (!s) {
            s = &p->subsets[p->subset_count++];
            s->has = set.data;
            for (size_t k = 0; k < p->count; k++)
                s->counts[p->list[k].e.ready] += set_has(s->has, k);
            memcpy(s->limits, s->counts, sizeof(s->limits));
            (void)map_put(&by_set, set, s);
        }
        if (s->ports.len && p->ports[i].text.len)
            buf_append_byte(&s->ports, ',');
        buf_append_slice(&s->ports, p->ports[i].text);
    }
    map_clear(&by_set, NULL);
}

/* ---- bounds ---- */

static size_t pack_total(const struct packing *p, bool ready)
{
    size_t total = 0;

    for (size_t i = 0; i < p->subset_count; i++)
        total += p->subsets[i].counts[ready];
    return total;
}

/* Of those that are ready or of those that are not: `room` in all, from each subset the same part, rounded up. */
static void pack_limit(struct packing *p, bool ready, size_t room)
{
    size_t total = pack_total(p, ready);
    size_t left = room;

    for (size_t i = 0; total > room && i < p->subset_count; i++) {
        struct subset *s = &p->subsets[i];
        size_t part = (s->counts[ready] * room + total - 1) / total;

        s->limits[ready] = part < left ? part : left;
        left -= s->limits[ready];
    }
}

static bool pack_bound(struct packing *p, size_t max)
{
    size_t ready = pack_total(p, true);

    if (ready + pack_total(p, false) <= max)
        return false;
    pack_limit(p, true, max);
    pack_limit(p, false, ready < max ? max - ready : 0);
    return true;
}

/* ---- text ---- */

static void address_write(struct buf *out, const struct endpoint *e)
{
    buf_append_str(out, "{\"ip\":");
    buf_append_slice(out, e->ip);
    endpoint_write_rest(out, e);
    buf_append_byte(out, '}');
}

static const char *const pack_names[2] = {"notReadyAddresses", "addresses"};

/* Begins a member of a subset, after a comma where it has others. */
static void subset_member(struct buf *out, const char *name)
{
    plan_member_raw(out, name, SLICE_LIT("["));
}

static void pack_addresses(const struct packing *p, const struct subset *s, bool ready, struct buf *out)
{
    size_t left = s->limits[ready];

    if (!left)
        return;
    subset_member(out, pack_names[ready]);
    for (size_t i = 0; i < p->count && left; i++) {
        if (!set_has(s->has, i) || p->list[i].e.ready != ready)
            continue;
        address_write(out, &p->list[i].e);
        if (--left)
            buf_append_byte(out, ',');
    }
    buf_append_byte(out, ']');
}

static void pack_write(const struct packing *p, struct buf *out)
{
    bool first = true;

    buf_append_byte(out, '[');
    for (size_t i = 0; i < p->subset_count; i++) {
        const struct subset *s = &p->subsets[i];

        if (!s->limits[true] && !s->limits[false])
            continue;
        buf_append_str(out, first ? "{" : ",{");
        first = false;
        pack_addresses(p, s, true, out);
        pack_addresses(p, s, false, out);
        if (s->ports.len) {
            subset_member(out, "ports");
            buf_append_slice(out, buf_slice(&s->ports));
            buf_append_byte(out, ']');
        }
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ']');
}

bool endpoints_pack(struct endpoint_ports *list, size_t count, size_t max, struct buf *out)
{
    struct packing p = {.list = list, .count = count};
    bool bounded;

    if (count)
        qsort(list, count, sizeof(*list), pack_compare);
    pack_ports(&p);
    pack_subsets(&p);
    bounded = pack_bound(&p, max);
    pack_write(&p, out);
    for (size_t i = 0; i < p.port_count; i++)
        free(p.ports[i].has);
    for (size_t i = 0; i < p.subset_count; i++)
        buf_free(&p.subsets[i].ports);
    map_clear(&p.by_text, NULL);
    free(p.ports);
    free(p.subsets);
    return bounded;
}

/* ---- stored ones ---- */

static void repeat_addresses(struct slice subset, bool ready, struct buf *out)
{
    struct scan_cursor at = scan_open(scan_get(subset, pack_names[ready]));
    struct slice address;
    bool first = true;

    while (scan_element(&at, &address)) {
        const struct endpoint e = endpoint_of_address(address, ready);

        if (first)
            subset_member(out, pack_names[ready]);
        else
            buf_append_byte(out, ',');
        first = false;
        address_write(out, &e);
    }
    if (!first)
        buf_append_byte(out, ']');
}

void endpoints_repeat(struct slice subsets, struct buf *out)
{
    struct scan_cursor at = scan_open(subsets);
    struct slice subset;
    bool first = true;

    buf_append_byte(out, '[');
    while (scan_element(&at, &subset)) {
        char *ports CLEANUP_FREE = endpoint_ports(scan_get(subset, "ports"));

        buf_append_str(out, first ? "{" : ",{");
        first = false;
        repeat_addresses(subset, true, out);
        repeat_addresses(subset, false, out);
        if (strcmp(ports, "[]") != 0)
            plan_member_raw(out, "ports", slice_str(ports));
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ']');
}
