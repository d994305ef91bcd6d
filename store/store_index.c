/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in LMDB. Its pages carry no checksums, so everything of ours does:
 *
 *     index   key -> u32 CRC-32C of the key and what follows, u8 format (1), u8 kind, u8 class, u8 zero, u64 revision,
 *                    u64 create revision, u16 index, u16 zero, u32 length of the record, u32 segment, u32 offset / 8
 *     base    key -> the record (store_record.h), which names its key itself
 *     meta    "format" -> u32 big-endian
 *             "state"  -> u32 CRC-32C of what follows, u32 zero, then the fields of struct store_state as u64; those
 *                         that are missing at the end (an older version wrote it) are 0, more are refused
 *
 * All numbers but the format's are little-endian.
 */
#include "store/store_internal.h"

#include <endian.h>

#include "store/crc32c.h"
#include "store/store_bytes.h"

#define ENTRY_SIZE   40
#define ENTRY_FORMAT 1

static const char FORMAT_KEY[] = "format";
static const char STATE_KEY[] = "state";

/* ---- meta ---- */

#define STATE_FIELDS 6
#define STATE_OLDEST 5 /* fields of the first version */
#define STATE_SIZE   (8 + 8 * STATE_FIELDS)

int store_state_read(struct store *store, MDB_txn *txn, struct store_state *ret_state, struct error *err)
{
    MDB_val key = store_val(slice_str(STATE_KEY));
    MDB_val value;
    uint64_t *const fields[STATE_FIELDS] = {&ret_state->revision, &ret_state->compacted, &ret_state->trimmed,
                                            &ret_state->keys,     &ret_state->bytes,     &ret_state->window};
    const char *from;
    size_t there;
    int rc = mdb_get(txn, store->db.meta, &key, &value);

    if (rc)
        return store_lmdb_error(err, rc, "reading the state");
    from = value.mv_data;
    there = value.mv_size < 8 ? 0 : (value.mv_size - 8) / 8;
    if (there < STATE_OLDEST || get_u32(from) != crc32c(0, slice_make(from + 4, value.mv_size - 4)))
        return error_set(err, ERROR_CORRUPT, "the state of the store in %s is damaged", store->path);
    if (there > STATE_FIELDS)
        return error_set(err, ERROR_CORRUPT, "the state of the store in %s says more than this version of knarr knows",
                         store->path);
    for (size_t i = 0; i < STATE_FIELDS; i++)
        *fields[i] = i < there ? get_u64(from + 8 + 8 * i) : 0;
    return 0;
}

int store_state_write(struct store *store, MDB_txn *txn, const struct store_state *state)
{
    const uint64_t fields[STATE_FIELDS] = {state->revision, state->compacted, state->trimmed,
                                           state->keys,     state->bytes,     state->window};
    char bytes[STATE_SIZE] = {0};
    MDB_val key = store_val(slice_str(STATE_KEY));
    MDB_val value = {sizeof(bytes), bytes};

    for (size_t i = 0; i < STATE_FIELDS; i++)
        put_u64(bytes + 8 + 8 * i, fields[i]);
    put_u32(bytes, crc32c(0, slice_make(bytes + 4, sizeof(bytes) - 4)));
    return mdb_put(txn, store->db.meta, &key, &value, 0);
}

static int meta_make(struct store *store, MDB_txn *txn, struct error *err)
{
    const struct store_state first = {
        .revision = STORE_FIRST_REVISION, .compacted = STORE_FIRST_REVISION, .trimmed = STORE_FIRST_REVISION};
    char fresh[4] = {0, 0, 0, STORE_FORMAT};
    MDB_val key = store_val(slice_str(FORMAT_KEY));
    MDB_val value = {sizeof(fresh), fresh};
    MDB_stat stat;
    int rc = mdb_stat(txn, store->db.meta, &stat);

    if (rc == 0 && stat.ms_entries)
        return error_set(err, ERROR_CORRUPT, "%s holds no format number: it is not a store of ours", store->path);
    if (rc == 0)
        rc = mdb_put(txn, store->db.meta, &key, &value, 0);
    if (rc == 0)
        rc = store_state_write(store, txn, &first);
    return rc ? store_lmdb_error(err, rc, "making the tables") : 0;
}

static int meta_check(struct store *store, MDB_txn *txn, struct error *err)
{
    MDB_val key = store_val(slice_str(FORMAT_KEY));
    MDB_val value;
    uint32_t format;
    int rc = mdb_get(txn, store->db.meta, &key, &value);

    if (rc == MDB_NOTFOUND)
        return meta_make(store, txn, err);
    if (rc)
        return store_lmdb_error(err, rc, "reading the format");
    if (value.mv_size != sizeof(format))
        return error_set(err, ERROR_CORRUPT, "the format number of the store in %s is damaged", store->path);
    memcpy(&format, value.mv_data, sizeof(format));
    format = be32toh(format);
    if (format > STORE_FORMAT)
        return error_set(
            err, ERROR_CORRUPT,
            "the store in %s has format %u, which a newer version of knarr wrote; this one reads up to %u: "
            "start the newer version, or restore a backup made by this one",
            store->path, format, STORE_FORMAT);
    if (format < STORE_FORMAT)
        return error_set(
            err, ERROR_CORRUPT,
            "the store in %s has format %u, which was given up before the first release; remove the folder "
            "to start anew",
            store->path, format);
    return 0;
}

int store_index_open(struct store *store, MDB_txn *txn, struct error *err)
{
    const struct {
        const char *name;
        MDB_dbi *dbi;
    } tables[] = {{"meta", &store->db.meta}, {"index", &store->db.index}, {"base", &store->db.base}};
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(tables) && rc == 0; i++)
        rc = mdb_dbi_open(txn, tables[i].name, MDB_CREATE, tables[i].dbi);
    if (rc)
        return store_lmdb_error(err, rc, "opening the tables");
    return meta_check(store, txn, err);
}

/* ---- index ---- */

int store_index_put(struct store *store, MDB_txn *txn, struct slice key, const struct store_entry *entry)
{
    char bytes[ENTRY_SIZE] = {0};
    MDB_val k = store_val(key);
    MDB_val value = {sizeof(bytes), bytes};

    bytes[4] = ENTRY_FORMAT;
    bytes[5] = (char)entry->kind;
    bytes[6] = (char)entry->class;
    put_u64(bytes + 8, entry->revision);
    put_u64(bytes + 16, entry->create_revision);
    put_u16(bytes + 24, entry->index);
    put_u32(bytes + 28, entry->length);
    put_u32(bytes + 32, entry->place.segment);
    put_u32(bytes + 36, entry->place.offset);
    put_u32(bytes, crc32c(crc32c(0, key), slice_make(bytes + 4, sizeof(bytes) - 4)));
    return mdb_put(txn, store->db.index, &k, &value, 0);
}

int store_index_delete(struct store *store, MDB_txn *txn, struct slice key)
{
    MDB_val k = store_val(key);
    int rc = mdb_del(txn, store->db.index, &k, NULL);

    return rc == MDB_NOTFOUND ? 0 : rc;
}

int store_index_decode(struct slice key, struct slice value, struct store_entry *ret_entry, struct error *err)
{
    const char *from = value.data;

    if (value.len < ENTRY_SIZE || get_u32(from) != crc32c(crc32c(0, key), slice_make(from + 4, value.len - 4)) ||
        (unsigned char)from[5] > STORE_EVENT_DELETE || (unsigned char)from[6] >= STORE_CLASSES)
        return error_set(err, ERROR_CORRUPT, "the index entry of %.*s is damaged", SLICE_ARGS(key));
    if ((unsigned char)from[4] > ENTRY_FORMAT)
        return error_set(err, ERROR_CORRUPT, "the index entry of %.*s has format %u, which a newer version wrote",
                         SLICE_ARGS(key), (unsigned char)from[4]);
    *ret_entry = (struct store_entry){
        .kind = (enum store_event_kind)from[5],
        .class = (enum store_class)from[6],
        .revision = get_u64(from + 8),
        .create_revision = get_u64(from + 16),
        .index = get_u16(from + 24),
        .length = get_u32(from + 28),
        .place = {get_u32(from + 32), get_u32(from + 36)},
    };
    return 0;
}

int store_index_get(struct store *store, MDB_txn *txn, struct slice key, struct store_entry *ret_entry,
                    struct error *err)
{
    MDB_val k = store_val(key);
    MDB_val value;
    int rc = mdb_get(txn, store->db.index, &k, &value);

    if (rc == MDB_NOTFOUND)
        return 0;
    if (rc)
        return store_lmdb_error(err, rc, "reading the index");
    return store_index_decode(key, store_slice(value), ret_entry, err) < 0 ? -(int)ERROR_CORRUPT : 1;
}

/* ---- base ---- */

int store_base_put(struct store *store, MDB_txn *txn, const struct store_record *record)
{
    MDB_val k = store_val(record->key);
    MDB_val value = {store_record_padded(store_record_size(record)), NULL};
    int rc = mdb_put(txn, store->db.base, &k, &value, MDB_RESERVE);

    if (rc == 0)
        store_record_write(value.mv_data, record);
    return rc;
}

int store_base_delete(struct store *store, MDB_txn *txn, struct slice key)
{
    MDB_val k = store_val(key);
    int rc = mdb_del(txn, store->db.base, &k, NULL);

    return rc == MDB_NOTFOUND ? 0 : rc;
}

int store_base_decode(struct slice key, struct slice value, struct store_record *ret_record, struct error *err)
{
    if (store_record_read(value, ret_record, err) < 0)
        return error_wrap(err, "reading %.*s", SLICE_ARGS(key));
    if (!slice_equal(ret_record->key, key))
        return error_set(err, ERROR_CORRUPT, "in the place of %.*s lies a record of another key", SLICE_ARGS(key));
    return 0;
}

int store_base_get(struct store *store, MDB_txn *txn, struct slice key, struct store_record *ret_record,
                   struct error *err)
{
    MDB_val k = store_val(key);
    MDB_val value;
    int rc = mdb_get(txn, store->db.base, &k, &value);

    if (rc == MDB_NOTFOUND)
        return 0;
    if (rc)
        return store_lmdb_error(err, rc, "reading the base");
    return store_base_decode(key, store_slice(value), ret_record, err) < 0 ? -(int)ERROR_CORRUPT : 1;
}
