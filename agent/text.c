/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/text.h"

#include "lib/encoding.h"

char *text_clean(struct slice raw, size_t max)
{
    BUF_LOCAL(out);

    for (size_t i = 0; i < raw.len;) {
        size_t len = utf8_sequence(slice_make(raw.data + i, raw.len - i));

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
