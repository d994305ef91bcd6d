/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Table: the changes that are in the log and not yet in LMDB, by key, as an ordered map in memory. It holds places, not
 * values: those are read from the log.
 *
 * A skip list, and buckets by hash beside it, with one writer and any number of readers, who take no lock: a node is
 * complete before it is linked, links and newest versions are published with release and read with acquire, and nothing
 * is freed before the whole table is. A reader skips the versions that are newer than the revision it reads at; so the
 * writer may add those of a batch before it is durable, and takes them back when it fails.
 */
#ifndef KNARR_STORE_TABLE_H
#define KNARR_STORE_TABLE_H

#include <stdatomic.h>

#include "store/store_record.h"

/* One version of one key, and where its record is. */
struct store_entry {
    enum store_event_kind kind;
    enum store_class class;
    uint64_t revision;
    uint64_t create_revision;
    unsigned index;
    uint32_t length; /* of the record */
    struct store_place place;
};

struct store_version {
    const struct store_version *older; /* in this table */
    struct store_entry entry;
};

struct store_node; /* one key */
struct store_table;

struct store_table *store_table_new(void);
void store_table_free(struct store_table *table); /* NULL is allowed */
/* Versions that were added. */
size_t store_table_count(const struct store_table *table);

/* Writer only. The key is copied; its versions must come in the order of their revisions. */
void store_table_add(struct store_table *table, struct slice key, const struct store_entry *entry);
/* Takes back all versions that are newer than `revision`. Their memory stays until the whole table goes. */
void store_table_revert(struct store_table *table, uint64_t revision);
/* How many were taken back. */
size_t store_table_waste(const struct store_table *table);
/* Another with the same versions and no waste. */
struct store_table *store_table_copy(const struct store_table *from);

/* The key's newest version at or before `at`; NULL when there is none here. */
const struct store_version *store_table_find(const struct store_table *table, struct slice key, uint64_t at);

/* The first key at or behind `from`, and the one behind a node; NULL at the end. A key may have no version left. */
const struct store_node *store_table_seek(const struct store_table *table, struct slice from);
const struct store_node *store_node_next(const struct store_node *node);
struct slice store_node_key(const struct store_node *node);
const struct store_version *store_node_newest(const struct store_node *node);

#endif
