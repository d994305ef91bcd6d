/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `knarr backup FILE` asks a running server for its store; on that server's own host it adds the cluster's keys from
 * the home, since those do not travel. `knarr restore FILE` works on a home without a server.
 */
#include "main/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/session.h"
#include "main/backup_file.h"

#define BACKUP_PATH  "/knarr/backup"
#define DEFAULT_HOME "/var/lib/knarr"

static const char *home_choose(const char *given)
{
    const char *environment = getenv("KNARR_HOME");

    if (given)
        return given;
    return environment && *environment ? environment : DEFAULT_HOME;
}

static int fail(const char *command, const struct error *err)
{
    (void)fprintf(stderr, "knarr %s: %s\n", command, error_text(err));
    return 1;
}

static void print_info(const char *file, const struct store_backup_info *info)
{
    char when[TIME_TEXT_MAX];

    time_format_seconds(info->time_ns, when);
    (void)printf("%s: revision %llu of %s, %llu keys, %llu bytes, %s\n", file, (unsigned long long)info->revision, when,
                 (unsigned long long)info->keys, (unsigned long long)info->size,
                 info->files ? "with the cluster's keys" : "without the cluster's keys");
}

/* ---- backup ---- */

/* `arg`: struct backup_file; NULL = standard output */
static int download_take(void *arg, struct slice data, struct error *err)
{
    return arg ? backup_file_write(arg, data, err) : session_print(data, err);
}

static int download(struct session *session, struct backup_file *file)
{
    const struct client_request request = {.method = "GET", .path = BACKUP_PATH, .accept = "*/*"};
    ERROR_LOCAL(err);

    if (session_stream(session, &request, download_take, file, &err) == 0)
        return 0;
    return err.code == ERROR_IO || err.code == ERROR_CANCELLED ? fail("backup", &err) : session_fail(&err);
}

/* The home's keys, when it is the home of the server that was asked; says so when they do not go along. */
static void add_keys(const struct session *session, const char *home, struct home_keys *ret_keys)
{
    ERROR_LOCAL(err);

    if (home_keys_read(home, ret_keys, &err) < 0) {
        (void)fprintf(stderr, "knarr backup: the cluster's keys do not go along: %s\n", error_text(&err));
    } else if (!slice_equal(ret_keys->files[0].bytes, buf_slice(&session->config.ca))) {
        (void)fprintf(stderr, "knarr backup: the cluster's keys do not go along: those in %s are of another cluster\n",
                      home);
        home_keys_clear(ret_keys);
    }
}

static int backup_to_file(struct session *session, const char *path, const char *home, bool without_keys)
{
    struct home_keys keys CLEANUP_HOME_KEYS = {.count = 0};
    struct store_backup_info info = {0};
    struct backup_file file;
    ERROR_LOCAL(err);
    int code;

    if (!without_keys)
        add_keys(session, home, &keys);
    if (backup_file_open(path, &file, &err) < 0)
        return fail("backup", &err);
    session_end_by_signals(session); /* the file that is begun does not stay */
    code = download(session, &file);
    if (code == 0 && backup_file_finish(&file, &keys, &info, &err) < 0)
        code = fail("backup", &err);
    backup_file_close(&file);
    if (code == 0)
        print_info(path, &info);
    return code;
}

static int backup_check(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct store_backup_info info = {0};
    ERROR_LOCAL(err);

    if (fd < 0)
        (void)error_set_errno(&err, errno, "opening %s", path);
    else if (store_backup_check(fd, NULL, NULL, &info, &err) < 0)
        (void)error_wrap(&err, "%s", path);
    if (fd >= 0)
        (void)close(fd);
    if (error_is_set(&err))
        return fail("backup", &err);
    print_info(path, &info);
    return 0;
}

static int backup_command(int argc, char **argv)
{
    const char *kubeconfig = NULL;
    const char *home = NULL;
    bool check = false, without_keys = false;
    const struct flag flags[] = {
        SESSION_FLAGS(kubeconfig),       {"home", 0, FLAG_TEXT, &home},
        {"check", 0, FLAG_BOOL, &check}, {"without-keys", 0, FLAG_BOOL, &without_keys},
        {NULL, 0, FLAG_BOOL, NULL},
    };
    struct arguments arguments;
    struct session session;
    ERROR_LOCAL(err);
    const char *file;
    int code;

    if (!flags_parse(flags, argc, argv, &arguments))
        return 2;
    if (arguments.count != 1) {
        (void)fprintf(stderr, "knarr backup: name one file, or - for standard output\n");
        return 2;
    }
    file = arguments.items[0];
    if (check)
        return backup_check(file);
    if (!strcmp(file, "-") && isatty(STDOUT_FILENO)) {
        (void)fprintf(stderr, "knarr backup: a backup is nothing for a terminal; name a file\n");
        return 2;
    }
    if (session_open(&session, kubeconfig, &err) < 0)
        return session_fail(&err);
    code = strcmp(file, "-") != 0 ? backup_to_file(&session, file, home_choose(home), without_keys)
                                  : download(&session, NULL);
    session_close(&session);
    return code;
}

/* ---- restore ---- */

static void restore_print(const char *file, const char *home, const struct store_backup_info *info)
{
    struct home_keys keys CLEANUP_HOME_KEYS = {.count = 0};

    print_info(file, info);
    (void)printf("restored into %s; revisions go on above %llu\n", home,
                 (unsigned long long)(info->revision + STORE_RESTORE_GAP));
    if (!info->files && home_keys_read(home, &keys, NULL) == 0)
        (void)printf("the keys that are in %s/pki stay\n", home);
    else if (!info->files)
        (void)printf("The backup holds no keys of the cluster: put ca.crt, ca.key and sa.key into %s/pki before the "
                     "server starts,\nor every node has to join again and all tokens end.\n",
                     home);
}

static int restore_command(int argc, char **argv)
{
    const char *home = NULL;
    const struct flag flags[] = {{"home", 0, FLAG_TEXT, &home}, {NULL, 0, FLAG_BOOL, NULL}};
    struct arguments arguments;
    struct store_backup_info info = {0};
    ERROR_LOCAL(err);

    if (!flags_parse(flags, argc, argv, &arguments))
        return 2;
    if (arguments.count != 1) {
        (void)fprintf(stderr, "knarr restore: name one file\n");
        return 2;
    }
    home = home_choose(home);
    if (home_restore(arguments.items[0], home, &info, &err) < 0)
        return fail("restore", &err);
    restore_print(arguments.items[0], home, &info);
    return 0;
}

const struct cli_command backup_commands[] = {
    {"backup", "FILE|- [--without-keys] [--home DIR] | --check FILE", "Write all that the cluster holds into a file",
     backup_command, NULL},
    {"restore", "FILE [--home DIR]", "Make a server's home out of a backup; no server runs", restore_command, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
