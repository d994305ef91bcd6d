/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the slices of an owner should be, out of what they are. Endpoints are grouped by family and ports (a named port
 * of a Service may differ from pod to pod); each group fills slices of its own:
 *
 *     endpoints -> groups -> drafts: first what each slice holds already, then room in slices that must be written
 *             anyway, then room in others, then new slices -> create, patch, delete
 *
 * Stored slices are compared by meaning, not by bytes, so that another order of members is no change.
 */
#include "controllers/adopt.h"
#include "controllers/endpointslice.h"
#include "lib/map.h"

/* Endpoints of one family with the same ports. */
struct group {
    const char *family;
    char *ports;       /* JSON list */
    struct map by_key; /* what tells endpoints apart -> struct member */
    size_t unplaced;
};

struct member {
    struct endpoint e;
    struct group *group;
    bool placed;
};

/* A slice as it will be. */
struct draft {
    const struct view *slice;  /* NULL = new */
    const struct group *group; /* NULL = of ports that nobody has (any more) */
    struct member **members;
    size_t count;
    size_t cap;
    bool changed;
};

struct slice_fill {
    const struct slice_fill_options *options;
    struct map groups;       /* by family and ports -> struct group */
    struct member **members; /* of all groups, as they were added */
    size_t member_count;
    size_t member_cap;
    struct draft *drafts;
    size_t draft_count;
    size_t draft_cap;
    size_t used; /* drafts with endpoints */
};

struct slice_fill *slice_fill_new(const struct slice_fill_options *options)
{
    struct slice_fill *f = mem_zalloc(sizeof(*f));

    f->options = options;
    return f;
}

static void group_free(void *arg)
{
    struct group *group = arg;

    map_clear(&group->by_key, free);
    free(group->ports);
    free(group);
}

void slice_fill_free(struct slice_fill *f)
{
    for (size_t i = 0; i < f->draft_count; i++)
        free(f->drafts[i].members);
    free(f->drafts);
    free(f->members);
    map_clear(&f->groups, group_free);
    free(f);
}

/* ---- endpoints ---- */

static struct group *fill_find_group(const struct slice_fill *f, struct slice family, const char *ports)
{
    BUF_LOCAL(key);

    buf_append_slice(&key, family);
    buf_append_str(&key, ports);
    return map_get(&f->groups, buf_slice(&key));
}

/* Takes the ports over. */
static struct group *fill_group(struct slice_fill *f, const char *family, char *ports)
{
    struct group *group = fill_find_group(f, slice_str(family), ports);
    BUF_LOCAL(key);

    if (group) {
        free(ports);
        return group;
    }
    group = mem_zalloc(sizeof(*group));
    group->family = family;
    group->ports = ports;
    buf_append_str(&key, family);
    buf_append_str(&key, ports);
    (void)map_put(&f->groups, buf_slice(&key), group);
    return group;
}

static void member_key(struct buf *out, struct slice ip, struct slice hostname, struct slice uid)
{
    buf_append_slice(out, ip);
    buf_append_slice(out, hostname);
    buf_append_byte(out, '/');
    buf_append_slice(out, uid);
}

void slice_fill_add(struct slice_fill *f, const struct endpoint *e, char *ports)
{
    struct group *group = fill_group(f, endpoint_family(e), ports);
    struct member *m;
    BUF_LOCAL(key);

    member_key(&key, e->ip, e->hostname, endpoint_target_uid(e));
    m = map_get(&group->by_key, buf_slice(&key));
    if (m) {
        m->e.ready = m->e.ready && e->ready;
        return;
    }
    m = mem_zalloc(sizeof(*m));
    m->e = *e;
    m->group = group;
    group->unplaced++;
    (void)map_put(&group->by_key, buf_slice(&key), m);
    f->members = mem_grow(f->members, &f->member_cap, f->member_count + 1, sizeof(struct member *));
    f->members[f->member_count++] = m;
}

static struct slice stored_ip(struct slice stored)
{
    struct scan_cursor at = scan_open(scan_get(stored, "addresses"));
    struct slice address;

    return scan_element(&at, &address) ? address : SLICE_NONE;
}

static struct member *fill_find(const struct group *group, struct slice stored)
{
    BUF_LOCAL(key);

    if (!group)
        return NULL;
    member_key(&key, stored_ip(stored), scan_get(stored, "hostname"), scan_get(stored, "targetRef.uid"));
    return map_get(&group->by_key, buf_slice(&key));
}

static bool endpoint_is(const struct endpoint *e, struct slice stored)
{
    struct slice conditions = scan_get(stored, "conditions");
    const struct endpoint there = endpoint_of_address(stored, scan_bool(scan_get(conditions, "ready"), true));

    return scan_count(scan_get(stored, "addresses")) == 1 && endpoint_same_rest(e, &there) && e->ready == there.ready &&
           (!e->of_pod || (scan_bool(scan_get(conditions, "serving"), true) == e->serving &&
                           scan_bool(scan_get(conditions, "terminating"), false) == e->terminating));
}

static void endpoint_write(struct buf *out, const struct endpoint *e)
{
    buf_append_str(out, "{\"addresses\":[");
    buf_append_slice(out, e->ip);
    buf_printf(out, "],\"conditions\":{\"ready\":%s", e->ready ? "true" : "false");
    if (e->of_pod)
        buf_printf(out, ",\"serving\":%s,\"terminating\":%s", e->serving ? "true" : "false",
                   e->terminating ? "true" : "false");
    buf_append_byte(out, '}');
    endpoint_write_rest(out, e);
    buf_append_byte(out, '}');
}

/* ---- drafts ---- */

static struct draft *fill_draft(struct slice_fill *f, const struct view *slice, const struct group *group)
{
    f->drafts = mem_grow(f->drafts, &f->draft_cap, f->draft_count + 1, sizeof(*f->drafts));
    f->drafts[f->draft_count] = (struct draft){.slice = slice, .group = group, .changed = !slice};
    return &f->drafts[f->draft_count++];
}

static void draft_place(struct draft *d, struct member *m)
{
    d->members = mem_grow(d->members, &d->cap, d->count + 1, sizeof(struct member *));
    d->members[d->count++] = m;
    m->placed = true;
    m->group->unplaced--;
}

/* A slice as it is, without what does not belong there any more. */
static void fill_add_slice(struct slice_fill *f, const struct view *slice)
{
    const struct slice_fill_options *o = f->options;
    struct scan_cursor at = scan_open(view_raw(slice, SLICE_ENDPOINTS));
    char *ports CLEANUP_FREE = endpoint_ports(view_raw(slice, SLICE_PORTS));
    struct draft *d = fill_draft(f, slice, fill_find_group(f, view_text(slice, SLICE_ADDRESS_TYPE), ports));
    struct slice stored;

    d->changed = !view_same_members(view_raw(slice, VIEW_LABELS), o->labels) ||
                 (o->annotations.len && !view_same_members(view_raw(slice, SLICE_ANNOTATIONS), o->annotations));
    while (scan_element(&at, &stored)) {
        struct member *m = fill_find(d->group, stored);

        if (!m || m->placed) {
            d->changed = true;
            continue;
        }
        draft_place(d, m);
        d->changed = d->changed || !endpoint_is(&m->e, stored);
    }
}

static void fill_room(struct slice_fill *f, struct draft *d)
{
    for (size_t i = 0; i < f->member_count && d->group->unplaced && d->count < f->options->max; i++)
        if (!f->members[i]->placed && f->members[i]->group == d->group) {
            draft_place(d, f->members[i]);
            d->changed = true;
        }
}

static void fill_place_rest(struct slice_fill *f)
{
    /* Those that are written anyway come first. */
    for (size_t i = 0; i < f->draft_count; i++)
        if (f->drafts[i].group && f->drafts[i].changed)
            fill_room(f, &f->drafts[i]);
    for (size_t i = 0; i < f->draft_count; i++)
        if (f->drafts[i].group)
            fill_room(f, &f->drafts[i]);
    for (size_t i = 0; i < f->member_count; i++)
        if (!f->members[i]->placed)
            fill_room(f, fill_draft(f, NULL, f->members[i]->group));
    for (size_t i = 0; i < f->draft_count; i++)
        f->used += f->drafts[i].count > 0;
    if (!f->draft_count && f->options->keep_one)
        (void)fill_draft(f, NULL, NULL);
}

/* ---- actions ---- */

static void draft_write_endpoints(const struct draft *d, struct buf *out)
{
    buf_append_str(out, ",\"endpoints\":[");
    for (size_t i = 0; i < d->count; i++) {
        if (i)
            buf_append_byte(out, ',');
        endpoint_write(out, &d->members[i]->e);
    }
    buf_append_byte(out, ']');
}

static void draft_create(const struct draft *d, const struct slice_fill_options *o, struct plan *plan)
{
    struct slice ns = view_text(o->owner, VIEW_NAMESPACE);
    char *prefix CLEANUP_FREE = mem_printf("%s-", o->service);
    struct action *action = plan_add(plan, ACTION_CREATE, &view_endpointslices, ns, SLICE_NONE);

    buf_append_str(&action->body, "{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":{");
    plan_member(&action->body, "generateName", slice_str(prefix));
    plan_member(&action->body, "namespace", ns);
    plan_member_raw(&action->body, "labels", o->labels);
    if (o->annotations.len)
        plan_member_raw(&action->body, "annotations", o->annotations);
    buf_append_str(&action->body, ",\"ownerReferences\":[");
    adopt_write_owner(&action->body, o->owner);
    buf_append_str(&action->body, "]}");
    plan_member(&action->body, "addressType", slice_str(d->group ? d->group->family : "IPv4"));
    draft_write_endpoints(d, &action->body);
    plan_member_raw(&action->body, "ports", d->group ? slice_str(d->group->ports) : SLICE_LIT("[]"));
    buf_append_byte(&action->body, '}');
    action->failure_reason = "FailedToCreateEndpointSlice";
    action->failure_message = "Error creating the Service's endpoint slice: {error}";
}

static void draft_update(const struct draft *d, const struct slice_fill_options *o, struct plan *plan)
{
    struct action *action = plan_add(plan, ACTION_PATCH, &view_endpointslices, view_text(o->owner, VIEW_NAMESPACE),
                                     view_text(d->slice, VIEW_NAME));

    buf_append_str(&action->body, "{\"metadata\":{");
    plan_member(&action->body, "uid", view_text(d->slice, VIEW_UID));
    plan_member(&action->body, "resourceVersion", view_text(d->slice, VIEW_REVISION));
    buf_append_str(&action->body, ",\"labels\":");
    plan_map_patch(&action->body, o->labels, view_raw(d->slice, VIEW_LABELS));
    if (o->annotations.len) {
        buf_append_str(&action->body, ",\"annotations\":");
        plan_map_patch(&action->body, o->annotations, view_raw(d->slice, SLICE_ANNOTATIONS));
    }
    buf_append_byte(&action->body, '}');
    draft_write_endpoints(d, &action->body);
    buf_append_byte(&action->body, '}');
}

/* An empty slice is kept only where there is no other. */
static void fill_write(struct slice_fill *f, struct plan *plan)
{
    bool kept = f->used > 0 || !f->options->keep_one;

    for (size_t i = 0; i < f->draft_count; i++) {
        const struct draft *d = &f->drafts[i];

        if (!d->count && kept)
            (void)plan_delete(plan, d->slice);
        else if (d->changed && d->slice)
            draft_update(d, f->options, plan);
        else if (d->changed)
            draft_create(d, f->options, plan);
        kept = kept || !d->count;
    }
}

static bool fill_manages(const struct slice_fill *f, const struct view *slice)
{
    return !view_deleting(slice) &&
           slice_is(view_unquote(view_member(view_raw(slice, VIEW_LABELS), ENDPOINTSLICE_MANAGER)),
                    f->options->manager);
}

static int slice_compare_names(const void *a, const void *b)
{
    return slice_compare(view_text(*(const struct view *const *)a, VIEW_NAME),
                         view_text(*(const struct view *const *)b, VIEW_NAME));
}

void slice_fill_plan(struct slice_fill *f, const struct view *const *slices, size_t count, struct plan *plan)
{
    const struct view **ours CLEANUP_FREE = mem_calloc(count ? count : 1, sizeof(*ours));
    size_t managed = 0;

    plan_about(plan, f->options->owner);
    for (size_t i = 0; i < count; i++)
        if (fill_manages(f, slices[i]))
            ours[managed++] = slices[i];
    qsort(ours, managed, sizeof(struct view *), slice_compare_names);
    for (size_t i = 0; i < managed; i++)
        fill_add_slice(f, ours[i]);
    fill_place_rest(f);
    fill_write(f, plan);
}
