/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a backup: front to back, nothing is shown before its block was checked, and nothing counts before the end
 * was. No length of it is trusted before the checksum over it holds, and every one is bounded.
 */
#include <errno.h>
#include <unistd.h>
#include <zstd.h>

#include "store/crc32c.h"
#include "store/store_backup_format.h"
#include "store/store_bytes.h"
#include "store/store_segment.h"

struct backup_reader {
    int fd;
    const struct backup_visits *visits;
    uint64_t offset; /* bytes read */
    uint64_t block;  /* where the present block begins */
    struct backup_writer writer;
    struct buf stored;
    struct buf raw;
    struct buf key; /* of the last record */
    struct error *err;
};

static int damaged(struct backup_reader *r, uint64_t at, const char *what)
{
    return error_set(r->err, ERROR_CORRUPT, "it is damaged at byte %llu: %s", (unsigned long long)at, what);
}

/* Up to `len` bytes, less only at the end of the file. Negative error. */
static ssize_t read_some(struct backup_reader *r, char *to, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = read(r->fd, to + done, len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(r->err, errno, "reading byte %llu", (unsigned long long)r->offset);
        if (n == 0)
            break;
        done += (size_t)n;
        r->offset += (size_t)n;
    }
    return (ssize_t)done;
}

static int read_all(struct backup_reader *r, char *to, size_t len)
{
    ssize_t n = read_some(r, to, len);

    if (n >= 0 && (size_t)n < len)
        return error_set(r->err, ERROR_CORRUPT, "it is cut off: it ends at byte %llu, in the middle",
                         (unsigned long long)r->offset);
    return n < 0 ? (int)n : 0;
}

static int read_head(struct backup_reader *r)
{
    char head[BACKUP_HEAD];
    ssize_t n = read_some(r, head, sizeof(head));

    if (n < 0)
        return (int)n;
    if ((size_t)n < sizeof(backup_magic) || memcmp(head, backup_magic, sizeof(backup_magic)) != 0)
        return error_set(r->err, ERROR_CORRUPT, "it is damaged at byte 0, or it is not a backup of knarr");
    if ((size_t)n < sizeof(head))
        return error_set(r->err, ERROR_CORRUPT, "it is cut off: it ends at byte %llu, in the middle",
                         (unsigned long long)r->offset);
    if (get_u32(head + BACKUP_AT_CRC) != crc32c(0, slice_make(head, BACKUP_AT_CRC)))
        return damaged(r, 0, "the checksum of its head is wrong");
    if (get_u32(head + BACKUP_AT_FORMAT) != BACKUP_FORMAT)
        return error_set(r->err, ERROR_CORRUPT,
                         "it has format %u, which a newer version of knarr wrote; this one reads %u",
                         get_u32(head + BACKUP_AT_FORMAT), BACKUP_FORMAT);
    r->writer.info.revision = get_u64(head + BACKUP_AT_REVISION);
    r->writer.info.time_ns = (int64_t)get_u64(head + BACKUP_AT_TIME);
    if (r->writer.info.revision == 0 || r->writer.info.revision > UINT64_MAX / 2)
        return damaged(r, BACKUP_AT_REVISION, "this is no revision");
    (void)EVP_DigestUpdate(r->writer.digest, head, sizeof(head));
    return 0;
}

/* ---- what blocks carry ---- */

static int take_record(struct backup_reader *r, const struct store_record *record)
{
    if (record->kind == STORE_EVENT_DELETE || !record->key.len || record->key.len > STORE_KEY_MAX ||
        record->user.len > STORE_USER_MAX || record->meta.len + record->value.len > STORE_VALUE_MAX ||
        !record->create_revision || record->create_revision > record->revision ||
        record->revision > r->writer.info.revision || slice_compare(record->key, buf_slice(&r->key)) <= 0)
        return damaged(r, r->block, "a record in this block cannot be right");
    buf_reset(&r->key);
    buf_append_slice(&r->key, record->key);
    r->writer.info.keys++;
    r->writer.info.bytes += store_record_size(record);
    return r->visits && r->visits->record ? r->visits->record(r->visits->arg, record, r->err) : 0;
}

static int take_records(struct backup_reader *r)
{
    struct slice rest = buf_slice(&r->raw);
    struct store_record record;
    ERROR_LOCAL(failure);
    int rc;

    if (!rest.len)
        return damaged(r, r->block, "a block without records");
    while ((rc = store_records_next(&rest, &record, &failure)) > 0)
        if ((rc = take_record(r, &record)) < 0)
            return rc;
    return rc < 0 ? damaged(r, r->block, error_text(&failure)) : 0;
}

static int take_file(struct backup_reader *r)
{
    struct slice raw = buf_slice(&r->raw);
    uint32_t length = raw.len >= 4 ? get_u32(raw.data) : 0;

    if (raw.len < 4 || length > raw.len - 4 ||
        !backup_file_fits(slice_make(raw.data + 4, length), raw.len - 4 - length) ||
        r->writer.info.files >= STORE_BACKUP_FILES_MAX)
        return damaged(r, r->block, "a file in this block cannot be right");
    r->writer.info.files++;
    if (!r->visits || !r->visits->file)
        return 0;
    char *name CLEANUP_FREE = slice_dup(slice_make(raw.data + 4, length));
    const struct store_backup_file file = {name, slice_from(raw, 4 + length)};
    return r->visits->file(r->visits->arg, &file, r->err);
}

static int take_end(struct backup_reader *r)
{
    unsigned char digest[BACKUP_DIGEST];
    const char *end = r->raw.data;
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    char behind;
    ssize_t n;
    int ok;

    /* A copy, because whoever adds files goes on with it. */
    ok = copy && EVP_MD_CTX_copy_ex(copy, r->writer.digest) && EVP_DigestFinal_ex(copy, digest, NULL);
    EVP_MD_CTX_free(copy);
    if (!ok)
        return error_set(r->err, ERROR_INTERNAL, "SHA-256 cannot be had");
    if (r->raw.len != BACKUP_END_SIZE || get_u64(end) != r->writer.info.keys ||
        get_u64(end + 8) != r->writer.info.bytes || get_u32(end + 16) != r->writer.info.files)
        return damaged(r, r->block, "its end counts otherwise than what lies before it");
    if (memcmp(end + 24, digest, sizeof(digest)) != 0)
        return damaged(r, r->block, "the digest of the whole is wrong");
    r->writer.info.size = r->offset;
    n = read_some(r, &behind, 1);
    if (n > 0)
        return damaged(r, r->writer.info.size, "something lies behind its end");
    return (int)n;
}

/* ---- blocks ---- */

static int unpack(struct backup_reader *r, const struct backup_block *block)
{
    char *to = buf_reserve(&r->raw, block->raw + 1u); /* never NULL */
    size_t n;

    buf_reset(&r->raw);
    if (block->packed) {
        n = ZSTD_decompress(to, block->raw, r->stored.data, r->stored.len);
        if (ZSTD_isError(n) || n != block->raw)
            return damaged(r, r->block, "this block cannot be unpacked");
    } else {
        memcpy(to, r->stored.data, block->raw);
    }
    r->raw.len = block->raw;
    return 0;
}

/* 1, 0 behind the last one, or a negative error. */
static int read_block(struct backup_reader *r)
{
    char head[BACKUP_BLOCK_HEAD];
    struct backup_block block;

    r->block = r->offset;
    if (read_all(r, head, sizeof(head)) < 0)
        return -r->err->code;
    if (!backup_block_read(head, &block) || block.number != r->writer.number)
        return damaged(r, r->block, "the head of the block that begins here");
    buf_reset(&r->raw);
    buf_reset(&r->stored);
    if (read_all(r, buf_reserve(&r->stored, block.stored + 1u), block.stored) < 0)
        return -r->err->code;
    r->stored.len = block.stored;
    if (block.crc != crc32c(0, buf_slice(&r->stored)))
        return damaged(r, r->block, "the checksum of the block that begins here is wrong");
    if (unpack(r, &block) < 0)
        return -r->err->code;
    if (block.kind == BACKUP_END)
        return take_end(r);
    r->writer.number++;
    (void)EVP_DigestUpdate(r->writer.digest, head, sizeof(head));
    (void)EVP_DigestUpdate(r->writer.digest, r->stored.data, r->stored.len);
    if ((block.kind == BACKUP_FILE ? take_file(r) : take_records(r)) < 0)
        return -r->err->code;
    return 1;
}

int backup_read(int fd, const struct backup_visits *visits, struct store_backup_info *ret_info,
                struct backup_writer *ret_writer, uint64_t *ret_end, struct error *err)
{
    ERROR_LOCAL(failure);
    struct backup_reader r = {.fd = fd, .visits = visits, .err = &failure, .writer.digest = EVP_MD_CTX_new()};
    int rc;

    if (!r.writer.digest || !EVP_DigestInit_ex(r.writer.digest, EVP_sha256(), NULL))
        rc = error_set(&failure, ERROR_INTERNAL, "SHA-256 cannot be had");
    else
        rc = read_head(&r);
    if (rc == 0)
        do
            rc = read_block(&r);
        while (rc > 0);
    if (rc == 0 && ret_info)
        *ret_info = r.writer.info;
    if (rc == 0 && ret_writer) {
        *ret_writer = r.writer;
        ret_writer->info.size = *ret_end = r.block;
        r.writer.digest = NULL;
    }
    EVP_MD_CTX_free(r.writer.digest);
    buf_free(&r.stored);
    buf_free(&r.raw);
    buf_free(&r.key);
    return rc < 0 ? error_pass(err, &failure, NULL) : 0;
}

int store_backup_check(int fd, store_visit_backup_file *visit, void *arg, struct store_backup_info *ret_info,
                       struct error *err)
{
    const struct backup_visits visits = {.file = visit, .arg = arg};

    return backup_read(fd, &visits, ret_info, NULL, NULL, err);
}

static int write_at(int fd, struct slice bytes, off_t at, struct error *err)
{
    while (bytes.len) {
        ssize_t n = pwrite(fd, bytes.data, bytes.len, at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set_errno(err, n ? errno : EIO, "writing byte %lld", (long long)at);
        bytes = slice_from(bytes, (size_t)n);
        at += n;
    }
    return 0;
}

int store_backup_add_files(int fd, const struct store_backup_file *files, size_t count,
                           struct store_backup_info *ret_info, struct error *err)
{
    struct backup_writer writer = {0};
    BUF_LOCAL(tail);
    uint64_t end;
    int rc;

    if (lseek(fd, 0, SEEK_SET) < 0)
        return error_set_errno(err, errno, "reading it again");
    rc = backup_read(fd, NULL, ret_info, &writer, &end, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = backup_writer_file(&writer, &files[i], &tail, err);
    if (rc == 0) {
        backup_writer_end(&writer, &tail);
        rc = write_at(fd, buf_slice(&tail), (off_t)end, err);
    }
    EVP_MD_CTX_free(writer.digest);
    if (rc == 0)
        *ret_info = writer.info;
    return rc;
}
