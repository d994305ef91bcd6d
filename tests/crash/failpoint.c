/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/failpoint.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME(name) #name,
static const char *const names[] = {FAILPOINTS(NAME)};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static enum failpoint chosen = FAILPOINT_COUNT;
static long passes; /* that are left; atomic */

const char *failpoint_name(enum failpoint point)
{
    return names[point];
}

static void no_choice(void)
{
}

void failpoint_arm(enum failpoint point, long count)
{
    (void)pthread_once(&once, no_choice);
    chosen = point;
    passes = count;
}

static void read_choice(void)
{
    const char *text = getenv("KNARR_FAILPOINT");
    size_t len = text ? strcspn(text, ":") : 0;

    for (unsigned i = 0; len && i < FAILPOINT_COUNT; i++)
        if (strlen(names[i]) == len && !strncmp(names[i], text, len))
            chosen = (enum failpoint)i;
    passes = len && text[len] == ':' ? strtol(text + len + 1, NULL, 10) : 1;
}

void failpoint_pass(enum failpoint point)
{
    (void)pthread_once(&once, read_choice);
    if (point == chosen && __atomic_sub_fetch(&passes, 1, __ATOMIC_RELAXED) == 0) {
        (void)kill(getpid(), SIGKILL);
        for (;;) /* other threads die a little later */
            (void)pause();
    }
}
