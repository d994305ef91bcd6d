/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/flags.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"

static bool complain(const char *command, const char *text, const char *what)
{
    (void)fprintf(stderr, "knarr %s: %s %s; see 'knarr help %s'\n", command, text, what, command);
    return false;
}

static int flag_set_number(const struct flag *flag, const char *text, struct error *err)
{
    bool bounded = flag->min || flag->max;
    char *end;
    long n;

    errno = 0;
    n = strtol(text, &end, 10);
    if (end == text || errno || (*end && strcmp(end, "s") != 0) || (bounded && (n < flag->min || n > flag->max))) {
        if (bounded)
            return error_set(err, ERROR_BAD_REQUEST, "a number from %ld to %ld is wanted, not '%s'", flag->min,
                             flag->max, text);
        return error_set(err, ERROR_BAD_REQUEST, "a number is wanted, not '%s'", text);
    }
    *(long *)flag->target = n;
    return 0;
}

static int flag_set_choice(const struct flag *flag, const char *text, struct error *err)
{
    struct slice rest = slice_str(flag->choices);
    struct slice word;

    while (slice_split(&rest, ' ', &word))
        if (slice_is(word, text)) {
            *(const char **)flag->target = text;
            return 0;
        }
    return error_set(err, ERROR_BAD_REQUEST, "one of '%s' is wanted, not '%s'", flag->choices, text);
}

int flag_set(const struct flag *flag, const char *text, struct error *err)
{
    struct flag_list *list = flag->target;

    switch (flag->kind) {
    case FLAG_TEXT:
        *(const char **)flag->target = text;
        return 0;
    case FLAG_BOOL:
        if (text && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return error_set(err, ERROR_BAD_REQUEST, "true or false is wanted, not '%s'", text);
        *(bool *)flag->target = !text || !strcmp(text, "true");
        return 0;
    case FLAG_NUMBER:
        return flag_set_number(flag, text, err);
    case FLAG_CHOICE:
        return flag_set_choice(flag, text, err);
    case FLAG_LIST:
        if (list->count == FLAG_LIST_MAX)
            return error_set(err, ERROR_BAD_REQUEST, "it is given more than %d times", FLAG_LIST_MAX);
        list->items[list->count++] = text;
        list->items[list->count] = NULL;
        return 0;
    }
    return 0;
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

/* Reads the flag at argv[*i] and its value, which may stand behind it. */
/* "-it": letters without a value may stand together; returns the last of them, which may have one. */
static const char *take_letters(const struct flag *flags, const char *text, bool *given)
{
    const struct flag *flag;
    const char *value;

    while (text[1] != '-' && text[2] && text[2] != '=' && text[2] != '-' && (flag = find_flag(flags, text, &value)) &&
           flag->kind == FLAG_BOOL) {
        *(bool *)flag->target = true;
        if (given)
            given[flag - flags] = true;
        text++;
    }
    return text;
}

static bool take_flag(const struct flag *flags, int argc, char **argv, int *i, bool *given)
{
    const char *text = take_letters(flags, argv[*i], given);
    const char *value;
    const struct flag *flag = find_flag(flags, text, &value);
    ERROR_LOCAL(err);

    if (!flag)
        return complain(argv[0], "there is no flag", argv[*i]);
    if (!value && flag->kind != FLAG_BOOL) {
        if (++*i == argc)
            return complain(argv[0], "a value is wanted for", text);
        value = argv[*i];
    }
    if (flag_set(flag, value, &err) < 0) {
        (void)fprintf(stderr, "knarr %s: --%s: %s; see 'knarr help %s'\n", argv[0], flag->name, error_text(&err),
                      argv[0]);
        return false;
    }
    if (given)
        given[flag - flags] = true;
    return true;
}

bool flags_parse_given(const struct flag *flags, int argc, char **argv, struct arguments *ret_arguments, bool *given)
{
    bool only_arguments = false;

    ret_arguments->count = 0;
    for (int i = 1; i < argc; i++) {
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
        if (!take_flag(flags, argc, argv, &i, given))
            return false;
    }
    return true;
}

bool flags_parse(const struct flag *flags, int argc, char **argv, struct arguments *ret_arguments)
{
    return flags_parse_given(flags, argc, argv, ret_arguments, NULL);
}
