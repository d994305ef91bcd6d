/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runner: starts one informer per kind, hands changes to the controllers' mappers, and reconciles keys.
 *
 * Life of a controller: its queue is paused until every kind it watches has been listed (run->ready), then keys are
 * given out; each becomes one plan, which is carried out by execute.c and answers the queue when it is done.
 */
#include "controllers/runner_internal.h"

#include "api/custom.h"
#include "lib/log.h"

/* A key whose own writes are not seen yet is looked at again after this, besides by the event itself. */
#define RUNNER_CATCH_UP_MS 100

void run_add(struct run *run, struct slice key)
{
    work_queue_add(run->queue, key);
}

bool run_has_started(const struct run *run)
{
    return run->ready;
}

void map_own(struct run *run, const struct view *before, const struct view *now)
{
    BUF_LOCAL(key);

    view_key(now ? now : before, &key);
    run_add(run, buf_slice(&key));
}

static void map_owner_of(struct run *run, const struct view *v)
{
    const struct view_kind *kind = run->row->watches[0].kind;
    struct view_owner owner;
    BUF_LOCAL(key);

    if (!v || !view_controller(v, &owner) || !slice_is(owner.kind, kind->kind) ||
        !slice_is(owner.api_version, kind->api_version))
        return;
    buf_append_slice(&key, view_text(v, VIEW_NAMESPACE));
    buf_append_byte(&key, '/');
    buf_append_slice(&key, owner.name);
    run_add(run, buf_slice(&key));
}

void map_owner(struct run *run, const struct view *before, const struct view *now)
{
    map_owner_of(run, before);
    map_owner_of(run, now);
}

static void run_work(void *arg, struct slice key)
{
    struct run *run = arg;
    struct plan plan = {0};

    if (!execute_caught_up(run, key)) {
        work_queue_done(run->queue, key, false);
        work_queue_add_after(run->queue, key, RUNNER_CATCH_UP_MS);
        return;
    }
    run->row->reconcile(run, key, &plan);
    execute_plan(run, key, &plan);
}

/* ---- slots ---- */

static void *slot_project(void *arg, struct slice key, struct slice json)
{
    struct slot *slot = arg;

    (void)key;
    return view_read(slot->reader, json);
}

static void slot_changed(void *arg, struct slice key, const void *before, const void *now)
{
    struct slot *slot = arg;

    (void)key;
    if (before) {
        slot_unindex(slot, before);
        selection_unindex(slot, before);
    }
    if (now) {
        slot_index(slot, (struct view *)now);
        selection_index(slot, (struct view *)now);
    }
    for (size_t i = 0; i < slot->listener_count; i++)
        if (slot->listeners[i].map)
            slot->listeners[i].map(slot->listeners[i].run, before, now);
}

static bool run_is_ready(const struct run *run)
{
    const struct controllers *c = run->controllers;

    for (size_t i = 0; i < c->slot_count; i++)
        for (size_t k = 0; k < c->slots[i]->listener_count; k++)
            if (c->slots[i]->listeners[k].run == run &&
                (!c->slots[i]->informer || !informer_has_synced(c->slots[i]->informer)))
                return false;
    return true;
}

static void slot_synced(void *arg)
{
    struct slot *slot = arg;
    struct controllers *c = slot->controllers;

    for (size_t i = 0; i < c->run_count; i++) {
        struct run *run = &c->runs[i];

        if (run->ready || !run_is_ready(run))
            continue;
        run->ready = true;
        log_info("controllers", "%s has read what it watches and starts", run->row->name);
        work_queue_pause(run->queue, false);
    }
}

static bool slot_wants(const struct schema_kind *schema)
{
    /* Events come and go by themselves and own nothing. */
    return schema_is_stored(schema) && !schema->no_metadata && (schema->verbs & SCHEMA_VERB_LIST) &&
           (schema->verbs & SCHEMA_VERB_WATCH) && strcmp(schema->plural, "events") != 0;
}

struct slot *controllers_add_slot(struct controllers *c, const struct schema_kind *schema)
{
    struct slot *slot = mem_zalloc(sizeof(*slot));
    char version[320];
    const struct view_kind *row;

    slot->controllers = c;
    slot->schema = schema;
    (void)schema_api_version(schema, version, sizeof(version));
    row = view_find_kind(slice_str(version), slice_str(schema->kind));
    if (!row) {
        slot->plain_version = mem_strdup(version);
        slot->plain = (struct view_kind){slot->plain_version, schema->kind, schema->plural, NULL};
        row = &slot->plain;
    }
    slot->kind = row;
    slot->reader = view_reader_new(row);
    c->slots = mem_grow(c->slots, &c->slot_cap, c->slot_count + 1, sizeof(struct slot *));
    c->slots[c->slot_count++] = slot;
    return slot;
}

static void slots_make(struct controllers *c)
{
    size_t count;
    const struct schema_kind *const *kinds = schema_kinds(&count);

    for (size_t i = 0; i < count; i++)
        if (slot_wants(kinds[i]))
            (void)controllers_add_slot(c, kinds[i]);
}

void slot_listen(struct slot *slot, struct run *run,
                 void (*map)(struct run *run, const struct view *before, const struct view *now))
{
    slot->listeners =
        mem_grow(slot->listeners, &slot->listener_cap, slot->listener_count + 1, sizeof(*slot->listeners));
    slot->listeners[slot->listener_count++] = (struct slot_listener){run, map};
}

static void run_listen(struct run *run)
{
    struct controllers *c = run->controllers;

    for (size_t i = 0; i < CONTROLLER_WATCHES_MAX && run->row->watches[i].kind; i++) {
        struct slot *slot = controllers_slot(c, run->row->watches[i].kind);

        if (slot)
            slot_listen(slot, run, run->row->watches[i].map);
    }
    for (size_t i = 0; run->row->map_all && i < c->slot_count; i++)
        slot_listen(c->slots[i], run, run->row->map_all);
}

static void run_start(struct controllers *c, struct run *run, const struct controller *row)
{
    run->controllers = c;
    run->row = row;
    list_init(&run->jobs);
    run->client = c->options.client_for(c->options.arg, row->account ? row->account : row->name);
    run->recorder = event_recorder_new(run->client, row->component ? row->component : row->name, NULL);
    run->queue = work_queue_new(c->options.loop, &(struct work_queue_options){
                                                     .name = row->name,
                                                     .parallel = row->parallel,
                                                     .backoff_max_ms = 60000,
                                                     .work = run_work,
                                                     .arg = run,
                                                 });
    work_queue_pause(run->queue, true);
    run_listen(run);
}

void slot_start(struct slot *slot)
{
    slot->informer = informer_start(slot->controllers->client, &(struct informer_options){
                                                                   .kind = slot->schema,
                                                                   .project = slot_project,
                                                                   .free_item = free,
                                                                   .changed = slot_changed,
                                                                   .synced = slot_synced,
                                                                   .arg = slot,
                                                               });
}

struct controllers *controllers_start(const struct controllers_options *options)
{
    struct controllers *c = mem_zalloc(sizeof(*c));

    c->options = *options;
    c->options.root_ca = slice_str(slice_dup(options->root_ca));
    if (!c->options.node_grace_s)
        c->options.node_grace_s = 50;
    c->client = options->client_for(options->arg, NULL);
    slots_make(c);
    c->run_count = controllers_table_count;
    c->runs = mem_calloc(c->run_count, sizeof(*c->runs));
    for (size_t i = 0; i < c->run_count; i++)
        run_start(c, &c->runs[i], controllers_table[i]);
    for (size_t i = 0; i < c->slot_count; i++)
        if (c->slots[i]->listener_count)
            slot_start(c->slots[i]);
    custom_slots_start(c);
    return c;
}

void controllers_free(struct controllers *c)
{
    if (!c)
        return;
    informer_free(c->definitions);
    for (size_t i = 0; i < c->slot_count; i++)
        informer_free(c->slots[i]->informer);
    for (size_t i = 0; i < c->run_count; i++) {
        execute_free(&c->runs[i]);
        work_queue_free(c->runs[i].queue);
        event_recorder_free(c->runs[i].recorder);
        client_free(c->runs[i].client);
        if (c->runs[i].row->free_state)
            c->runs[i].row->free_state(c->runs[i].state);
    }
    for (size_t i = 0; i < c->slot_count; i++) {
        slot_index_free(c->slots[i]);
        selection_free(c->slots[i]);
        view_reader_free(c->slots[i]->reader);
        custom_kind_unref(c->slots[i]->custom);
        free(c->slots[i]->plain_version);
        free(c->slots[i]->listeners);
        free(c->slots[i]);
    }
    client_free(c->client);
    free(c->slots);
    free(c->runs);
    free((char *)c->options.root_ca.data);
    free(c);
}
