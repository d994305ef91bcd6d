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
/* The instruction gives its result after three steps, but takes new input at each: three parts are read side by side
 * and then put together. */
#define PART 128

static uint32_t shifts[4][256]; /* of each byte of a number: what PART bytes of zero make of it */
static pthread_once_t shifts_once = PTHREAD_ONCE_INIT;

__attribute__((target("sse4.2"))) static void shifts_make(void)
{
    for (unsigned byte = 0; byte < 4; byte++) {
        for (unsigned i = 0; i < 256; i++) {
            uint64_t crc = (uint64_t)i << (8 * byte);

            for (size_t done = 0; done < PART; done += 8)
                crc = __builtin_ia32_crc32di(crc, 0);
            shifts[byte][i] = (uint32_t)crc;
        }
    }
}

static uint32_t shift(uint32_t crc)
{
    return shifts[0][crc & 0xff] ^ shifts[1][(crc >> 8) & 0xff] ^ shifts[2][(crc >> 16) & 0xff] ^ shifts[3][crc >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse(uint32_t crc, struct slice bytes)
{
    const char *at = bytes.data;
    size_t left = bytes.len;
    uint64_t wide = ~crc;

    if (left >= (size_t)3 * PART)
        (void)pthread_once(&shifts_once, shifts_make);
    for (; left >= (size_t)3 * PART; at += (size_t)3 * PART, left -= (size_t)3 * PART) {
        uint64_t second = 0, third = 0;

        for (size_t i = 0; i < PART; i += 8) {
            wide = __builtin_ia32_crc32di(wide, load_u64(at + i));
            second = __builtin_ia32_crc32di(second, load_u64(at + PART + i));
            third = __builtin_ia32_crc32di(third, load_u64(at + (size_t)2 * PART + i));
        }
        wide = shift(shift((uint32_t)wide) ^ (uint32_t)second) ^ (uint32_t)third;
    }
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
