/* SPDX-License-Identifier: Apache-2.0 */
/* The names of threads, as ps, top and gdb show them. The main thread keeps the program's. */
#ifndef KNARR_LIB_THREAD_H
#define KNARR_LIB_THREAD_H

#include "lib/mem.h"

#define THREAD_NAME_MAX 15 /* as the kernel has it; what is longer is cut */

/* Names the thread that calls; first thing of its function. */
void thread_name_self(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
