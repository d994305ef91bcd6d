/* SPDX-License-Identifier: Apache-2.0 */
/* Only what a server of ours, or another API server, says to a request to upgrade: one line, then headers. */
#include "lib/http_tunnel_head.h"

#include <ctype.h>

static bool head_line(struct tunnel_head *h, char *line, size_t len)
{
    ptrdiff_t colon = slice_find(slice_make(line, len), ':');
    struct slice value;

    if (colon <= 0 || h->header_count == TUNNEL_HEADERS_MAX)
        return false;
    for (ptrdiff_t i = 0; i < colon; i++)
        line[i] = (char)tolower((unsigned char)line[i]);
    line[colon] = '\0';
    value = slice_trim(slice_make(line + colon + 1, len - (size_t)colon - 1));
    h->headers[h->header_count++] = (struct http_header){line, value};
    if (!strcmp(line, "content-length") && (!slice_to_int64(value, &h->body_len) || h->body_len < 0))
        return false;
    return true;
}

bool tunnel_head_parse(struct tunnel_head *h)
{
    struct slice rest = buf_slice(&h->text);
    struct slice line;
    bool first = true;

    h->body_len = -1;
    while (slice_split(&rest, '\n', &line)) {
        if (line.len && line.data[line.len - 1] == '\r')
            line.len--;
        if (first) {
            if (line.len < 12 || !slice_starts(line, SLICE_LIT("HTTP/1.1 ")))
                return false;
            for (int i = 9; i < 12; i++)
                h->status = h->status * 10 + (isdigit((unsigned char)line.data[i]) ? line.data[i] - '0' : 1000);
        } else if (line.len && !head_line(h, h->text.data + (line.data - h->text.data), line.len)) {
            return false;
        }
        first = false;
    }
    return h->status >= 101 && h->status < 600;
}
