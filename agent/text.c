/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/text.h"

#include <stdio.h>

#include "lib/encoding.h"

char *text_clean(struct slice raw, size_t max)
{
    BUF_LOCAL(out);

    for (size_t i = 0; i < raw.len;) {
        size_t len = utf8_sequence(slice_from(raw, i));

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

const char *text_duration(int64_t ns, char out[TEXT_DURATION_MAX])
{
    int64_t ms = ns / 1000000;
    int64_t s = ms / 1000;
    size_t len;

    if (ms > 0 && ms < 1000) {
        (void)snprintf(out, TEXT_DURATION_MAX, "%lldms", (long long)ms);
        return out;
    }
    *out = '\0';
    if (s >= 3600)
        (void)snprintf(out, TEXT_DURATION_MAX, "%lldh", (long long)(s / 3600));
    len = strlen(out);
    if (s >= 60)
        (void)snprintf(out + len, TEXT_DURATION_MAX - len, "%lldm", (long long)(s / 60 % 60));
    len = strlen(out);
    (void)snprintf(out + len, TEXT_DURATION_MAX - len, "%lld.%03lld", (long long)(s % 60), (long long)(ms % 1000));
    len = strlen(out);
    while (out[len - 1] == '0')
        len--;
    if (out[len - 1] == '.')
        len--;
    (void)snprintf(out + len, TEXT_DURATION_MAX - len, "s");
    return out;
}
