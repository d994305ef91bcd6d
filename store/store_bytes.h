/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian numbers in what lies on disk, at any alignment. */
#ifndef KNARR_STORE_BYTES_H
#define KNARR_STORE_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void put_u16(char *to, unsigned value)
{
    uint16_t little = htole16((uint16_t)value);

    memcpy(to, &little, sizeof(little));
}

static inline void put_u32(char *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof(value));
}

static inline void put_u64(char *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof(value));
}

static inline unsigned get_u16(const char *from)
{
    uint16_t value;

    memcpy(&value, from, sizeof(value));
    return le16toh(value);
}

static inline uint32_t get_u32(const char *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return le32toh(value);
}

static inline uint64_t get_u64(const char *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return le64toh(value);
}

#endif
