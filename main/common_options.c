/* SPDX-License-Identifier: Apache-2.0 */
#include "main/common_options.h"

#include <string.h>

#include "lib/log.h"

void common_options_apply(const struct common_options *options)
{
    log_set_format(!strcmp(options->log_format, "json") ? LOG_JSON : LOG_TEXT);
    for (int level = LOG_DEBUG; level <= LOG_ERROR; level++)
        if (!strcmp(options->log_level, log_level_name((enum log_level)level)))
            log_set_level((enum log_level)level);
}

void common_options_fail(const struct common_options *options, const char *command, const struct error *err)
{
    if (!strcmp(options->log_format, "json"))
        log_error(command, "%s", error_text(err));
    else
        (void)fprintf(stderr, "knarr %s: %s\n", command, error_text(err));
}
