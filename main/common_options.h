/* SPDX-License-Identifier: Apache-2.0 */
/* The options that server and agent have in common, and the end of a process that runs on. */
#ifndef KNARR_MAIN_COMMON_OPTIONS_H
#define KNARR_MAIN_COMMON_OPTIONS_H

#include "cli/options.h"

struct common_options {
    const char *home;
    const char *config;
    const char *log_format;
    const char *log_level;
};

#define COMMON_OPTIONS_DEFAULT                                                                                         \
    {                                                                                                                  \
        .home = "/var/lib/knarr", .log_format = "text", .log_level = "info"                                            \
    }

/* Rows of a table of flags. */
#define COMMON_OPTIONS_ROWS(o)                                                                                         \
    {"home", 0, FLAG_TEXT, &(o).home, "where the state is", "DIR"},                                                    \
        {"config", 0, FLAG_TEXT, &(o).config, "options in a file", "FILE", .flag_only = true},                         \
        {"log-format", 0, FLAG_CHOICE, &(o).log_format, "form of a line", "FORMAT", .choices = "text json"},           \
    {                                                                                                                  \
        "log-level", 0, FLAG_CHOICE, &(o).log_level, "the least that is logged", "LEVEL",                              \
            .choices = "debug info warning error"                                                                      \
    }

/* Makes what they say the log's. */
void common_options_apply(const struct common_options *options);
/* Says why the command ends: a line of the log when that is JSON, else "knarr COMMAND: ...". */
void common_options_fail(const struct common_options *options, const char *command, const struct error *err);

#endif
