/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any request, over and over: "@@@@@@@@" in its path and its body is the number of the turn, so that one text makes
 * many objects.
 */
#include "bench/load.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK_LEN 8
static const char MARK[] = "@@@@@@@@";

struct sending {
    const char *method;
    const char *path;
    const char *media;
    char *body;
    size_t length;
    uint64_t first;
    uint64_t count;
    uint64_t issued;
    struct load_timed timed;
};

static void read_body(struct sending *s, const char *path)
{
    struct stat found;
    int fd;

    if (!strcmp(path, "-"))
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &found) < 0)
        bench_fail("%s cannot be read", path);
    s->length = (size_t)found.st_size;
    s->body = mem_alloc(s->length);
    if (read(fd, s->body, s->length) != found.st_size)
        bench_fail("%s cannot be read", path);
    (void)close(fd);
}

/* Into all marks from `from` on. */
static void put_number(struct buf *to, size_t from, uint64_t number)
{
    char text[MARK_LEN + 1], *at = to->data + from;

    (void)snprintf(text, sizeof(text), "%08llu", (unsigned long long)(number % 100000000));
    while ((at = memmem(at, to->len - (size_t)(at - to->data), MARK, MARK_LEN)))
        memcpy(at, text, MARK_LEN);
}

/* For a while the numbers go round; without a time each has its turn once. */
static bool next_send(struct load *load, void *arg, struct buf *request)
{
    struct sending *s = arg;

    (void)load;
    if (s->timed.ms ? load_timed_over(&s->timed) : s->issued == s->count)
        return false;
    buf_reset(request);
    buf_printf(request, "%s %s HTTP/1.1\r\nhost: bench\r\nuser-agent: bench\r\naccept: " BENCH_JSON "\r\n", s->method,
               s->path);
    if (s->length)
        buf_printf(request, "content-type: %s\r\ncontent-length: %zu\r\n", s->media, s->length);
    buf_append(request, "\r\n", 2);
    buf_append(request, s->body, s->length);
    put_number(request, 0, s->first + s->issued++ % s->count);
    return true;
}

/* send METHOD PATH MEDIA BODY-FILE FIRST COUNT CONNECTIONS MS */
void load_send(struct load *load, const struct bench_command *command)
{
    struct sending s = {.method = bench_word(command, 1),
                        .path = bench_word(command, 2),
                        .media = bench_word(command, 3),
                        .first = bench_number(command, 5),
                        .count = bench_number(command, 6),
                        .timed.ms = (int64_t)bench_number(command, 8)};

    read_body(&s, bench_word(command, 4));
    load_run(load, bench_number(command, 7), next_send, &s);
    free(s.body);
}
