/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Managed fields: who wrote which fields of an object, kept in metadata.managedFields. A manager is a name with an
 * operation (Apply or Update), a subresource, and for Update an API version. An Update takes what it changes from all
 * others; an Apply says all that its manager wants, shares what is the same, and is refused where another manager wants
 * something else. The rules are upstream's; what they work on is sets of fields (fieldset.h).
 */
#ifndef KNARR_API_MANAGED_H
#define KNARR_API_MANAGED_H

#include "api/fieldset.h"

#define MANAGED_ENTRIES_MAX 256 /* more managers than any object has */
#define MANAGED_UPDATES_MAX 10  /* as upstream: older ones are one, "ancient-changes" */
#define MANAGED_BEFORE      "before-first-apply"

struct managed_entry {
    struct slice manager;
    struct slice api_version;
    struct slice subresource;
    struct slice time; /* RFC 3339; len 0 = none */
    bool applied;
    const struct fieldset *fields;
};

/* In a pool. All zero is nobody. */
struct managed {
    struct managed_entry *entries;
    size_t count;
    size_t cap;
};

/* Reads metadata.managedFields, which is valid JSON or nothing; texts are borrowed from it. ERROR_BAD_REQUEST on what
 * is not as it has to be. */
int managed_parse(struct pool *pool, struct slice list, struct managed *ret_managed, struct error *err);
/* Appends the list, in upstream's order; nothing when nobody manages anything. */
void managed_write(struct managed *managed, struct buf *out);
/* A client that sets an empty list, or one empty entry, wants all of it forgotten. */
bool managed_is_reset(const struct value *list);

/* Who writes, and through what. */
struct managed_writer {
    const char *manager;
    const char *subresource; /* "" = the object itself */
    const char *api_version;
    const char *now; /* RFC 3339 */
    enum fieldset_part part;
    const char *only; /* of an apply: all that it can own (api/places.h); NULL = whatever it says */
};
/* An Update: `from` became `to` (both without managedFields). */
void managed_update(struct pool *pool, struct managed *managed, const struct schema_type *type,
                    const struct managed_writer *who, const struct value *from, const struct value *to);

/* An Apply of `config` to `live`. Whether it is of this kind and name is asked before. The new object, normalised and
 * not yet defaulted, is the caller's; `managed` borrows from live and config until it is written. ERROR_CONFLICT with a
 * cause for each field that others own and that would change. ERROR_BAD_REQUEST: not a configuration of this kind. */
struct managed_apply {
    const struct schema_kind *kind;
    const char *namespace_; /* for errors */
    const char *name;
    const struct value *live;   /* without managedFields */
    const struct value *config; /* without nulls, and without what `who->part` does not write */
    bool force;
};
int managed_apply(struct pool *pool, struct managed *managed, const struct managed_writer *who,
                  const struct managed_apply *apply, struct value **ret_object, struct error *err);
/* The manager's entry has the time of now: the object changed. */
void managed_touch(struct managed *managed, const struct managed_writer *who);

#endif
