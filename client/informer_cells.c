/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The informer's local copy: one cell per object with the owner's projection. An object whose resourceVersion is known
 * already is not looked at again, so a relist announces differences only.
 */
#include "client/informer_internal.h"

#include "api/scan.h"

/* Reads "ns/name" (or "name") and the resourceVersion; false when the object has no name. */
static bool informer_identify(struct slice json, struct buf *key, uint64_t *ret_revision)
{
    BUF_LOCAL(scratch);
    struct slice metadata = scan_get(json, "metadata");
    struct slice ns = scan_text(scan_get(metadata, "namespace"), &scratch);

    buf_reset(key);
    if (ns.len) {
        buf_append_slice(key, ns);
        buf_append_byte(key, '/');
    }
    buf_reset(&scratch);
    buf_append_slice(key, scan_text(scan_get(metadata, "name"), &scratch));
    buf_reset(&scratch);
    *ret_revision = 0;
    (void)slice_to_uint64(scan_text(scan_get(metadata, "resourceVersion"), &scratch), ret_revision);
    return key->len && key->data[key->len - 1] != '/';
}

static void informer_tell(struct informer *inf, struct slice key, void *before, const void *now)
{
    if (inf->options.changed)
        inf->options.changed(inf->options.arg, key, before, now);
    if (before)
        inf->options.free_item(before);
}

static void informer_drop(struct informer *inf, struct slice key)
{
    struct informer_cell *cell = map_remove(&inf->cells, key);
    void *before;

    if (!cell)
        return;
    before = cell->item;
    free(cell);
    informer_tell(inf, key, before, NULL);
}

void informer_put(struct informer *inf, struct slice json)
{
    BUF_LOCAL(key);
    uint64_t revision;
    struct informer_cell *cell;
    void *before;
    void *now;

    if (!informer_identify(json, &key, &revision))
        return;
    cell = map_get(&inf->cells, buf_slice(&key));
    if (cell && revision && cell->revision == revision) {
        cell->list = inf->list;
        return;
    }
    now = inf->options.project(inf->options.arg, buf_slice(&key), json);
    if (!now) {
        informer_drop(inf, buf_slice(&key));
        return;
    }
    if (!cell) {
        cell = mem_zalloc(sizeof(*cell));
        (void)map_put(&inf->cells, buf_slice(&key), cell);
    }
    before = cell->item;
    *cell = (struct informer_cell){now, revision, inf->list};
    informer_tell(inf, buf_slice(&key), before, now);
}

void informer_remove(struct informer *inf, struct slice json)
{
    BUF_LOCAL(key);
    uint64_t revision;

    if (informer_identify(json, &key, &revision))
        informer_drop(inf, buf_slice(&key));
}

void informer_sweep(struct informer *inf)
{
    char **gone = NULL;
    size_t count = 0;
    size_t cap = 0;

    map_for_each (e, &inf->cells) {
        const struct informer_cell *cell = e->value;

        if (cell->list == inf->list)
            continue;
        gone = mem_grow(gone, &cap, count + 1, sizeof(char *));
        gone[count++] = mem_strdup(e->key);
    }
    for (size_t i = 0; i < count; i++) {
        if (!inf->dead)
            informer_drop(inf, slice_str(gone[i]));
        free(gone[i]);
    }
    free(gone);
}

void informer_cells_free(struct informer *inf)
{
    map_for_each (e, &inf->cells) {
        struct informer_cell *cell = e->value;

        inf->options.free_item(cell->item);
    }
    map_clear(&inf->cells, free);
}

const void *informer_get(const struct informer *inf, struct slice key)
{
    const struct informer_cell *cell = map_get(&inf->cells, key);

    return cell ? cell->item : NULL;
}

size_t informer_count(const struct informer *inf)
{
    return inf->cells.count;
}

void informer_each(const struct informer *inf, void (*fn)(void *arg, struct slice key, const void *item), void *arg)
{
    map_for_each (e, &inf->cells) {
        const struct informer_cell *cell = e->value;

        fn(arg, slice_make(e->key, e->key_len), cell->item);
    }
}
