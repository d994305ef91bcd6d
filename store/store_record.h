/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record: one version of one key as it lies on disk, in both tables that hold values.
 *
 *      0  u8   format of the record (1); a newer one is refused
 *      1  u8   kind of the change that the record is about (enum store_event_kind)
 *      2  u8   flags: none yet (compression, encryption); a set bit that we do not know is refused
 *      3  u8   length of this header in units of 8 bytes: fields may be added behind, readers skip what they don't know
 *      4  u32  CRC-32C of the place (the table's key) and of all other bytes of the record
 *      8  u64  revision: of the version whose meta and value follow (0 = there was none)
 *     16  u64  create revision of the key
 *     24  i64  time of the change, nanoseconds since 1970
 *     32  u32  length of the key (0 in the table whose keys are the keys)
 *     36  u32  length of the meta bytes
 *     40  key, meta, value
 *
 * All numbers are little-endian. The place is in the checksum so that a record that is sound but lies where it does not
 * belong is found out too.
 */
#ifndef KNARR_STORE_RECORD_H
#define KNARR_STORE_RECORD_H

#include "lib/bytes.h"
#include "lib/error.h"
#include "store/store.h"

#define STORE_RECORD_FORMAT 1
#define STORE_RECORD_HEADER 40

struct store_record {
    enum store_event_kind kind;
    uint64_t revision;
    uint64_t create_revision;
    int64_t time_ns;
    struct slice key;
    struct slice meta;
    struct slice value;
};

size_t store_record_size(const struct store_record *record);
/* Writes store_record_size bytes to `to`. */
void store_record_write(char *to, const struct store_record *record, struct slice place);
/* The slices of *ret_record point into `bytes`. ERROR_CORRUPT when damaged or newer. */
int store_record_read(struct slice bytes, struct slice place, struct store_record *ret_record, struct error *err);

#endif
