/* SPDX-License-Identifier: Apache-2.0 */
/* Status: what a client gets instead of an object, built from an error; and read back from one. */
#ifndef KNARR_API_STATUS_H
#define KNARR_API_STATUS_H

#include "api/schema.h"
#include "lib/error.h"

struct status_details {
    const char *name;  /* NULL = none */
    const char *group; /* NULL or "" = none */
    const char *kind;  /* plural for most reasons, the Kind for Invalid (wire.md section 8); NULL = none */
    const char *uid;
};

/* The JSON of a failure. `details` may be NULL. */
void status_write_error(struct buf *out, const struct error *err, const struct status_details *details);
/* {"kind":"Status",...,"status":"Success","details":{...}} of a deletion. */
void status_write_success(struct buf *out, const struct status_details *details);
/* Turns an answer's Status into an error (code, message, causes); any other body gives a message of its own. */
void status_read_error(int http_status, struct slice body, struct error *err);

/* The common errors, worded as upstream words them. `resource` is "pods" or "deployments.apps". */
int status_not_found(struct error *err, const struct schema_kind *kind, struct slice name);
int status_already_exists(struct error *err, const struct schema_kind *kind, struct slice name);
int status_conflict(struct error *err, const struct schema_kind *kind, struct slice name, const char *why);

#endif
