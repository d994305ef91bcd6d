/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admission: the cluster's own rules on a write, after authorization. First what changes the object, then, when its
 * kind's rules hold, what refuses it.
 */
#ifndef KNARR_APISERVER_ADMISSION_H
#define KNARR_APISERVER_ADMISSION_H

#include "apiserver/write.h"

enum admission_operation { ADMISSION_CREATE = 1, ADMISSION_UPDATE = 2, ADMISSION_DELETE = 4 };

struct admission {
    struct request *req;
    struct write *write; /* a plug-in may add conditions; NULL in a dry look */
    enum admission_operation operation;
    const char *namespace_;
    const char *name;
    const char *subresource;
    struct value *object;    /* NULL for a deletion */
    const struct value *old; /* NULL for a creation */
    bool ends;               /* the object is gone with this write; known to `validate` only */
};

/* ERROR_FORBIDDEN, ERROR_NOT_FOUND (namespace), ERROR_INVALID; or WRITE_WAIT, to be handed on. */
int admission_mutate(const struct admission *a, struct error *err);
int admission_validate(const struct admission *a, struct error *err);

#endif
