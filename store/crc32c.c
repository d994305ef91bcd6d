/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C twice: with the processor's instruction where there is one (every record is verified on every read, so it
 * must cost less than copying the bytes), and with eight tables elsewhere. Both give the same number on every machine.
 */
#include "store/crc32c.h"

#include <endian.h>
#include <pthread.h>

#define POLYNOMIAL 0x82f63b78u /* 0x1edc6f41, bits reversed */

static uint32_t tables[8][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void tables_make(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;

        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? (crc >> 1) ^ POLYNOMIAL : crc >> 1;
        tables[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int t = 1; t < 8; t++)
            tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xff];
    }
}

static uint64_t load_u64(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return le64toh(word);
}

uint32_t crc32c_portable(uint32_t crc, struct slice bytes)
{
    const char *at = bytes.data;
    size_t left = bytes.len;

    (void)pthread_once(&tables_once, tables_make);
    crc = ~crc;
    for (; left >= 8; at += 8, left -= 8) {
        uint64_t word = load_u64(at) ^ crc;

        crc = tables[7][word & 0xff] ^ tables[6][(word >> 8) & 0xff] ^ tables[5][(word >> 16) & 0xff] ^
              tables[4][(word >> 24) & 0xff] ^ tables[3][(word >> 32) & 0xff] ^ tables[2][(word >> 40) & 0xff] ^
              tables[1][(word >> 48) & 0xff] ^ tables[0][word >> 56];
    }
    for (; left; at++, left--)
        crc = (crc >> 8) ^ tables[0][(crc ^ (unsigned char)*at) & 0xff];
    return ~crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse(uint32_t crc, struct slice bytes)
{
    const char *at = bytes.data;
    size_t left = bytes.len;
    uint64_t wide = ~crc;

    for (; left >= 8; at += 8, left -= 8)
        wide = __builtin_ia32_crc32di(wide, load_u64(at));
    for (; left; at++, left--)
        wide = __builtin_ia32_crc32qi((uint32_t)wide, (unsigned char)*at);
    return ~(uint32_t)wide;
}
#endif

uint32_t crc32c(uint32_t crc, struct slice bytes)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_sse(crc, bytes);
#endif
    return crc32c_portable(crc, bytes);
}
