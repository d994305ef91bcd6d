/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backups: whatever the file holds, reading it neither crashes nor takes more memory than a block. A block with right
 * checksums around the input gets behind those.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "store/crc32c.h"
#include "store/store_backup_format.h"
#include "store/store_bytes.h"
#include "tests/fuzz/fuzz.h"

static int check(struct slice bytes)
{
    int fd = memfd_create("backup", MFD_CLOEXEC);
    struct store_backup_info info;
    int rc;

    FUZZ_CHECK(fd >= 0 && write(fd, bytes.data, bytes.len) == (ssize_t)bytes.len && lseek(fd, 0, SEEK_SET) == 0);
    rc = store_backup_check(fd, NULL, NULL, &info, NULL);
    FUZZ_CHECK(rc < 0 || info.size == bytes.len);
    (void)close(fd);
    return rc;
}

static void head(struct buf *out)
{
    char bytes[BACKUP_HEAD] = {0};

    memcpy(bytes, backup_magic, sizeof(backup_magic));
    put_u32(bytes + BACKUP_AT_FORMAT, BACKUP_FORMAT);
    put_u64(bytes + BACKUP_AT_REVISION, 1000);
    put_u32(bytes + BACKUP_AT_CRC, crc32c(0, slice_make(bytes, BACKUP_AT_CRC)));
    buf_append(out, bytes, sizeof(bytes));
}

/* The first byte says of what kind the block is and whether it is packed, the next two how long it says to be. */
static void block(struct slice input, struct buf *out)
{
    const unsigned char *in = (const unsigned char *)input.data;
    struct slice stored = slice_from(input, 3);
    const struct backup_block b = {.kind = (enum backup_kind)(1 + in[0] % 3),
                                   .packed = in[0] & 64,
                                   .stored = (uint32_t)stored.len,
                                   .raw = in[0] & 64 ? (uint32_t)(in[1] << 8 | in[2]) << 7 : (uint32_t)stored.len,
                                   .crc = crc32c(0, stored)};

    backup_block_write(buf_reserve(out, BACKUP_BLOCK_HEAD), &b);
    out->len += BACKUP_BLOCK_HEAD;
    buf_append_slice(out, stored);
}

static void fuzz_one(struct slice input)
{
    BUF_LOCAL(bytes);

    (void)check(input);
    head(&bytes);
    if (input.len >= 3)
        block(input, &bytes);
    else
        buf_append_slice(&bytes, input);
    (void)check(buf_slice(&bytes));
}
