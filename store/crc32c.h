/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli, RFC 3720 appendix B.4): what tells a damaged record from a sound one. */
#ifndef KNARR_STORE_CRC32C_H
#define KNARR_STORE_CRC32C_H

#include "lib/bytes.h"

/* Goes on from `crc` (0 = the start), so that crc32c(crc32c(0, a), b) is the checksum of a followed by b. */
uint32_t crc32c(uint32_t crc, struct slice bytes);
/* The same by tables, whatever the processor can do; for tests. */
uint32_t crc32c_portable(uint32_t crc, struct slice bytes);

#endif
