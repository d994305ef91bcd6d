/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/text.h"

/* Bytes of the UTF-8 sequence at the start; 0 when there is none. Overlong forms and surrogates are none. */
static size_t sequence_length(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.data;
    static const unsigned char least[] = {0, 0, 0, 0xA0, 0x90};
    size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xC2 && p[0] < 0xE0 ? 2 : (p[0] & 0xF0) == 0xE0 ? 3 : 0;

    if (p[0] >= 0xF0 && p[0] <= 0xF4)
        len = 4;
    if (!len || len > s.len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 || p[0] == 0xF0) && p[1] < least[len])
        return 0;
    if ((p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return len;
}

char *text_clean(struct slice raw, size_t max)
{
    BUF_LOCAL(out);

    for (size_t i = 0; i < raw.len;) {
        size_t len = sequence_length(slice_make(raw.data + i, raw.len - i));

        if (out.len + (len ? len : 3) > max)
            break;
        if (!len)
            buf_append_str(&out, "\xEF\xBF\xBD");
        else if (raw.data[i])
            buf_append(&out, raw.data + i, len);
        i += len ? len : 1;
    }
    return buf_steal_str(&out);
}
