/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     HEAD --a head of 1xx--> HEAD
 *      |--101------------------------------> TUNNEL
 *      |--a length, chunks, until the end--> BODY --all of it--> WHOLE
 *      |--no body-----------------------------------------------^
 *      `--anything else--> an error, from BODY, too
 *
 * libh2o's parser reads heads and chunks. How a body is framed is decided once, and strictly: one length or one coding,
 * the only one known being chunked, so that nothing can be read in two ways.
 */
#include "lib/http_answer.h"

#include <ctype.h>

#include "lib/http_parse.h"

enum answer_state { ANSWER_HEAD, ANSWER_BODY, ANSWER_TUNNEL, ANSWER_WHOLE };
enum answer_framing { FRAMING_END, FRAMING_LENGTH, FRAMING_CHUNKED };

struct http_answer {
    struct http_answer_events events;
    void *arg;
    bool no_body;
    enum answer_state state;
    enum answer_framing framing;
    uint64_t left; /* LENGTH */
    struct phr_chunked_decoder decoder;
    struct buf head;
    size_t looked_at; /* of head, at the last try */
    struct buf chunk;
};

struct http_answer *http_answer_new(bool no_body, const struct http_answer_events *events, void *arg)
{
    struct http_answer *a = mem_zalloc(sizeof(*a));

    a->events = *events;
    a->arg = arg;
    a->no_body = no_body;
    a->decoder.consume_trailer = 1;
    return a;
}

void http_answer_free(struct http_answer *a)
{
    if (!a)
        return;
    buf_free(&a->head);
    buf_free(&a->chunk);
    free(a);
}

/* ---- the head ---- */

static int answer_note_length(struct http_answer *a, struct slice value, struct error *err)
{
    int64_t n;

    if (!value.len || !isdigit((unsigned char)value.data[0]) || !slice_to_int64(value, &n) ||
        (a->framing == FRAMING_LENGTH && a->left != (uint64_t)n))
        return error_set(err, ERROR_IO, "its Content-Length cannot be read");
    if (a->framing == FRAMING_CHUNKED)
        return 0; /* a coding goes before */
    a->framing = FRAMING_LENGTH;
    a->left = (uint64_t)n;
    return 0;
}

/* One header that says how the body is framed; 0 when it is none, 1 when it is. */
static int answer_note_framing(struct http_answer *a, struct slice name, struct slice value, struct error *err)
{
    int r;

    if (slice_is(name, "content-length"))
        return (r = answer_note_length(a, value, err)) < 0 ? r : 1;
    if (!slice_is(name, "transfer-encoding"))
        return 0;
    if (a->framing == FRAMING_CHUNKED || !slice_equal_nocase(value, SLICE_LIT("chunked")))
        return error_set(err, ERROR_IO, "its Transfer-Encoding is unknown: %.*s", SLICE_ARGS(value));
    a->framing = FRAMING_CHUNKED;
    return 1;
}

/* The text is changed: names become lower case and end with NUL, in the place of their colon. */
static int answer_read_headers(struct http_answer *a, const struct phr_header *parsed, size_t count,
                               struct http_header *headers, size_t *ret_count, struct error *err)
{
    *ret_count = 0;
    for (size_t i = 0; i < count; i++) {
        char *name = parsed[i].name ? a->head.data + (parsed[i].name - a->head.data) : NULL;
        struct slice value = slice_trim(slice_make(parsed[i].value, parsed[i].value_len));
        int r;

        if (!name)
            return error_set(err, ERROR_IO, "one of its headers goes over two lines");
        for (size_t k = 0; k < parsed[i].name_len; k++)
            name[k] = (char)tolower((unsigned char)name[k]);
        name[parsed[i].name_len] = '\0';
        if ((r = answer_note_framing(a, slice_str(name), value, err)) < 0)
            return r;
        if (!r)
            headers[(*ret_count)++] = (struct http_header){name, value};
    }
    return 0;
}

static void answer_begin_body(struct http_answer *a, int status, const struct http_header *headers, size_t count)
{
    bool none = a->no_body || status == 204 || status == 304;
    int64_t len = a->framing == FRAMING_LENGTH && status != 204 ? (int64_t)a->left : none && !a->no_body ? 0 : -1;

    a->state = status == 101 ? ANSWER_TUNNEL : ANSWER_BODY;
    a->events.head(a->arg, status, headers, count, len);
    if (a->state == ANSWER_BODY && (none || (a->framing == FRAMING_LENGTH && !a->left))) {
        a->state = ANSWER_WHOLE;
        a->events.end(a->arg);
    }
}

/* How many bytes of `head` are the head; 0 = there is more to come. */
static int answer_parse(struct http_answer *a, size_t *ret_len, struct error *err)
{
    struct phr_header parsed[HTTP_ANSWER_HEADERS_MAX];
    struct http_header headers[HTTP_ANSWER_HEADERS_MAX];
    size_t count = ARRAY_SIZE(parsed);
    const char *message;
    size_t message_len;
    int minor;
    int status;
    int r;
    int n = phr_parse_response(a->head.data, a->head.len, &minor, &status, &message, &message_len, parsed, &count,
                               a->looked_at);

    *ret_len = 0;
    a->looked_at = a->head.len;
    if (n == -2 && a->head.len < HTTP_ANSWER_HEAD_MAX)
        return 0;
    if (n <= 0 || status < 100 || status > 599)
        return error_set(err, ERROR_IO, n == -2 ? "its head is too large" : "it is not HTTP/1.1");
    a->framing = FRAMING_END;
    if ((r = answer_read_headers(a, parsed, count, headers, &count, err)) < 0)
        return r;
    *ret_len = (size_t)n;
    if (status == 101 || status >= 200)
        answer_begin_body(a, status, headers, count);
    return 0;
}

/* ---- the body ---- */

static int answer_take_chunks(struct http_answer *a, struct slice data, struct error *err)
{
    size_t len = data.len;
    ssize_t rest;

    buf_reset(&a->chunk);
    buf_append_slice(&a->chunk, data);
    rest = phr_decode_chunked(&a->decoder, a->chunk.data, &len);
    if (rest == -1)
        return error_set(err, ERROR_IO, "its chunks cannot be read");
    if (len)
        a->events.data(a->arg, slice_make(a->chunk.data, len));
    if (rest >= 0) {
        a->state = ANSWER_WHOLE;
        a->events.end(a->arg);
    }
    return 0;
}

static int answer_take_body(struct http_answer *a, struct slice data, struct error *err)
{
    if (a->state == ANSWER_BODY && a->framing == FRAMING_CHUNKED)
        return answer_take_chunks(a, data, err);
    if (a->state == ANSWER_BODY && a->framing == FRAMING_LENGTH) {
        data.len = data.len < a->left ? data.len : (size_t)a->left;
        a->left -= data.len;
    }
    a->events.data(a->arg, data);
    if (a->state == ANSWER_BODY && a->framing == FRAMING_LENGTH && !a->left) {
        a->state = ANSWER_WHOLE;
        a->events.end(a->arg);
    }
    return 0;
}

int http_answer_feed(struct http_answer *a, struct slice data, struct error *err)
{
    int r = 0;

    if (a->state == ANSWER_HEAD) {
        size_t len;

        buf_append_slice(&a->head, data);
        do {
            if ((r = answer_parse(a, &len, err)) < 0)
                return r;
            buf_consume(&a->head, len);
            if (len)
                a->looked_at = 0;
        } while (len && a->state == ANSWER_HEAD && a->head.len);
        data = buf_slice(&a->head);
    }
    if (data.len && (a->state == ANSWER_BODY || a->state == ANSWER_TUNNEL))
        r = answer_take_body(a, data, err);
    return r;
}

int http_answer_finish(struct http_answer *a, struct error *err)
{
    if (a->state == ANSWER_BODY && a->framing == FRAMING_END) {
        a->state = ANSWER_WHOLE;
        a->events.end(a->arg);
    }
    if (a->state == ANSWER_WHOLE || a->state == ANSWER_TUNNEL)
        return 0;
    return error_set(err, ERROR_IO,
                     a->state == ANSWER_HEAD ? "the connection ended before the answer"
                                             : "the connection ended in the middle of the answer");
}
