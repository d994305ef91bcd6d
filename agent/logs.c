/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/logs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fs.h"
#include "lib/clock.h"

#define END_MAX (64 << 10) /* bytes of a file that its end is looked for in */

void log_filter_clear(struct log_filter *f)
{
    buf_free(&f->rest);
}

static void filter_write(struct log_filter *f, struct slice text, struct buf *out)
{
    int64_t left = f->options.limit - f->written;

    if (f->options.limit >= 0 && (int64_t)text.len >= left) {
        text.len = left > 0 ? (size_t)left : 0;
        f->full = true;
    }
    buf_append_slice(out, text);
    f->written += (int64_t)text.len;
}

/* One entry without its newline. */
static void filter_entry(struct log_filter *f, struct slice entry, struct buf *out)
{
    struct slice rest = entry;
    struct slice time = SLICE_NONE;
    struct slice stream = SLICE_NONE;
    struct slice tag = SLICE_NONE;
    int64_t when;
    bool part;

    if (!slice_split(&rest, ' ', &time) || !rest.data || !slice_split(&rest, ' ', &stream) || !rest.data ||
        !slice_split(&rest, ' ', &tag) || !tag.len || !time_parse(time, &when))
        return;
    if (f->options.since_ns && when < f->options.since_ns)
        return;
    part = tag.data[0] == 'P';
    if (f->options.timestamps && !f->inside) {
        char text[TIME_TEXT_MAX];

        /* conmon writes local time; clients expect UTC with nine digits, as a kubelet answers. */
        time_format_nano(when, text);
        filter_write(f, slice_str(text), out);
        filter_write(f, SLICE_LIT(" "), out);
    }
    filter_write(f, rest, out);
    if (!part)
        filter_write(f, SLICE_LIT("\n"), out);
    f->inside = part;
}

void log_filter_feed(struct log_filter *f, struct slice data, struct buf *out)
{
    while (!f->full && data.len) {
        ptrdiff_t end = slice_find(data, '\n');

        if (end < 0) {
            if (f->rest.len + data.len <= LOG_ENTRY_MAX)
                buf_append_slice(&f->rest, data);
            return;
        }
        if (f->rest.len) {
            buf_append(&f->rest, data.data, (size_t)end);
            filter_entry(f, buf_slice(&f->rest), out);
            buf_reset(&f->rest);
        } else {
            filter_entry(f, slice_make(data.data, (size_t)end), out);
        }
        data = slice_from(data, (size_t)end + 1);
    }
}

int64_t log_tail_offset(int fd, int64_t lines)
{
    char chunk[16384];
    struct stat st;
    int64_t at;

    if (fstat(fd, &st))
        return 0;
    if (lines <= 0)
        return lines < 0 ? 0 : st.st_size;
    /* The newline that ends the last entry does not begin another. */
    for (at = st.st_size; at > 0;) {
        size_t want = at < (int64_t)sizeof(chunk) ? (size_t)at : sizeof(chunk);
        ssize_t n = pread(fd, chunk, want, at - (int64_t)want);

        if (n != (ssize_t)want)
            return 0;
        for (size_t i = want; i-- > 0;)
            if (chunk[i] == '\n' && at - (int64_t)want + (int64_t)i + 1 < st.st_size && --lines == 0)
                return at - (int64_t)want + (int64_t)i + 1;
        at -= (int64_t)want;
    }
    return 0;
}

void log_read_end(const char *path, int64_t lines, size_t max, struct buf *out)
{
    struct log_filter filter = {.options = {.tail = -1, .limit = -1}};
    int fd CLEANUP_FD = open(path, O_RDONLY | O_CLOEXEC);
    int64_t at = fd >= 0 ? log_tail_offset(fd, lines) : 0;
    char chunk[16384];
    struct stat st;
    BUF_LOCAL(text);
    ssize_t n;

    if (fd < 0 || fstat(fd, &st))
        return;
    /* An entry that is cut by this is passed over. */
    if (at < st.st_size - END_MAX)
        at = st.st_size - END_MAX;
    for (; at < st.st_size && (n = pread(fd, chunk, sizeof(chunk), at)) > 0; at += n)
        log_filter_feed(&filter, slice_make(chunk, (size_t)n), &text);
    log_filter_clear(&filter);
    buf_append_slice(out, slice_from(buf_slice(&text), text.len > max ? text.len - max : 0));
}
