/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking of archives that strangers made. Nothing is ever written outside the root directory: names with ".." are
 * refused, and every directory on the way is resolved by the kernel inside the root. Blocks: pool threads only.
 */
#ifndef KNARR_AGENT_IMAGE_UNPACK_H
#define KNARR_AGENT_IMAGE_UNPACK_H

#include <sys/types.h>

#include "lib/encoding.h"
#include "lib/error.h"

struct image_unpack_options {
    bool layer;           /* an image layer: white-outs become overlayfs', owners and device nodes are kept */
    uint64_t bytes_max;   /* of file contents; 0 = 64 GiB */
    uint64_t entries_max; /* 0 = 2,000,000 */
};

/* Where the (maybe compressed) tar comes from: like read(2); negative = failed, err set. */
typedef ssize_t image_unpack_read(void *arg, void *data, size_t size, struct error *err);

/* Unpacks a tar, plain or compressed by gzip, zstd, bzip2 or xz, into the open directory `root`. *ret_digest (may be
 * NULL) is the SHA-256 of the uncompressed tar in hex: an image's diffID. ERROR_INVALID for a bad or hostile archive.
 */
int image_unpack(int root, image_unpack_read *source, void *arg, const struct image_unpack_options *options,
                 char ret_digest[SHA256_SIZE * 2 + 1], struct error *err);
/* The same from a file. */
int image_unpack_file(int root, const char *file, const struct image_unpack_options *options,
                      char ret_digest[SHA256_SIZE * 2 + 1], struct error *err);

/* Opens a path that comes from outside, inside `root`. Returns a descriptor or a negative error. */
int image_open_inside(int root, const char *path, int flags, struct error *err);

#endif
