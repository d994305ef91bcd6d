/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removes what the agent of one home has made on this host. Works from the disk alone, without an API server, and goes
 * on after a failure: the first one is reported at the end.
 */
#include "agent/agent_internal.h"

#include "agent/fs.h"
#include "agent/network.h"
#include "agent/services.h"

#define LOCK_WAIT_MS 5000 /* an agent that was told to end may take a moment */

struct cleaning {
    const struct agent_config *config;
    struct error err; /* the first */
};

static void note(struct cleaning *c, struct error *err)
{
    if (error_is_set(err) && !error_is_set(&c->err))
        (void)error_pass(&c->err, err, NULL);
    error_clear(err);
}

static int clean_container(void *arg, const char *id, struct error *err)
{
    struct cleaning *c = arg;
    ERROR_LOCAL(why);

    (void)runtime_remove(&c->config->runtime, id, &why);
    note(c, &why);
    return 0;
}

static int clean_sandbox(void *arg, const char *name, struct error *err)
{
    struct cleaning *c = arg;
    const struct sandbox_config config = agent_sandbox_config(c->config);
    char *uid CLEANUP_FREE = mem_strndup(name, strcspn(name, "."));
    ERROR_LOCAL(why);

    (void)sandbox_remove(&config, uid, &why);
    note(c, &why);
    return 0;
}

/* A folder of logs is ours when it ends in the uid of a pod of ours: NAMESPACE_NAME_UID. */
static int clean_log(void *arg, const char *name, struct error *err)
{
    struct cleaning *c = arg;
    const char *uid = strrchr(name, '_');
    char *pod CLEANUP_FREE = mem_printf("%s/pods/%s", c->config->home, uid ? uid + 1 : "");
    char *logs CLEANUP_FREE = mem_printf("%s/%s", c->config->log_dir, name);
    ERROR_LOCAL(why);

    if (uid && uid[1] && fs_exists(pod))
        (void)fs_remove_tree(logs, &why);
    note(c, &why);
    return 0;
}

static void clean_below(struct cleaning *c, const char *path)
{
    ERROR_LOCAL(why);

    if (fs_unmount_below(path, &why) == 0)
        (void)fs_remove_tree(path, &why);
    note(c, &why);
}

/* Images stay: they belong to the state that `--purge` removes. */
static void clean_all(struct cleaning *c)
{
    const struct agent_config *config = c->config;
    char *containers CLEANUP_FREE = mem_printf("%s/containers", config->run_dir);
    char *netns CLEANUP_FREE = mem_printf("%s/netns", config->run_dir);
    char *home_containers CLEANUP_FREE = mem_printf("%s/containers", config->home);
    char *pods CLEANUP_FREE = mem_printf("%s/pods", config->home);
    ERROR_LOCAL(why);

    (void)fs_each_name(containers, clean_container, c, &why);
    note(c, &why);
    (void)fs_each_name(netns, clean_sandbox, c, &why);
    note(c, &why);
    (void)cgroup_remove(config->cgroup_version, config->cgroup_parent, &why);
    note(c, &why);
    (void)services_clean(config->bridge, &why);
    note(c, &why);
    (void)network_clean(config->bridge, &why);
    note(c, &why);
    (void)fs_each_name(config->log_dir, clean_log, c, &why);
    note(c, &why);
    clean_below(c, home_containers);
    clean_below(c, pods);
    clean_below(c, config->run_dir);
}

int agent_clean(const struct agent_options *options, struct error *err)
{
    struct agent_config config = {0};
    struct cleaning c = {.config = &config};
    int lock CLEANUP_FD = -1;

    agent_config_fill(&config, options);
    if (agent_lock(&config, LOCK_WAIT_MS, &lock, err) < 0) {
        agent_config_clear(&config);
        return -1;
    }
    if (cgroup_detect(&config.cgroup_version, NULL) == 0) {
        config.runtime.cgroup_version = config.cgroup_version;
        /* Without one, removing a container fails and is reported; everything else is still cleaned. */
        if (runtime_find(&config.runtime, NULL) < 0)
            config.runtime.program = mem_strdup("runc");
        clean_all(&c);
    }
    agent_config_clear(&config);
    return error_is_set(&c.err) ? error_pass(err, &c.err, "cleaning up") : 0;
}
