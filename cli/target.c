/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/target.h"

#include <stdio.h>

bool target_read(struct session *s, const struct arguments *arguments, struct target *ret_target)
{
    const char *first = arguments->items[0];
    size_t type_len = strcspn(first, "/");
    char *type CLEANUP_FREE = mem_strndup(first, type_len);

    memset(ret_target, 0, sizeof(*ret_target));
    if (first[type_len] && (arguments->count > 1 || !first[type_len + 1])) {
        (void)fprintf(stderr, "error: '%s' names one object by itself: TYPE/NAME, or TYPE NAME...\n", first);
        return false;
    }
    ret_target->kind = session_kind(s, type);
    ret_target->names = arguments->items + 1;
    ret_target->count = arguments->count - 1;
    ret_target->single = first[type_len] ? first + type_len + 1 : NULL;
    return ret_target->kind;
}

const char *target_pod(const char *command, const char *word)
{
    static const char *const types[] = {"pod/", "pods/", "po/"};

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (slice_starts(slice_str(word), slice_str(types[i])))
            return word + strlen(types[i]);
    if (!strchr(word, '/'))
        return word;
    (void)fprintf(stderr, "knarr %s: '%s' is no pod; 'knarr get pods' lists them\n", command, word);
    return NULL;
}
