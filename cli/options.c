/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/files.h"
#include "lib/config_file.h"

void options_environment_name(const struct flag *flag, char ret_name[OPTIONS_ENV_MAX])
{
    if (flag->environment) {
        (void)snprintf(ret_name, OPTIONS_ENV_MAX, "%s", flag->environment);
        return;
    }
    (void)snprintf(ret_name, OPTIONS_ENV_MAX, "KNARR_%s", flag->name);
    for (char *p = ret_name; *p; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

static const struct flag *options_find(const struct flag *flags, const char *name)
{
    for (; flags->name; flags++)
        if (!strcmp(flags->name, name))
            return flags;
    return NULL;
}

static const char *options_text(const struct flag *flags, const char *name)
{
    const struct flag *flag = options_find(flags, name);

    return flag ? *(const char **)flag->target : NULL;
}

/* ---- the environment ----------------------------------------------------------------------------------------------
 */

static int options_set_list(const struct flag *flag, struct pool *pool, const char *text, struct error *err)
{
    struct slice rest = slice_str(text);
    struct slice item;
    int r = 0;

    ((struct flag_list *)flag->target)->count = 0;
    while (r == 0 && slice_split(&rest, ',', &item)) {
        item = slice_trim(item);
        if (item.len)
            r = flag_set(flag, pool_slice_dup(pool, item), err);
    }
    return r;
}

static int options_read_environment(const struct flag *flags, struct pool *pool, bool *given, struct error *err)
{
    for (size_t i = 0; flags[i].name; i++) {
        char name[OPTIONS_ENV_MAX];
        const char *text;
        int r;

        options_environment_name(&flags[i], name);
        text = getenv(name);
        if (given[i] || flags[i].flag_only || !text || !*text)
            continue;
        r = flags[i].kind == FLAG_LIST ? options_set_list(&flags[i], pool, text, err) : flag_set(&flags[i], text, err);
        if (r < 0)
            return error_wrap(err, "%s in the environment", name);
        given[i] = true;
    }
    return 0;
}

/* ---- the file -----------------------------------------------------------------------------------------------------
 */

struct options_file {
    const struct flag *flags;
    struct pool *pool;
    const bool *given;
};

static int options_take_entry(void *arg, const struct config_entry *entry, struct error *err)
{
    const struct options_file *f = arg;
    const struct flag *flag = options_find(f->flags, entry->key);

    if (!flag || flag->flag_only)
        return error_set(err, ERROR_BAD_REQUEST, "line %zu: there is no option '%s'", entry->line, entry->key);
    if (entry->list && flag->kind != FLAG_LIST)
        return error_set(err, ERROR_BAD_REQUEST, "line %zu: %s: one value is wanted, not a list", entry->line,
                         entry->key);
    if (f->given[flag - f->flags])
        return 0;
    if (flag->kind == FLAG_LIST)
        ((struct flag_list *)flag->target)->count = 0;
    for (size_t i = 0; i < entry->count; i++)
        if (flag_set(flag, pool_strdup(f->pool, entry->values[i]), err) < 0)
            return error_wrap(err, "line %zu: %s", entry->line, entry->key);
    return 0;
}

int options_read_file(const struct flag *flags, struct pool *pool, struct slice text, const bool *given,
                      struct error *err)
{
    struct options_file f = {flags, pool, given};

    return config_file_each(text, options_take_entry, &f, err);
}

/* Which file is read; NULL = none. */
static const char *options_choose_file(const struct flag *flags, struct pool *pool, const char *command)
{
    const char *path = options_text(flags, "config");

    if (path)
        return path;
    path = pool_printf(pool, "%s/%s.yaml", options_text(flags, "home"), command);
    if (!access(path, F_OK))
        return path;
    path = pool_printf(pool, OPTIONS_SYSTEM "/%s.yaml", command);
    return access(path, F_OK) ? NULL : path;
}

bool options_read(const struct flag *flags, struct pool *pool, int argc, char **argv)
{
    struct arguments arguments;
    bool given[OPTIONS_MAX] = {false};
    const char *path = NULL;
    BUF_LOCAL(text);
    ERROR_LOCAL(err);
    int r;

    if (!flags_parse_given(flags, argc, argv, &arguments, given))
        return false;
    if (arguments.count) {
        (void)fprintf(stderr, "knarr %s: takes flags only, not '%s'; see 'knarr help %s'\n", argv[0],
                      arguments.items[0], argv[0]);
        return false;
    }
    r = options_read_environment(flags, pool, given, &err);
    if (r == 0 && (path = options_choose_file(flags, pool, argv[0]))) {
        r = file_read(path, &text, &err);
        if (r == 0 && (r = options_read_file(flags, pool, buf_slice(&text), given, &err)) < 0)
            r = error_wrap(&err, "%s", path);
    }
    if (r < 0)
        (void)fprintf(stderr, "knarr %s: %s; see 'knarr help %s'\n", argv[0], error_text(&err), argv[0]);
    return r == 0;
}

/* ---- help ---------------------------------------------------------------------------------------------------------
 */

static void options_write_default(FILE *to, const struct flag *flag)
{
    const char *text = flag->kind == FLAG_TEXT || flag->kind == FLAG_CHOICE ? *(const char **)flag->target : NULL;
    const struct flag_list *list = flag->target;

    if (text)
        (void)fprintf(to, " (default %s)", text);
    else if (flag->kind == FLAG_NUMBER && (*(long *)flag->target || !flag->min))
        (void)fprintf(to, " (default %ld)", *(long *)flag->target);
    else if (flag->kind == FLAG_LIST && list->count)
        (void)fprintf(to, " (default %s ...)", list->items[0]);
}

void options_help(FILE *to, const char *command, const struct flag *flags)
{
    (void)fprintf(to, "Options of knarr %s:\n\n", command);
    for (const struct flag *f = flags; f->name; f++) {
        char environment[OPTIONS_ENV_MAX];
        int width = fprintf(to, "  --%s %s", f->name, f->value ? f->value : "");

        options_environment_name(f, environment);
        (void)fprintf(to, "%*s%s", width < 30 ? 30 - width : 1, "", f->help);
        if (f->kind == FLAG_CHOICE)
            (void)fprintf(to, ": %s", f->choices);
        options_write_default(to, f);
        if (!f->flag_only)
            (void)fprintf(to, "\n%30s%s%s", "", environment, f->kind == FLAG_LIST ? " (separated by commas)" : "");
        (void)fputc('\n', to);
    }
    (void)fprintf(to,
                  "\nA flag wins over the environment, the environment over the file. The file is --config, "
                  "HOME/%s.yaml or\n" OPTIONS_SYSTEM "/%s.yaml; its keys are the names above: 'port: 6443'.\n",
                  command, command);
}
