/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/encoding.h"

#define LOG_PIECE_MAX 8 /* of one character, escaped, with its NUL */

static enum log_level log_minimum = LOG_INFO;
static enum log_format log_form = LOG_TEXT;

void log_set_level(enum log_level level)
{
    __atomic_store_n(&log_minimum, level, __ATOMIC_RELAXED);
}

void log_set_format(enum log_format format)
{
    __atomic_store_n(&log_form, format, __ATOMIC_RELAXED);
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};

    return names[level];
}

/* The character at *p as it stands in a JSON string; advances *p. */
static size_t log_escape(const char **p, char ret_piece[LOG_PIECE_MAX])
{
    unsigned char c = (unsigned char)**p;
    size_t len = c < 0x80 ? 1 : utf8_sequence(slice_str(*p));

    if (c == '"' || c == '\\') {
        ret_piece[0] = '\\';
        ret_piece[1] = (char)c;
        *p += 1;
        return 2;
    }
    if (c < 0x20 || c == 0x7f) {
        *p += 1;
        return (size_t)snprintf(ret_piece, LOG_PIECE_MAX, "\\u%04x", c);
    }
    if (!len) {
        ret_piece[0] = '?';
        *p += 1;
        return 1;
    }
    memcpy(ret_piece, *p, len);
    *p += len;
    return len;
}

static size_t log_format_json(const char *time, enum log_level level, const char *component, const char *message,
                              char *line)
{
    static const char end[] = "\"}\n";
    size_t n = (size_t)snprintf(line, LOG_LINE_MAX,
                                "{\"ts\":\"%s\",\"level\":\"%s\",\"component\":\"%.64s\",\"msg\":\"", time,
                                log_level_name(level), component);
    char piece[LOG_PIECE_MAX];

    while (*message) {
        size_t len = log_escape(&message, piece);

        if (n + len + sizeof(end) > LOG_LINE_MAX)
            break;
        memcpy(line + n, piece, len);
        n += len;
    }
    memcpy(line + n, end, sizeof(end));
    return n + sizeof(end) - 1;
}

static size_t log_format_text(const char *time, enum log_level level, const char *component, const char *message,
                              char *line)
{
    size_t start = (size_t)snprintf(line, LOG_LINE_MAX, "%s %s %.64s: ", time, log_level_name(level), component);
    size_t n;

    (void)snprintf(line + start, LOG_LINE_MAX - start, "%s", message);
    n = strnlen(line, LOG_LINE_MAX - 2);
    for (size_t i = start; i < n; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    /* A character that was cut in the middle goes. */
    for (size_t i = n; n == LOG_LINE_MAX - 2 && i > start && n - i < 4; i--) {
        unsigned char c = (unsigned char)line[i - 1];

        if (c < 0x80)
            break;
        if (c >= 0xc0) {
            if (!utf8_sequence(slice_make(line + i - 1, n - i + 1)))
                n = i - 1;
            break;
        }
    }
    line[n++] = '\n';
    line[n] = '\0';
    return n;
}

size_t log_format_line(enum log_format format, const char *time, enum log_level level, const char *component,
                       const char *message, char ret_line[LOG_LINE_MAX])
{
    return format == LOG_JSON ? log_format_json(time, level, component, message, ret_line)
                              : log_format_text(time, level, component, message, ret_line);
}

void log_write(enum log_level level, const char *component, const char *fmt, ...)
{
    char message[LOG_LINE_MAX];
    char line[LOG_LINE_MAX];
    char time[TIME_TEXT_MAX];
    va_list args;
    ssize_t written;
    size_t n;

    if (level < __atomic_load_n(&log_minimum, __ATOMIC_RELAXED))
        return;
    time_format_micro(clock_wall_ns(clock_system()), time);
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    n = log_format_line(__atomic_load_n(&log_form, __ATOMIC_RELAXED), time, level, component, message, line);
    /* One write per line keeps lines of several threads whole. */
    written = write(STDERR_FILENO, line, n);
    (void)written;
}
