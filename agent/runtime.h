/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runtime: containers, one level below pods. An OCI runtime (runc) makes them, conmon holds their output and waits for
 * their end; both outlive this process, and what they leave on disk is enough to find everything again.
 *
 * On disk, run_dir/agent/containers/ID/: record.json (what this container is), config.json, conmon.pid, pid, oom (when
 * the kernel killed for memory), exit/ID (its exit code, written by conmon). Below home/agent/containers/ID: the
 * writable layer and the mounted root.
 */
#ifndef KNARR_AGENT_RUNTIME_H
#define KNARR_AGENT_RUNTIME_H

#include "agent/oci_spec.h"
#include "agent/str_list.h"
#include "lib/error.h"
#include "lib/loop.h"

struct runtime {
    char *run_dir; /* run_dir/agent */
    char *home;    /* home/agent */
    char *layers;  /* home/agent/images/layers */
    char *roots;   /* run_dir/roots: roots of pods with users of their own */
    char *program; /* full path of runc or crun */
    char *conmon;
    enum cgroup_version cgroup_version;
};

enum runtime_state { RUNTIME_CREATED, RUNTIME_RUNNING, RUNTIME_EXITED };

/* What is known of one container; the texts are owned. */
struct runtime_container {
    char *id; /* 64 hex digits */
    char *pod_uid;
    char *pod_namespace;
    char *pod_name;
    char *name;
    unsigned attempt;
    char *image;    /* as the pod names it */
    char *image_id; /* "docker.io/library/hello@sha256:..." or "sha256:..." */
    char *log_path;
    char *cgroup_path;
    char *hash;             /* of the container's spec */
    char *reason;           /* of the end, when it is not told by the code: "StartError"; "" = none */
    char *message;          /* "" = none */
    char *stop_signal;      /* of the image: "SIGQUIT", "3"; "" = SIGTERM */
    char *allocated;        /* JSON of the resources that the node has set aside for it; "" = nothing is said */
    char *resources;        /* JSON of those that it was given last; likewise */
    char *termination_path; /* file in which the container may say why it ended; "" = none */
    bool log_tells;         /* ... else the end of its log says it, when it failed */
    /* How it is started; not kept on disk. */
    bool stdin_open;
    bool stdin_once; /* ... and ends when the first who attached leaves */
    bool tty;
    enum runtime_state state;
    pid_t conmon_pid;
    int64_t created_ns;
    int64_t started_ns;
    int64_t finished_ns;
    int exit_code;
    bool oom_killed;
};
void runtime_container_free(struct runtime_container *c);

/* Which of the two installed programs (full paths, NULL = not installed) runs containers: runc wherever it is, since it
 * takes every kind of host and must find again what it started; else crun, which refuses hosts that are not on cgroup
 * v2 alone. NULL = none. */
const char *runtime_choose(enum cgroup_version version, const char *runc, const char *crun);
/* Looks for them and fills `program`; ERROR_NOT_FOUND says what to install. Needs cgroup_version. */
int runtime_find(struct runtime *rt, struct error *err);

/* What the runtime's own log lines say in the end; the text as it is when they are none. Caller frees. */
char *runtime_log_message(struct slice raw);

/* ---- these block: pool threads only ---- */

/* Fills id; makes the directories and the record. */
int runtime_prepare(const struct runtime *rt, struct runtime_container *c, struct error *err);
/* The users of a pod that does not share the node's. */
struct runtime_users {
    const char *namespace_; /* path of the pinned user namespace */
    uint32_t first;         /* who root of the pod is on the node */
};
/* Mounts the root of container `id` from the layers (highest last). `users` NULL = the node's. */
int runtime_mount_root(const struct runtime *rt, const char *id, const struct str_list *layers,
                       const struct runtime_users *users, struct error *err);
char *runtime_root_path(const struct runtime *rt, const char *id, const struct runtime_users *users);
/* Unmounts and removes it, with all else below home/agent/containers/ID. Nothing there is no error. */
int runtime_unmount_root(const struct runtime *rt, const char *id, struct error *err);
/* Creates and starts it. When it fails, the runtime's own words are in err and nothing runs. */
int runtime_start(const struct runtime *rt, struct runtime_container *c, const struct oci_spec *spec,
                  struct error *err);
/* The process namespace of a container that runs, for another one to be in: a descriptor. While it is open the
 * namespace is that container's and nobody else's, even when its pid is used again. ERROR_NOT_FOUND when it does not
 * run. */
int runtime_open_pids(const struct runtime *rt, const char *id, struct error *err);
/* Gives a container that runs other limits. */
int runtime_limit(const struct runtime *rt, const char *id, const struct cgroup_limits *limits, struct error *err);
/* Notes in its record what was set aside for it, and what it was given; NULL = as it was. */
int runtime_note(const struct runtime *rt, const char *id, const char *allocated, const char *resources,
                 struct error *err);
/* signal: number. A container that is gone is no error. */
int runtime_signal(const struct runtime *rt, const char *id, int signal, struct error *err);
/* For a container that could not be started: it has ended with this code, reason and message. */
int runtime_fail(const struct runtime *rt, struct runtime_container *c, int exit_code, const char *reason,
                 const char *message, struct error *err);
/* Looks at the disk: RUNNING or EXITED, with code, time and reason. */
void runtime_refresh(const struct runtime *rt, struct runtime_container *c);
/* Reads one from disk, refreshed; NULL when there is none. */
struct runtime_container *runtime_load(const struct runtime *rt, const char *id, struct error *err);
/* Gives back what only a running container needs: root, writable layer, runtime's state. The record stays. */
int runtime_release(const struct runtime *rt, const char *id, struct error *err);
/* Removes everything, also of a running container (killed first). */
int runtime_remove(const struct runtime *rt, const char *id, struct error *err);
/* Calls fn for each container on disk, refreshed; fn takes it over. */
int runtime_each(const struct runtime *rt, void (*fn)(void *arg, struct runtime_container *c), void *arg,
                 struct error *err);

/* ---- on the loop ---- */

struct runtime_watch;
/* Calls `ended` once, when conmon has gone: then runtime_refresh tells how it ended. */
struct runtime_watch *runtime_watch_start(struct loop *loop, const struct runtime_container *c,
                                          void (*ended)(void *arg), void *arg);
void runtime_watch_free(struct runtime_watch *w);

#endif
