/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"

#define LOG_LINE_MAX 4096

static enum log_level log_minimum = LOG_INFO;

void log_set_level(enum log_level level)
{
    __atomic_store_n(&log_minimum, level, __ATOMIC_RELAXED);
}

void log_write(enum log_level level, const char *component, const char *fmt, ...)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    char line[LOG_LINE_MAX];
    char time[TIME_TEXT_MAX];
    va_list args;
    size_t start, n;
    ssize_t written;

    if (level < __atomic_load_n(&log_minimum, __ATOMIC_RELAXED))
        return;
    time_format_micro(clock_wall_ns(clock_system()), time);
    start = (size_t)snprintf(line, sizeof(line), "%s %s %s: ", time, names[level], component);
    va_start(args, fmt);
    (void)vsnprintf(line + start, sizeof(line) - start, fmt, args);
    va_end(args);
    n = strnlen(line, sizeof(line) - 1);
    for (size_t i = start; i < n; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    line[n++] = '\n';
    /* One write per line keeps lines of several threads whole. */
    written = write(STDERR_FILENO, line, n);
    (void)written;
}
