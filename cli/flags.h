/* SPDX-License-Identifier: Apache-2.0 */
/* Flags: a command declares a table of them; what is left over are its arguments. */
#ifndef KNARR_CLI_FLAGS_H
#define KNARR_CLI_FLAGS_H

#include <stdbool.h>
#include <stddef.h>

enum flag_kind { FLAG_TEXT, FLAG_BOOL, FLAG_NUMBER };
struct flag {
    const char *name; /* "namespace", given as --namespace X or --namespace=X */
    char letter;      /* 'n' for -n X and -nX; 0 = none */
    enum flag_kind kind;
    void *target; /* const char **, bool *, long * */
};

#define FLAGS_ARGUMENTS_MAX 256

struct arguments {
    const char *items[FLAGS_ARGUMENTS_MAX];
    size_t count;
};

/* Parses argv[1..]; the table ends with a row whose name is NULL. On a mistake it prints one line and returns false. */
bool flags_parse(const struct flag *flags, int argc, char **argv, struct arguments *ret_arguments);

#endif
