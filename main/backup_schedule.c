/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     waiting --due--> taking --a piece at a time--> finished: the oldest removed --> waiting, a period
 *        ^                `-- failed: logged, counted, its file removed --> waiting, SCHEDULE_RETRY_S or a period --.
 *        `----------------------------------------------------------------------------------------------------------'
 */
#include "main/backup_schedule.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/thread.h"
#include "main/backup_file.h"

#define SCHEDULE_RETRY_S 60
#define SCHEDULE_SPARE   ((uint64_t)256 << 20) /* bytes of the disk that a backup leaves to others, as the store */
#define NAME_FORM        "knarr-YYYYMMDDTHHMMSSZ.backup"
#define UNFINISHED       ".tmp"

static struct metric last_success = {.name = "knarr_backup_last_success_timestamp_seconds",
                                     .help = "When the last backup by schedule was taken, seconds since 1970.",
                                     .type = METRIC_GAUGE,
                                     .unit = METRIC_NS};
static struct metric last_size = {
    .name = "knarr_backup_last_size_bytes", .help = "Size of the last backup by schedule.", .type = METRIC_GAUGE};
static struct metric failures = {
    .name = "knarr_backup_failures_total", .help = "Backups by schedule that failed.", .type = METRIC_COUNTER};

struct backup_schedule {
    struct backup_schedule_options o;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    _Atomic bool stop; /* set under `lock` */
};

/* ---- names ---- */

void backup_name_write(int64_t wall_ns, char ret_name[BACKUP_NAME_MAX])
{
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm tm;

    (void)gmtime_r(&seconds, &tm);
    (void)strftime(ret_name, BACKUP_NAME_MAX, "knarr-%Y%m%dT%H%M%SZ.backup", &tm);
}

bool backup_name_read(const char *name, int64_t *ret_wall_ns)
{
    static const char form[] = NAME_FORM;
    const char *d = name + strlen("knarr-");
    char again[BACKUP_NAME_MAX];
    char text[TIME_TEXT_MAX];

    if (strlen(name) != sizeof(form) - 1)
        return false;
    for (size_t i = 0; form[i]; i++) {
        bool digit = strchr("YMDHS", form[i]) && i > 5 && i < 21;

        if (digit ? name[i] < '0' || name[i] > '9' : name[i] != form[i])
            return false;
    }
    (void)snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", d, d + 4, d + 6, d + 9, d + 11, d + 13);
    if (!time_parse(slice_str(text), ret_wall_ns))
        return false;
    backup_name_write(*ret_wall_ns, again);
    return !strcmp(again, name);
}

/* ---- the folder ---- */

static int name_is_ours(const struct dirent *entry)
{
    int64_t when;

    return backup_name_read(entry->d_name, &when);
}

static int name_is_unfinished(const struct dirent *entry)
{
    struct slice name = slice_str(entry->d_name);
    int64_t when;

    if (!slice_ends(name, SLICE_LIT(UNFINISHED)))
        return 0;
    char *plain CLEANUP_FREE = mem_strndup(name.data, name.len - strlen(UNFINISHED));
    return backup_name_read(plain, &when);
}

/* Removes the first of those that fit, in the order of their names, leaving `keep`. */
static int folder_thin(const char *folder, int (*fits)(const struct dirent *entry), size_t keep, int64_t *ret_newest_ns,
                       struct error *err)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, fits, alphasort);
    int rc = 0;

    if (count < 0)
        return error_set_errno(err, errno, "reading the folder %s", folder);
    for (int i = 0; i < count; i++) {
        char *path CLEANUP_FREE = mem_printf("%s/%s", folder, entries[i]->d_name);

        if ((size_t)(count - i) > keep && unlink(path) < 0 && errno != ENOENT)
            rc = error_set_errno(err, errno, "removing %s", path);
        if (ret_newest_ns && i + 1 == count)
            (void)backup_name_read(entries[i]->d_name, ret_newest_ns);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

int backup_folder_prune(const char *folder, size_t keep, int64_t *ret_newest_ns, struct error *err)
{
    int rc = folder_thin(folder, name_is_unfinished, 0, NULL, err);

    *ret_newest_ns = 0;
    return rc < 0 ? rc : folder_thin(folder, name_is_ours, keep, ret_newest_ns, err);
}

/* ---- one backup ---- */

/* The store may be on the same disk. */
static int schedule_look_at_space(const struct backup_file *file, struct error *err)
{
    struct statvfs fs;

    if (fstatvfs(file->fd, &fs) < 0)
        return error_set_errno(err, errno, "looking at the space beside %s", file->temporary);
    if ((uint64_t)fs.f_bavail * fs.f_frsize < SCHEDULE_SPARE)
        return error_set(err, ERROR_NO_SPACE, "less than %llu MiB would be left on the disk of %s",
                         (unsigned long long)(SCHEDULE_SPARE >> 20), file->path);
    return 0;
}

static int schedule_fill(struct backup_schedule *s, struct store_backup *backup, struct backup_file *file,
                         struct error *err)
{
    BUF_LOCAL(piece);
    int rc;

    do {
        if (atomic_load(&s->stop))
            return error_set(err, ERROR_CANCELLED, "the server stops");
        if (schedule_look_at_space(file, err) < 0)
            return -err->code;
        buf_reset(&piece);
        rc = store_backup_next(backup, &piece, err);
        if (rc >= 0 && backup_file_write(file, buf_slice(&piece), err) < 0)
            return -err->code;
    } while (rc > 0);
    return rc;
}

static int schedule_write(struct backup_schedule *s, struct backup_file *file, struct store_backup_info *ret_info,
                          struct error *err)
{
    struct home_keys keys CLEANUP_HOME_KEYS = {.count = 0};
    struct store_backup *backup = NULL;
    int rc = home_keys_read(s->o.home, &keys, err);

    if (rc == 0)
        rc = store_backup_begin(s->o.store, &backup, err);
    if (rc < 0)
        return rc;
    rc = schedule_fill(s, backup, file, err);
    store_backup_end(backup);
    return rc < 0 ? rc : backup_file_finish(file, &keys, ret_info, err);
}

static int schedule_take(struct backup_schedule *s, struct error *err)
{
    char name[BACKUP_NAME_MAX];
    char *path CLEANUP_FREE = NULL;
    struct store_backup_info info;
    struct backup_file file;
    int64_t newest_ns;
    ERROR_LOCAL(failure);
    int rc;

    backup_name_write(clock_wall_ns(clock_system()), name);
    path = mem_printf("%s/%s", s->o.folder, name);
    if (backup_file_open(path, &file, err) < 0)
        return -err->code;
    rc = schedule_write(s, &file, &info, err);
    backup_file_close(&file);
    if (rc < 0)
        return rc;
    metric_set(metric_only(&last_success), info.time_ns);
    metric_set(metric_only(&last_size), (int64_t)info.size);
    log_info("backup", "%s: revision %llu, %llu keys, %llu bytes", path, (unsigned long long)info.revision,
             (unsigned long long)info.keys, (unsigned long long)info.size);
    if (backup_folder_prune(s->o.folder, s->o.keep, &newest_ns, &failure) < 0)
        log_warning("backup", "an old backup stays: %s", error_text(&failure));
    return 0;
}

/* ---- life ---- */

/* False when it is to stop. */
static bool schedule_wait(struct backup_schedule *s, int64_t until_ns)
{
    const struct timespec until = {.tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S};
    int rc = 0;

    (void)pthread_mutex_lock(&s->lock);
    while (!atomic_load(&s->stop) && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&s->wake, &s->lock, &until);
    (void)pthread_mutex_unlock(&s->lock);
    return !atomic_load(&s->stop);
}

/* How long until the first one is due, by what lies there. */
static int64_t schedule_first_ns(const struct backup_schedule *s)
{
    int64_t newest_ns = 0, age_ns;
    ERROR_LOCAL(err);

    if (backup_folder_prune(s->o.folder, SIZE_MAX, &newest_ns, &err) < 0)
        log_warning("backup", "%s", error_text(&err));
    if (!newest_ns)
        return 0;
    metric_set(metric_only(&last_success), newest_ns);
    age_ns = clock_wall_ns(clock_system()) - newest_ns;
    /* A file of the future says that a clock was wrong, not that all is well. */
    return age_ns < 0 || age_ns >= s->o.every_s * NS_PER_S ? 0 : s->o.every_s * NS_PER_S - age_ns;
}

static void *schedule_main(void *arg)
{
    struct backup_schedule *s = arg;
    int64_t retry_s = s->o.every_s < SCHEDULE_RETRY_S ? s->o.every_s : SCHEDULE_RETRY_S;
    int64_t due_ns;

    thread_name_self("backup");
    due_ns = clock_monotonic_ns(clock_system()) + schedule_first_ns(s);
    while (schedule_wait(s, due_ns)) {
        ERROR_LOCAL(err);

        due_ns = clock_monotonic_ns(clock_system()) + s->o.every_s * NS_PER_S;
        if (schedule_take(s, &err) < 0 && err.code != ERROR_CANCELLED) {
            metric_add(metric_only(&failures), 1);
            log_error("backup", "the backup by schedule failed: %s; trying again in %lld s", error_text(&err),
                      (long long)retry_s);
            due_ns = clock_monotonic_ns(clock_system()) + retry_s * NS_PER_S;
        }
    }
    return NULL;
}

int backup_schedule_start(const struct backup_schedule_options *options, struct backup_schedule **ret_schedule,
                          struct error *err)
{
    struct backup_schedule *s;
    pthread_condattr_t monotonic;

    if (mkdir(options->folder, 0700) < 0 && errno != EEXIST)
        return error_set_errno(err, errno, "making the folder %s", options->folder);
    s = mem_zalloc(sizeof(*s));
    s->o = *options;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->wake, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    metric_add(metric_only(&failures), 0); /* so that it is shown */
    if (pthread_create(&s->thread, NULL, schedule_main, s)) {
        free(s);
        return error_set(err, ERROR_INTERNAL, "the thread of the backups could not be started");
    }
    *ret_schedule = s;
    return 0;
}

void backup_schedule_stop(struct backup_schedule *s)
{
    if (!s)
        return;
    (void)pthread_mutex_lock(&s->lock);
    atomic_store(&s->stop, true);
    (void)pthread_cond_broadcast(&s->wake);
    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_join(s->thread, NULL);
    (void)pthread_cond_destroy(&s->wake);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}
