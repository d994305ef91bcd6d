/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls a container may make when nobody says otherwise: data. What is allowed is the common ground of the
 * container runtimes (the default profiles of containerd and Docker, 2025), so that what runs elsewhere runs here: all
 * that is not named gets EPERM, among it new namespaces, mounting, keyrings, BPF, userfaultfd, io_uring, kernel
 * modules. A call that only makes sense with a capability is allowed with it. Names that the host's libseccomp does not
 * know are passed over by runc, and calls newer than it knows get ENOSYS.
 */
#include "agent/seccomp.h"

#include <errno.h>
#include <sched.h>
#include <sys/socket.h>

#define NEW_NAMESPACES                                                                                                 \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

const struct seccomp_rule seccomp_default_rules[] = {
    /* files and directories */
    {.names = "_llseek access cachestat chdir chmod close close_range copy_file_range creat dup dup2 dup3 "
              "faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown "
              "fchown32 fchownat fcntl fcntl64 fdatasync flock fstat fstat64 fstatat64 fstatfs fstatfs64 fsync "
              "ftruncate ftruncate64 futimesat getcwd getdents getdents64 ioctl link linkat listmount lseek "
              "lstat lstat64 memfd_create memfd_secret mkdir mkdirat mknod mknodat name_to_handle_at newfstatat "
              "open openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead "
              "readlink readlinkat readv rename renameat renameat2 rmdir sendfile sendfile64 splice stat stat64 "
              "statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs tee truncate "
              "truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice write writev"},
    /* extended attributes */
    {.names = "fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat "
              "llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat"},
    /* memory */
    {.names = "brk madvise map_shadow_stack membarrier mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap "
              "mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease "
              "remap_file_pages"},
    /* users, groups, capabilities, limits */
    {.names = "capget capset chown chown32 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups "
              "getgroups32 getpriority getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getuid "
              "getuid32 ioprio_get ioprio_set lchown lchown32 prlimit64 setfsgid setfsgid32 setfsuid setfsuid32 "
              "setgid setgid32 setgroups setgroups32 setpriority setregid setregid32 setresgid setresgid32 "
              "setresuid setresuid32 setreuid setreuid32 setrlimit setuid setuid32 ugetrlimit"},
    /* processes and threads */
    {.names = "execve execveat exit exit_group fork futex futex_requeue futex_time64 futex_wait futex_waitv "
              "futex_wake get_robust_list get_thread_area getcpu getpgid getpgrp getpid getppid getsid gettid "
              "landlock_add_rule landlock_create_ruleset landlock_restrict_self pause pidfd_open "
              "pidfd_send_signal prctl process_vm_readv process_vm_writev ptrace restart_syscall rseq "
              "sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam "
              "sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity "
              "sched_setattr sched_setparam sched_setscheduler sched_yield seccomp set_robust_list "
              "set_thread_area set_tid_address setpgid setsid vfork wait4 waitid waitpid"},
    /* signals */
    {.names = "alarm kill rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend "
              "rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack signalfd signalfd4 "
              "sigprocmask sigreturn tgkill tkill"},
    /* time */
    {.names = "adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime "
              "clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep "
              "setitimer time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 "
              "timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime "
              "timerfd_settime64 times"},
    /* sockets */
    {.names = "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg "
              "recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair"},
    /* messages, semaphores, shared memory */
    {.names = "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
              "mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop "
              "semtimedop_time64 shmat shmctl shmdt shmget"},
    /* waiting for events */
    {.names = "_newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 "
              "epoll_wait epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init "
              "inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents "
              "io_pgetevents_time64 io_setup io_submit poll ppoll ppoll_time64 pselect6 pselect6_time64 select"},
    /* the rest */
    {.names = "getrandom sysinfo uname"},

    /* Sockets of the host itself and of the kernel's cryptography stay out of reach. */
    {.names = "socket", .compare = "SCMP_CMP_LT", .value = AF_ALG},
    {.names = "socket", .compare = "SCMP_CMP_EQ", .value = AF_ALG + 1},
    {.names = "socket", .compare = "SCMP_CMP_GT", .value = AF_VSOCK},
    /* Personalities: Linux, 32 bits of PER_LINUX32, UNAME26 with each, and asking. */
    {.names = "personality", .compare = "SCMP_CMP_EQ", .value = 0},
    {.names = "personality", .compare = "SCMP_CMP_EQ", .value = 0x0008},
    {.names = "personality", .compare = "SCMP_CMP_EQ", .value = 0x20000},
    {.names = "personality", .compare = "SCMP_CMP_EQ", .value = 0x20008},
    {.names = "personality", .compare = "SCMP_CMP_EQ", .value = 0xffffffff},
    /* New processes, but no new namespaces. clone3 hides its flags from a filter: C libraries fall back on ENOSYS. */
    {.names = "clone", .without = "SYS_ADMIN", .compare = "SCMP_CMP_MASKED_EQ", .value = NEW_NAMESPACES},
    {.names = "clone3", .without = "SYS_ADMIN", .error = ENOSYS},
    {.names = "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr "
              "lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl "
              "quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
     .with = "SYS_ADMIN"},
    {.names = "open_by_handle_at", .with = "DAC_READ_SEARCH"},
    {.names = "reboot", .with = "SYS_BOOT"},
    {.names = "chroot", .with = "SYS_CHROOT"},
    {.names = "delete_module finit_module init_module", .with = "SYS_MODULE"},
    {.names = "acct", .with = "SYS_PACCT"},
    {.names = "kcmp pidfd_getfd process_madvise", .with = "SYS_PTRACE"},
    {.names = "ioperm iopl", .with = "SYS_RAWIO"},
    {.names = "clock_settime clock_settime64 settimeofday stime", .with = "SYS_TIME"},
    {.names = "vhangup", .with = "SYS_TTY_CONFIG"},
    {.names = "get_mempolicy mbind set_mempolicy set_mempolicy_home_node", .with = "SYS_NICE"},
    {.names = "syslog", .with = "SYSLOG"},
    {.names = "bpf", .with = "BPF"},
    {.names = "perf_event_open", .with = "PERFMON"},
#if defined(__x86_64__)
    {.names = "arch_prctl modify_ldt"},
#elif defined(__aarch64__)
    {.names = "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2"},
#endif
};
const size_t seccomp_default_rule_count = sizeof(seccomp_default_rules) / sizeof(seccomp_default_rules[0]);
