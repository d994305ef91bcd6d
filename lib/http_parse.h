/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libh2o's parser of HTTP/1.x (picohttpparser), which the library exports and whose header Debian does not package.
 * Private to lib/http_*.c.
 */
#ifndef KNARR_LIB_HTTP_PARSE_H
#define KNARR_LIB_HTTP_PARSE_H

#include <stddef.h>
#include <sys/types.h>

struct phr_header {
    const char *name; /* NULL: goes on with the one before */
    size_t name_len;
    const char *value;
    size_t value_len;
};

/* All zero at first, but for consume_trailer. */
struct phr_chunked_decoder {
    size_t bytes_left_in_chunk;
    char consume_trailer;
    char _hex_count;
    char _state;
};

/* The length of the head; -1 = it is none, -2 = there is more to come. `last_len` is what was there at the last try. */
int phr_parse_request(const char *buf, size_t len, const char **method, size_t *method_len, const char **path,
                      size_t *path_len, int *minor_version, struct phr_header *headers, size_t *num_headers,
                      size_t last_len);
int phr_parse_response(const char *buf, size_t len, int *minor_version, int *status, const char **msg, size_t *msg_len,
                       struct phr_header *headers, size_t *num_headers, size_t last_len);
/* Decodes in place, *bufsz becomes the length of what is decoded. How many bytes follow the body, behind the decoded
 * ones; -1 = not chunked, -2 = there is more to come. */
ssize_t phr_decode_chunked(struct phr_chunked_decoder *decoder, char *buf, size_t *bufsz);

#endif
