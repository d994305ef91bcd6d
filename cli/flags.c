/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/flags.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool complain(const char *command, const char *text, const char *what)
{
    (void)fprintf(stderr, "knarr %s: %s %s; see 'knarr help'\n", command, text, what);
    return false;
}

static bool set_flag(const struct flag *flag, const char *value, const char *command)
{
    char *end;

    switch (flag->kind) {
    case FLAG_TEXT:
        *(const char **)flag->target = value;
        return true;
    case FLAG_BOOL:
        if (value && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return complain(command, "true or false is wanted for", flag->name);
        *(bool *)flag->target = !value || !strcmp(value, "true");
        return true;
    case FLAG_NUMBER:
        *(long *)flag->target = strtol(value, &end, 10);
        if (end == value || (*end && strcmp(end, "s") != 0))
            return complain(command, "a number is wanted for", flag->name);
        return true;
    }
    return false;
}

static const struct flag *find_flag(const struct flag *flags, const char *text, const char **ret_value)
{
    size_t name_len = strcspn(text + 2, "=");

    for (const struct flag *f = flags; f->name; f++) {
        if (text[1] == '-' && strlen(f->name) == name_len && !strncmp(f->name, text + 2, name_len)) {
            *ret_value = text[2 + name_len] ? text + 2 + name_len + 1 : NULL;
            return f;
        }
        if (text[1] != '-' && f->letter == text[1]) {
            *ret_value = text[2] ? text + 2 + (text[2] == '=') : NULL;
            return f;
        }
    }
    return NULL;
}

bool flags_parse(const struct flag *flags, int argc, char **argv, struct arguments *ret_arguments)
{
    bool only_arguments = false;

    ret_arguments->count = 0;
    for (int i = 1; i < argc; i++) {
        const struct flag *flag;
        const char *value;

        if (!only_arguments && !strcmp(argv[i], "--")) {
            only_arguments = true;
            continue;
        }
        if (only_arguments || argv[i][0] != '-' || !argv[i][1]) {
            if (ret_arguments->count == FLAGS_ARGUMENTS_MAX)
                return complain(argv[0], "too many arguments at", argv[i]);
            ret_arguments->items[ret_arguments->count++] = argv[i];
            continue;
        }
        flag = find_flag(flags, argv[i], &value);
        if (!flag)
            return complain(argv[0], "there is no flag", argv[i]);
        if (!value && flag->kind != FLAG_BOOL) {
            if (++i == argc)
                return complain(argv[0], "a value is wanted for", argv[i - 1]);
            value = argv[i];
        }
        if (!set_flag(flag, value, argv[0]))
            return false;
    }
    return true;
}
