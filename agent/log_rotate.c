/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rotation: the file is renamed, then conmon is told through its control pipe to open the path again; what it writes in
 * between still goes to the renamed file, so no line is lost. There is no event for a file's size, hence a look every
 * ten seconds, as upstream has it.
 */
#include "agent/log_rotate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fs.h"
#include "agent/pods.h"
#include "lib/log.h"

#define PERIOD_MS 10000
#define SIZE_MAX_ (10LL << 20)
#define OLD_FILES 4         /* beside the one that is written */
#define REOPEN    "2 0 0\n" /* conmon's message for that */

struct log_rotate {
    struct agent *agent;
    struct loop_timer *timer;
    bool working;
    bool closing;
};

struct rotating {
    struct log_rotate *rotate;
    struct str_list files; /* log path, control pipe in turn */
    int64_t now_ns;
};

/* ---- one file ---- */

struct old_files {
    const char *base;
    struct str_list names;
};

static int old_file(void *arg, const char *name, struct error *err)
{
    struct old_files *o = arg;
    size_t len = strlen(o->base);

    if (!strncmp(name, o->base, len) && name[len] == '.')
        str_list_add(&o->names, name);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names end in a time that sorts as text: the first are the oldest. */
static int drop_old(const char *path, struct error *err)
{
    const char *base = strrchr(path, '/') + 1;
    char *dir CLEANUP_FREE = mem_printf("%.*s", (int)(base - path - 1), path);
    struct old_files o = {.base = base};
    int r = fs_each_name(dir, old_file, &o, err);

    if (o.names.count)
        qsort(o.names.items, o.names.count, sizeof(*o.names.items), by_name);
    for (size_t i = 0; !r && i + OLD_FILES < o.names.count; i++) {
        char *old CLEANUP_FREE = mem_printf("%s/%s", dir, o.names.items[i]);

        if (unlink(old) && errno != ENOENT)
            r = error_set_errno(err, errno, "removing %s", old);
    }
    str_list_clear(&o.names);
    return r;
}

int log_rotate_file(const char *path, const char *ctl, int64_t size_max, int64_t now_ns, struct error *err)
{
    char *old CLEANUP_FREE = mem_printf("%s.%019lld", path, (long long)now_ns);
    struct stat st;
    int fd CLEANUP_FD = -1;

    if (stat(path, &st) || st.st_size <= size_max)
        return 0;
    /* Opened first: when nobody listens any more, nothing is renamed. */
    fd = open(ctl, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENXIO || errno == ENOENT ? 0 : error_set_errno(err, errno, "opening %s", ctl);
    if (rename(path, old))
        return error_set_errno(err, errno, "renaming %s", path);
    if (write(fd, REOPEN, sizeof(REOPEN) - 1) < 0)
        return error_set_errno(err, errno, "telling conmon to open %s again", path);
    return drop_old(path, err);
}

/* ---- all of them ---- */

static void gather(void *arg, const struct pod *pod)
{
    pod_each_log(pod, &((struct rotating *)arg)->files);
}

static void rotating_work(void *arg)
{
    struct rotating *r = arg;

    for (size_t i = 0; i + 1 < r->files.count; i += 2) {
        ERROR_LOCAL(err);

        if (log_rotate_file(r->files.items[i], r->files.items[i + 1], SIZE_MAX_, r->now_ns, &err) < 0)
            log_warning("agent", "rotating a log: %s", error_text(&err));
    }
}

static void rotate_close(struct log_rotate *r)
{
    loop_timer_free(r->timer);
    free(r);
}

static void rotating_done(void *arg)
{
    struct rotating *work = arg;
    struct log_rotate *r = work->rotate;

    r->working = false;
    str_list_clear(&work->files);
    free(work);
    if (r->closing)
        rotate_close(r);
}

static void on_timer(void *arg)
{
    struct log_rotate *r = arg;
    struct rotating *work;

    if (r->working || !r->agent->pods)
        return;
    work = mem_zalloc(sizeof(*work));
    work->rotate = r;
    work->now_ns = clock_wall_ns(r->agent->clock);
    pods_each(r->agent->pods, gather, work);
    if (!work->files.count) {
        free(work);
        return;
    }
    r->working = true;
    agent_work(r->agent, rotating_work, rotating_done, work);
}

struct log_rotate *log_rotate_start(struct agent *agent)
{
    struct log_rotate *r = mem_zalloc(sizeof(*r));

    r->agent = agent;
    r->timer = loop_timer_new(agent->loop, on_timer, r);
    loop_timer_start(r->timer, PERIOD_MS, PERIOD_MS);
    return r;
}

void log_rotate_free(struct log_rotate *r)
{
    if (!r)
        return;
    loop_timer_stop(r->timer);
    r->closing = true;
    if (!r->working)
        rotate_close(r);
}
