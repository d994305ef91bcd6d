/* SPDX-License-Identifier: Apache-2.0 */
/* ObjectMeta: what the server owns in it, and what a client may say. */
#ifndef KNARR_APISERVER_META_H
#define KNARR_APISERVER_META_H

#include "apiserver/request.h"

/* "" when absent. */
const char *meta_name(const struct value *object);
const char *meta_namespace(const struct value *object);
const char *meta_uid(const struct value *object);
bool meta_is_deleting(const struct value *object);
size_t meta_finalizer_count(const struct value *object);
void meta_add_finalizer(struct value *object, const char *finalizer);
void meta_remove_finalizer(struct value *object, const char *finalizer);

/* Checks name and namespace against the URL and fills in what a new object gets. *ret_generated: the name was made
 * from generateName. */
int meta_prepare_create(struct request *req, struct value *object, bool *ret_generated, struct error *err);
/* ERROR_BAD_REQUEST unless the object's name and namespace are those of the URL. */
int meta_check_identity(const struct request *req, const struct value *object, struct error *err);
/* Checks an update's metadata against the URL and the stored object (at `revision`), and restores what only the server
 * sets. */
int meta_prepare_update(struct request *req, struct value *object, const struct value *old, uint64_t revision,
                        struct error *err);
/* The generation of the new object: one more when its spec (all but metadata and status) changed. */
void meta_set_generation(const struct request *req, struct value *object, const struct value *old);

#endif
