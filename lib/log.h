/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log: one line per event on standard error: time, level, component, sentence; as text or as a JSON object with ts,
 * level, component and msg. A line says what failed, on which object, and what happens next. What comes from outside
 * cannot break a line: control characters become spaces in text and escapes in JSON, bytes that are no UTF-8 become
 * '?' there. Lines are cut at 4 KiB, whole characters and a whole object always. Thread-safe.
 */
#ifndef KNARR_LIB_LOG_H
#define KNARR_LIB_LOG_H

#include "lib/error.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

#define LOG_LINE_MAX 4096 /* bytes, the line's end among them */

void log_set_level(enum log_level level);
void log_set_format(enum log_format format);
const char *log_level_name(enum log_level level); /* "warning" */
/* One line with its end, as log_write writes it; returns its length. Pure. */
size_t log_format_line(enum log_format format, const char *time, enum log_level level, const char *component,
                       const char *message, char ret_line[LOG_LINE_MAX]);
void log_write(enum log_level level, const char *component, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_debug(component, ...)   log_write(LOG_DEBUG, component, __VA_ARGS__)
#define log_info(component, ...)    log_write(LOG_INFO, component, __VA_ARGS__)
#define log_warning(component, ...) log_write(LOG_WARNING, component, __VA_ARGS__)
#define log_error(component, ...)   log_write(LOG_ERROR, component, __VA_ARGS__)

#endif
