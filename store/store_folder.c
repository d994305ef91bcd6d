/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders: when something below a prefix has changed last. The writer notes the revision of a change before anybody can
 * see it, so who reads the note, then lists at that revision or a later one, has all that the note speaks of.
 *
 * Many folders share a place, by the hash of their name: a note may be of another one, which costs a list too many.
 */
#include "store/store_internal.h"

#include "lib/map.h"

static _Atomic uint64_t *folder_note(struct store *store, struct slice key)
{
    while (key.len && key.data[key.len - 1] != '/')
        key.len--;
    return &store->folders[map_hash(key) % STORE_FOLDERS];
}

void store_folder_note(struct store *store, struct slice key, uint64_t revision)
{
    atomic_store(folder_note(store, key), revision);
}

uint64_t store_folder_revision(struct store *store, struct slice key)
{
    return atomic_load(folder_note(store, key));
}
