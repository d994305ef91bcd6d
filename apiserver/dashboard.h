/* SPDX-License-Identifier: Apache-2.0 */
/* The Dashboard's files: static, without secrets, the same for everybody, who may read them without saying who he is.
 */
#ifndef KNARR_APISERVER_DASHBOARD_H
#define KNARR_APISERVER_DASHBOARD_H

#include <stdbool.h>
#include <stddef.h>

struct request;

/* Made by dashboard/embed.py; sorted by name. */
struct dashboard_file {
    const char *name; /* "app.js" */
    const char *content_type;
    const char *etag;
    const unsigned char *packed; /* gzip */
    size_t packed_len;
    size_t len; /* unpacked */
};
extern const struct dashboard_file dashboard_files[];
extern const size_t dashboard_file_count;

/* Whether the path (as in struct request_info) is the Dashboard's. */
bool dashboard_owns(const char *path);
/* Answers GET and HEAD of such a path. */
void dashboard_handle(struct request *req);

#endif
