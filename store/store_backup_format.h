/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a backup: a head, then blocks up to the one that says that it is the last.
 *
 *     head, 64 bytes:
 *      0  "KNARRBAK"     8  u32 format (1)     16  u64 revision     24  i64 time, nanoseconds since 1970
 *     60  u32 CRC-32C of bytes 0 to 60; the rest is zero
 *
 *     block, 32 bytes in front of what it carries:
 *      0  u32 CRC-32C of bytes 4 to 32     4  u32 magic     8  u8 kind     9  u8 1 = packed with zstd, 0 = as it is
 *     12  u32 number of the block     16  u32 length of what follows     20  u32 its length unpacked
 *     24  u32 CRC-32C of what follows
 *
 * Kinds: records (store_record.h, padded, in the order of their keys), a file (u32 length of its name, name, bytes),
 * and the end: u64 keys, u64 bytes of records, u32 files, u32 zero, SHA-256 of all that lies before the block. Head and
 * checksum of the head stay where they are in every format, so that a newer one is told from a damaged one.
 */
#ifndef KNARR_STORE_BACKUP_FORMAT_H
#define KNARR_STORE_BACKUP_FORMAT_H

#include <openssl/evp.h>

#include "store/store_backup.h"
#include "store/store_record.h"

#define BACKUP_FORMAT      1
#define BACKUP_HEAD        64
#define BACKUP_BLOCK_HEAD  32
#define BACKUP_BLOCK_MAGIC 0x424b4e4bu
#define BACKUP_END_SIZE    56
#define BACKUP_DIGEST      32
#define BACKUP_STEP        (1u << 20) /* bytes of records after which a block is closed */
#define BACKUP_RAW_MAX     (8u << 20) /* of a block unpacked: a step and the longest record fit */
#define BACKUP_STORED_MAX  (BACKUP_RAW_MAX + (1u << 20))

enum backup_kind { BACKUP_RECORDS = 1, BACKUP_FILE, BACKUP_END };
enum { BACKUP_AT_FORMAT = 8, BACKUP_AT_REVISION = 16, BACKUP_AT_TIME = 24, BACKUP_AT_CRC = 60 };
extern const char backup_magic[8];

struct backup_block {
    enum backup_kind kind;
    bool packed;
    uint32_t number;
    uint32_t stored;
    uint32_t raw;
    uint32_t crc;
};

void backup_block_write(char to[BACKUP_BLOCK_HEAD], const struct backup_block *block);
/* False when it is damaged. */
bool backup_block_read(const char from[BACKUP_BLOCK_HEAD], struct backup_block *ret_block);

/* What is written so far: every byte goes through here. */
struct backup_writer {
    EVP_MD_CTX *digest; /* of all before the block under way */
    uint32_t number;
    struct store_backup_info info;
};
/* Appends one block; big ones are packed. */
void backup_writer_block(struct backup_writer *w, enum backup_kind kind, struct slice raw, struct buf *out);
/* Counts the file and appends its block. ERROR_INVALID when it may not go along. */
int backup_writer_file(struct backup_writer *w, const struct store_backup_file *file, struct buf *out,
                       struct error *err);
void backup_writer_end(struct backup_writer *w, struct buf *out);

bool backup_file_fits(struct slice name, size_t bytes);

/* ---- reading ---- */

struct backup_visits {
    int (*record)(void *arg, const struct store_record *record, struct error *err); /* NULL = none */
    store_visit_backup_file *file;                                                  /* NULL = none */
    void *arg;
};
/* Reads all and checks it. *ret_writer (may be NULL) is then as the writer was in front of the end, at *ret_end bytes;
 * its digest is the caller's to free. */
int backup_read(int fd, const struct backup_visits *visits, struct store_backup_info *ret_info,
                struct backup_writer *ret_writer, uint64_t *ret_end, struct error *err);

#endif
