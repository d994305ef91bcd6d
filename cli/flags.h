/* SPDX-License-Identifier: Apache-2.0 */
/* Flags: a command declares a table of them; what is left over are its arguments. */
#ifndef KNARR_CLI_FLAGS_H
#define KNARR_CLI_FLAGS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

enum flag_kind {
    FLAG_TEXT,
    FLAG_BOOL,
    FLAG_NUMBER,
    FLAG_LIST,   /* may be given again; each adds one */
    FLAG_CHOICE, /* one word of `choices` */
};

#define FLAG_LIST_MAX 64

/* NULL-terminated; the texts are borrowed. */
struct flag_list {
    const char *items[FLAG_LIST_MAX + 1];
    size_t count;
};

struct flag {
    const char *name; /* "namespace", given as --namespace X or --namespace=X */
    char letter;      /* 'n' for -n X and -nX; 0 = none */
    enum flag_kind kind;
    void *target; /* const char **, bool *, long *, struct flag_list *, const char ** */
    /* The rest is for options of servers (options.h). */
    const char *help;        /* one line */
    const char *value;       /* "DIR"; what help calls it */
    const char *environment; /* NULL = KNARR_ and the name */
    const char *choices;     /* "text json" */
    long min;                /* of a number; both 0 = any */
    long max;
    bool flag_only; /* neither in the file nor in the environment */
};

#define FLAGS_ARGUMENTS_MAX 256

struct arguments {
    const char *items[FLAGS_ARGUMENTS_MAX];
    size_t count;
};

/* Parses argv[1..]; the table ends with a row whose name is NULL. On a mistake it prints one line and returns false. */
bool flags_parse(const struct flag *flags, int argc, char **argv, struct arguments *ret_arguments);
/* The same, and marks in `given` (one a row) which flags were there. */
bool flags_parse_given(const struct flag *flags, int argc, char **argv, struct arguments *ret_arguments, bool *given);
/* Sets the target from a text (NULL: a flag without value). ERROR_BAD_REQUEST says what is wanted. */
int flag_set(const struct flag *flag, const char *text, struct error *err);

#endif
