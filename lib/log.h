/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log: one line per event on standard error: time, level, component, sentence. A line says what failed, on which
 * object, and what happens next. Control characters from outside are escaped, lines are cut at 4 KiB. Thread-safe.
 */
#ifndef KNARR_LIB_LOG_H
#define KNARR_LIB_LOG_H

#include "lib/error.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

void log_set_level(enum log_level level);
void log_write(enum log_level level, const char *component, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_debug(component, ...)   log_write(LOG_DEBUG, component, __VA_ARGS__)
#define log_info(component, ...)    log_write(LOG_INFO, component, __VA_ARGS__)
#define log_warning(component, ...) log_write(LOG_WARNING, component, __VA_ARGS__)
#define log_error(component, ...)   log_write(LOG_ERROR, component, __VA_ARGS__)

#endif
