/* SPDX-License-Identifier: Apache-2.0 */
/* Places: the keys of the tables `log` and `history`, and the small value of `history`. See store_internal.h. */
#include "store/store_internal.h"

#include <endian.h>

static void put_be32(char *to, uint32_t value)
{
    value = htobe32(value);
    memcpy(to, &value, sizeof(value));
}

static void put_be64(char *to, uint64_t value)
{
    value = htobe64(value);
    memcpy(to, &value, sizeof(value));
}

static uint32_t get_be32(const char *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return be32toh(value);
}

static uint64_t get_be64(const char *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return be64toh(value);
}

struct store_place store_log_place(uint64_t revision, uint32_t index)
{
    struct store_place place = {.len = STORE_LOG_PLACE};

    put_be64(place.bytes, revision);
    put_be32(place.bytes + 8, index);
    return place;
}

bool store_log_place_read(struct slice place, uint64_t *ret_revision, uint32_t *ret_index)
{
    if (place.len != STORE_LOG_PLACE)
        return false;
    *ret_revision = get_be64(place.data);
    *ret_index = get_be32(place.data + 8);
    return true;
}

struct store_place store_history_place(struct slice key, uint64_t revision)
{
    struct store_place place = {.len = key.len + 8};

    memcpy(place.bytes, key.data, key.len);
    put_be64(place.bytes + key.len, revision);
    return place;
}

bool store_history_place_read(struct slice place, struct slice *ret_key, uint64_t *ret_revision)
{
    if (place.len <= 8 || place.len > STORE_PLACE_MAX)
        return false;
    *ret_key = slice_make(place.data, place.len - 8);
    *ret_revision = get_be64(place.data + place.len - 8);
    return true;
}

void store_history_value_write(char to[STORE_HISTORY_VALUE], uint32_t index, enum store_event_kind kind)
{
    put_be32(to, index);
    to[4] = (char)kind;
}

bool store_history_value_read(struct slice value, uint32_t *ret_index, enum store_event_kind *ret_kind)
{
    if (value.len < STORE_HISTORY_VALUE || (unsigned char)value.data[4] > STORE_EVENT_DELETE)
        return false;
    *ret_index = get_be32(value.data);
    *ret_kind = (enum store_event_kind)value.data[4];
    return true;
}
