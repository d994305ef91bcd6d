/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a backup, piece by piece:
 *
 *     HEAD --first piece--> KEYS --a page of keys a piece--> the last page was read, the end is written --> DONE
 *
 * Every page is a list at the one revision, which the store keeps while the backup holds it; so writers go on, and the
 * pages fit together.
 */
#include "store/store_backup.h"

#include <zstd.h>

#include "store/crc32c.h"
#include "store/store_backup_format.h"
#include "store/store_bytes.h"
#include "store/store_internal.h"

#define PACK_LEVEL 3
#define PACK_MIN   64 /* bytes; less does not get smaller */

const char backup_magic[8] = {'K', 'N', 'A', 'R', 'R', 'B', 'A', 'K'};

enum backup_state { BACKUP_BEGUN, BACKUP_KEYS, BACKUP_DONE };

struct store_backup {
    struct store *store;
    struct store_hold hold;
    enum backup_state state;
    struct backup_writer writer;
    struct buf raw;   /* records of the block under way */
    struct buf after; /* the last key of the pages so far */
};

/* ---- blocks ---- */

void backup_block_write(char to[BACKUP_BLOCK_HEAD], const struct backup_block *b)
{
    memset(to, 0, BACKUP_BLOCK_HEAD);
    put_u32(to + 4, BACKUP_BLOCK_MAGIC);
    to[8] = (char)b->kind;
    to[9] = b->packed;
    put_u32(to + 12, b->number);
    put_u32(to + 16, b->stored);
    put_u32(to + 20, b->raw);
    put_u32(to + 24, b->crc);
    put_u32(to, crc32c(0, slice_make(to + 4, BACKUP_BLOCK_HEAD - 4)));
}

bool backup_block_read(const char from[BACKUP_BLOCK_HEAD], struct backup_block *ret_block)
{
    unsigned char kind = (unsigned char)from[8];

    if (get_u32(from) != crc32c(0, slice_make(from + 4, BACKUP_BLOCK_HEAD - 4)) ||
        get_u32(from + 4) != BACKUP_BLOCK_MAGIC || kind < BACKUP_RECORDS || kind > BACKUP_END ||
        (unsigned char)from[9] > 1)
        return false;
    *ret_block = (struct backup_block){
        .kind = (enum backup_kind)kind,
        .packed = from[9],
        .number = get_u32(from + 12),
        .stored = get_u32(from + 16),
        .raw = get_u32(from + 20),
        .crc = get_u32(from + 24),
    };
    return ret_block->raw <= BACKUP_RAW_MAX && ret_block->stored <= BACKUP_STORED_MAX &&
           (ret_block->packed || ret_block->stored == ret_block->raw);
}

static void writer_count(struct backup_writer *w, const struct buf *out, size_t from)
{
    (void)EVP_DigestUpdate(w->digest, out->data + from, out->len - from);
    w->info.size += out->len - from;
}

void backup_writer_block(struct backup_writer *w, enum backup_kind kind, struct slice raw, struct buf *out)
{
    struct backup_block block = {.kind = kind, .number = w->number++, .raw = (uint32_t)raw.len};
    size_t head = out->len;
    size_t room = ZSTD_compressBound(raw.len);
    char *to = buf_reserve(out, BACKUP_BLOCK_HEAD + room) + BACKUP_BLOCK_HEAD;
    size_t packed = raw.len < PACK_MIN ? raw.len : ZSTD_compress(to, room, raw.data, raw.len, PACK_LEVEL);

    block.packed = raw.len >= PACK_MIN && !ZSTD_isError(packed) && packed < raw.len;
    if (!block.packed) {
        packed = raw.len;
        memcpy(to, raw.data, raw.len);
    }
    block.stored = (uint32_t)packed;
    block.crc = crc32c(0, slice_make(to, packed));
    backup_block_write(out->data + head, &block);
    out->len += BACKUP_BLOCK_HEAD + packed;
    writer_count(w, out, head);
}

bool backup_file_fits(struct slice name, size_t bytes)
{
    if (!name.len || name.len > STORE_BACKUP_FILE_NAME_MAX || name.data[0] == '.' ||
        bytes > STORE_BACKUP_FILE_BYTES_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '.' && c != '_' &&
            c != '-')
            return false;
    }
    return true;
}

int backup_writer_file(struct backup_writer *w, const struct store_backup_file *file, struct buf *out,
                       struct error *err)
{
    struct slice name = slice_str(file->name);
    char length[4];
    BUF_LOCAL(raw);

    if (!backup_file_fits(name, file->bytes.len) || w->info.files >= STORE_BACKUP_FILES_MAX)
        return error_set(err, ERROR_INVALID, "%s cannot go along with a backup", file->name);
    put_u32(length, (uint32_t)name.len);
    buf_append(&raw, length, sizeof(length));
    buf_append_slice(&raw, name);
    buf_append_slice(&raw, file->bytes);
    backup_writer_block(w, BACKUP_FILE, buf_slice(&raw), out);
    w->info.files++;
    return 0;
}

void backup_writer_end(struct backup_writer *w, struct buf *out)
{
    char end[BACKUP_END_SIZE] = {0};

    put_u64(end, w->info.keys);
    put_u64(end + 8, w->info.bytes);
    put_u32(end + 16, (uint32_t)w->info.files);
    (void)EVP_DigestFinal_ex(w->digest, (unsigned char *)end + 24, NULL);
    backup_writer_block(w, BACKUP_END, slice_make(end, sizeof(end)), out);
}

/* ---- the backup ---- */

int store_backup_begin(struct store *store, struct store_backup **ret_backup, struct error *err)
{
    struct store_backup *b = mem_zalloc(sizeof(*b));

    b->store = store;
    b->writer.digest = EVP_MD_CTX_new();
    if (!b->writer.digest || !EVP_DigestInit_ex(b->writer.digest, EVP_sha256(), NULL)) {
        EVP_MD_CTX_free(b->writer.digest);
        free(b);
        return error_set(err, ERROR_INTERNAL, "SHA-256 cannot be had");
    }
    store_hold_begin(store, &b->hold);
    b->writer.info.revision = b->hold.revision;
    b->writer.info.time_ns = clock_wall_ns(store->clock);
    *ret_backup = b;
    return 0;
}

void store_backup_end(struct store_backup *b)
{
    if (!b)
        return;
    store_hold_end(b->store, &b->hold);
    EVP_MD_CTX_free(b->writer.digest);
    buf_free(&b->raw);
    buf_free(&b->after);
    free(b);
}

static void backup_head(struct store_backup *b, struct buf *out)
{
    char *to = buf_reserve(out, BACKUP_HEAD);
    size_t from = out->len;

    memset(to, 0, BACKUP_HEAD);
    memcpy(to, backup_magic, sizeof(backup_magic));
    put_u32(to + BACKUP_AT_FORMAT, BACKUP_FORMAT);
    put_u64(to + BACKUP_AT_REVISION, b->writer.info.revision);
    put_u64(to + BACKUP_AT_TIME, (uint64_t)b->writer.info.time_ns);
    put_u32(to + BACKUP_AT_CRC, crc32c(0, slice_make(to, BACKUP_AT_CRC)));
    out->len += BACKUP_HEAD;
    writer_count(&b->writer, out, from);
}

/* Where its version before lay is told by its revision alone: the log does not go along. */
static int backup_record(void *arg, const struct store_record *from)
{
    struct store_backup *b = arg;
    struct store_record record = *from;
    size_t size = store_record_size(&record);

    record.prev = (struct store_place){0, 0};
    store_record_write(buf_reserve(&b->raw, store_record_padded(size)), &record);
    b->raw.len += store_record_padded(size);
    buf_reset(&b->after);
    buf_append_slice(&b->after, record.key);
    b->writer.info.keys++;
    b->writer.info.bytes += size;
    return b->raw.len >= BACKUP_STEP;
}

/* A page of keys: 1, 0 when it was the last, or a negative error. */
static int backup_page(struct store_backup *b, struct buf *out, struct error *err)
{
    const struct store_range range = {
        .after = buf_slice(&b->after),
        .at_revision = b->writer.info.revision,
        .skip_count = true,
        .class = STORE_HISTORY_NONE, /* the one that is kept least: everything is there or the list fails */
    };
    ERROR_LOCAL(failure);
    BUF_LOCAL(key);
    struct store_range here = range;
    int rc;

    /* The visitor moves b->after on while the list still looks at where it began. */
    buf_append_slice(&key, range.after);
    here.after = buf_slice(&key);
    rc = store_list_records(b->store, &here, backup_record, b, NULL, &failure);
    if (rc < 0 && failure.code == ERROR_EXPIRED)
        return error_set(
            err, ERROR_EXPIRED,
            "what the backup reads is no longer kept: more was written meanwhile than the history may hold "
            "(--history-mib), or the disk is full");
    if (rc < 0)
        return error_pass(err, &failure, NULL);
    if (b->raw.len)
        backup_writer_block(&b->writer, BACKUP_RECORDS, buf_slice(&b->raw), out);
    buf_reset(&b->raw);
    return rc;
}

int store_backup_next(struct store_backup *b, struct buf *out, struct error *err)
{
    int rc;

    if (b->state == BACKUP_DONE)
        return 0;
    if (b->state == BACKUP_BEGUN)
        backup_head(b, out);
    b->state = BACKUP_KEYS;
    rc = backup_page(b, out, err);
    if (rc)
        return rc;
    backup_writer_end(&b->writer, out);
    b->state = BACKUP_DONE;
    return 0;
}
