/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rate needs two samples. Who asks at least once a minute gets the rate since the last asking; who asks for the first
 * time waits for a second sample:
 *
 *     IDLE --asked--> READING --all have a rate--> IDLE (answers)
 *       ^                |
 *       |                +--the node has none--> PAUSING --timer--> READING
 *       +--asked within USAGE_FRESH_MS of the last snapshot: that one is the answer
 *
 * Who asks while it is under way gets the same answer. Reading is the pool's work on a list that was made on the loop.
 */
#include "agent/usage.h"

#include <dirent.h>
#include <ctype.h>
#include <sys/statvfs.h>
#include <time.h>

#include "agent/pod_spec.h"
#include "agent/pods.h"

#define USAGE_FRESH_MS 500
#define USAGE_PAUSE_MS 250
#define USAGE_STALE_NS (60 * NS_PER_S)
#define USAGE_MIN_NS   (100 * NS_PER_MS) /* a shorter window says little */
#define USAGE_CGROUPS  "/sys/fs/cgroup"
#define USAGE_NODE_KEY "node"

enum usage_state { USAGE_IDLE, USAGE_READING, USAGE_PAUSING };

struct usage {
    struct agent *agent;
    enum usage_state state;
    struct list askers;
    struct loop_timer *timer;
    struct usage_snapshot *last; /* NULL = none */
    uint64_t last_ms;
    struct map before; /* group -> struct usage_sample: the one before */
    bool dead;         /* freed while the pool reads */
};

struct usage_asker {
    struct list link;
    void (*fn)(void *arg, const struct usage_snapshot *snapshot);
    void *arg;
};

/* ---- snapshots ----------------------------------------------------------------------------------------------------
 */

static void usage_entry_clear(struct usage_entry *e)
{
    free(e->group);
    free(e->namespace_);
    free(e->pod);
    free(e->uid);
    free(e->container);
    free(e->id);
    free(e->image);
}

static void usage_snapshot_free(struct usage_snapshot *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        usage_entry_clear(&s->entries[i]);
    free(s->entries);
    free(s);
}

struct usage_listing {
    struct usage_snapshot *snapshot;
    size_t cap;
    const struct pod *pod;
};

static struct usage_entry *usage_add(struct usage_listing *l)
{
    struct usage_snapshot *s = l->snapshot;

    s->entries = mem_grow(s->entries, &l->cap, s->count + 1, sizeof(*s->entries));
    memset(&s->entries[s->count], 0, sizeof(*s->entries));
    return &s->entries[s->count++];
}

static struct usage_entry *usage_add_of_pod(struct usage_listing *l)
{
    const struct value *o = pod_object(l->pod);
    struct usage_entry *e = usage_add(l);

    e->namespace_ = mem_strdup(pod_namespace(o));
    e->pod = mem_strdup(pod_name(o));
    e->uid = mem_strdup(pod_uid(o));
    return e;
}

static void usage_add_container(void *arg, const struct runtime_container *c)
{
    struct usage_entry *e = usage_add_of_pod(arg);

    e->group = mem_strdup(c->cgroup_path);
    e->container = mem_strdup(c->name);
    e->id = mem_strdup(c->id);
    e->image = mem_strdup(c->image);
    e->started_ns = c->started_ns;
}

static void usage_add_pod(void *arg, const struct pod *pod)
{
    struct usage_listing *l = arg;
    struct usage_entry *e;

    l->pod = pod;
    e = usage_add_of_pod(l);
    e->group = mem_strdup(pod_cgroup(pod));
    e->started_ns = pod_start_ns(pod);
    pod_each_running(pod, usage_add_container, l);
}

/* What is to be read; on the loop. */
static struct usage_snapshot *usage_list(struct agent *agent)
{
    struct usage_listing l = {.snapshot = mem_zalloc(sizeof(*l.snapshot))};

    l.snapshot->node_name = agent->config.node_name;
    l.snapshot->memory_total = agent->config.memory;
    l.snapshot->cpu_milli = agent->config.cpu_milli;
    (void)usage_add(&l);
    if (agent->pods)
        pods_each(agent->pods, usage_add_pod, &l);
    return l.snapshot;
}

/* ---- reading; on the pool ------------------------------------------------------------------------------------------
 */

static int64_t usage_count_processes(void)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    int64_t count = 0;

    if (!dir)
        return -1;
    while ((entry = readdir(dir)))
        count += isdigit((unsigned char)entry->d_name[0]) != 0;
    (void)closedir(dir);
    return count;
}

static void usage_read_machine(struct usage_snapshot *s, const struct agent_config *config, int64_t wall_ns)
{
    struct timespec up = {0};
    struct statvfs fs = {0};

    (void)clock_gettime(CLOCK_BOOTTIME, &up);
    s->boot_ns = wall_ns - ((int64_t)up.tv_sec * NS_PER_S + up.tv_nsec);
    s->processes = usage_count_processes();
    if (statvfs(config->home, &fs))
        return;
    s->disk_total = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize;
    s->disk_free = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    s->inodes_total = (int64_t)fs.f_files;
    s->inodes_free = (int64_t)fs.f_ffree;
}

struct usage_job {
    struct usage *usage;
    struct agent *agent;
    struct usage_snapshot *snapshot;
};

static void usage_work(void *arg)
{
    struct usage_job *job = arg;
    const struct agent_config *config = &job->agent->config;
    struct clock *clock = job->agent->clock;

    usage_read_machine(job->snapshot, config, clock_wall_ns(clock));
    for (size_t i = 0; i < job->snapshot->count; i++) {
        struct usage_entry *e = &job->snapshot->entries[i];

        e->found = e->group ? usage_read_group(config->cgroup_version, USAGE_CGROUPS, e->group, &e->sample)
                            : usage_read_node("/proc", &e->sample);
        e->sample.wall_ns = clock_wall_ns(clock);
        e->sample.monotonic_ns = clock_monotonic_ns(clock);
    }
}

/* ---- rates --------------------------------------------------------------------------------------------------------
 */

void usage_set_rate(struct usage_entry *now, const struct usage_sample *before)
{
    int64_t window = before ? now->sample.monotonic_ns - before->monotonic_ns : 0;
    int64_t age = now->started_ns ? now->sample.wall_ns - now->started_ns : 0;
    uint64_t used = before ? now->sample.cpu_ns - before->cpu_ns : now->sample.cpu_ns;

    if (before && before->cpu_ns > now->sample.cpu_ns)
        return; /* another group of the same name */
    if (!before)
        window = age;
    if (window < USAGE_MIN_NS || window > USAGE_STALE_NS)
        return;
    now->has_rate = true;
    now->window_ns = window;
    now->nano_cores = (uint64_t)((unsigned __int128)used * NS_PER_S / (uint64_t)window);
}

static const char *usage_key(const struct usage_entry *e)
{
    return e->group ? e->group : USAGE_NODE_KEY;
}

/* Sets the rates, and makes these samples the ones before. */
static void usage_compare(struct usage *usage, struct usage_snapshot *snapshot)
{
    struct map now = {0};

    for (size_t i = 0; i < snapshot->count; i++) {
        struct usage_entry *e = &snapshot->entries[i];

        if (!e->found)
            continue;
        usage_set_rate(e, map_get(&usage->before, slice_str(usage_key(e))));
        free(map_put(&now, slice_str(usage_key(e)), mem_dup(&e->sample, sizeof(e->sample))));
    }
    map_clear(&usage->before, free);
    usage->before = now;
}

/* ---- asking -------------------------------------------------------------------------------------------------------
 */

static void usage_answer(struct usage *usage, const struct usage_snapshot *snapshot)
{
    while (!list_empty(&usage->askers)) {
        struct usage_asker *asker = container_of(usage->askers.next, struct usage_asker, link);

        list_remove(&asker->link);
        asker->fn(asker->arg, snapshot);
    }
}

static void usage_destroy(struct usage *usage)
{
    usage_snapshot_free(usage->last);
    map_clear(&usage->before, free);
    free(usage);
}

static void usage_done(void *arg)
{
    struct usage_job *job = arg;
    struct usage *usage = job->usage;
    struct usage_snapshot *snapshot = job->snapshot;
    const struct usage_entry *node = &snapshot->entries[0];

    free(job);
    if (usage->dead) {
        usage_snapshot_free(snapshot);
        usage_destroy(usage);
        return;
    }
    usage_compare(usage, snapshot);
    if (node->found && !node->has_rate) {
        usage_snapshot_free(snapshot);
        usage->state = USAGE_PAUSING;
        loop_timer_start(usage->timer, USAGE_PAUSE_MS, 0);
        return;
    }
    usage_snapshot_free(usage->last);
    usage->last = snapshot;
    usage->last_ms = loop_now_ms(usage->agent->loop);
    usage->state = USAGE_IDLE;
    usage_answer(usage, snapshot);
}

static void usage_read(void *arg)
{
    struct usage *usage = arg;
    struct usage_job *job = mem_zalloc(sizeof(*job));

    *job = (struct usage_job){usage, usage->agent, usage_list(usage->agent)};
    usage->state = USAGE_READING;
    agent_work(usage->agent, usage_work, usage_done, job);
}

/* The timer also brings an answer that is there already, because nobody is answered from inside the asking. */
static void usage_on_timer(void *arg)
{
    struct usage *usage = arg;

    if (usage->state == USAGE_IDLE)
        usage_answer(usage, usage->last);
    else if (usage->state == USAGE_PAUSING)
        usage_read(usage);
}

static void usage_asker_gone(void *arg)
{
    struct usage_asker *asker = arg;

    list_remove(&asker->link);
}

void usage_ask(struct usage *usage, struct pool *pool, void (*fn)(void *arg, const struct usage_snapshot *snapshot),
               void *arg)
{
    struct usage_asker *asker = pool_alloc(pool, sizeof(*asker));

    asker->fn = fn;
    asker->arg = arg;
    list_append(&usage->askers, &asker->link);
    pool_on_free(pool, usage_asker_gone, asker);
    if (usage->state != USAGE_IDLE)
        return;
    if (usage->last && loop_now_ms(usage->agent->loop) - usage->last_ms < USAGE_FRESH_MS)
        loop_timer_start(usage->timer, 0, 0);
    else
        usage_read(usage);
}

struct usage *usage_new(struct agent *agent)
{
    struct usage *usage = mem_zalloc(sizeof(*usage));

    usage->agent = agent;
    list_init(&usage->askers);
    usage->timer = loop_timer_new(agent->loop, usage_on_timer, usage);
    return usage;
}

void usage_free(struct usage *usage)
{
    if (!usage)
        return;
    usage_answer(usage, NULL);
    loop_timer_free(usage->timer);
    usage->timer = NULL;
    if (usage->state == USAGE_READING)
        usage->dead = true; /* usage_done ends it */
    else
        usage_destroy(usage);
}
