/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places where a test lets the process die. Only programs that are built for it (-DKNARR_FAILPOINTS, tests/crash) have
 * them; elsewhere the macro is nothing. KNARR_FAILPOINT=NAME:N in the environment of such a program ends it, as SIGKILL
 * does, when the N-th call passes the place.
 */
#ifndef KNARR_LIB_FAILPOINT_H
#define KNARR_LIB_FAILPOINT_H

/* The order is that of a write on its way. */
#define FAILPOINTS(X)                                                                                                  \
    X(append_begin)     /* a batch is applied */                                                                       \
    X(append_written)   /* its frame is written, not synced */                                                         \
    X(append_synced)    /* it is durable, nobody knows */                                                              \
    X(append_visible)   /* readers see it, watchers do not */                                                          \
    X(published)        /* watchers were told, the writer was not */                                                   \
    X(told)             /* the writer was told */                                                                      \
    X(segment_named)    /* the next segment has its name, its folder is not synced */                                  \
    X(segment_prepared) /* it is durable, and waits */                                                                 \
    X(segment_begun)    /* it has its first frame, durable */                                                          \
    X(table_frozen)     /* a table is on its way to LMDB */                                                            \
    X(index_written)    /* a part of it is, not durable */                                                             \
    X(index_durable)    /* the part is durable */                                                                      \
    X(forget_durable)   /* a compaction is durable, and not carried out */                                             \
    X(trim_written)     /* a part of a segment is dissolved, not durable */                                            \
    X(trim_durable)     /* the part is durable, the segment still there */                                             \
    X(segment_dropped)  /* it is not used any more, its file is there */                                               \
    X(segment_gone)     /* its file is gone */                                                                         \
    X(clean_written)    /* a cleaned segment is written under another name */                                          \
    X(clean_named)      /* it has taken the old one's place, not synced */                                             \
    X(opened)           /* the log is replayed, nothing was written yet */                                             \
    X(reply_begin)      /* the API server knows of its write */                                                        \
    X(reply_made)       /* and has made an answer */

#ifdef KNARR_FAILPOINTS
#define FAILPOINT_ENUM(name) FAILPOINT_##name,
enum failpoint { FAILPOINTS(FAILPOINT_ENUM) FAILPOINT_COUNT };
#undef FAILPOINT_ENUM
void failpoint_pass(enum failpoint point);
/* In place of the environment: in a child that was forked. */
void failpoint_arm(enum failpoint point, long passes);
const char *failpoint_name(enum failpoint point);
#define FAILPOINT(name) failpoint_pass(FAILPOINT_##name)
#else
#define FAILPOINT(name) ((void)0)
#endif

#endif
