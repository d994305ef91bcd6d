/* SPDX-License-Identifier: Apache-2.0 */
/* See thread.h. A new thread bears the name of who made it, so a thread names itself before it does anything else. */
#include "lib/thread.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

void thread_name_self(const char *fmt, ...)
{
    char name[THREAD_NAME_MAX + 1];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(name, sizeof(name), fmt, args);
    va_end(args);
    (void)pthread_setname_np(pthread_self(), name);
}
