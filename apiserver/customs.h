/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Custom resources as the fronts see them: which kinds users have defined, and the documents that tell of them beside
 * the built-in ones. A definition's schema is compiled when the first request for its kind comes.
 */
#ifndef KNARR_APISERVER_CUSTOMS_H
#define KNARR_APISERVER_CUSTOMS_H

#include "api/custom.h"
#include "apiserver/request.h"

struct customs;          /* shared by all fronts */
struct customs_snapshot; /* all kinds at one moment, immutable */

struct customs *customs_new(struct store *store, const char *server_address);
void customs_free(struct customs *customs);
void customs_snapshot_unref(struct customs_snapshot *snapshot); /* NULL is allowed */

/* Hook of a request's pool (arg), to be the first there is, because hooks run in reverse order: lets go of its kind. */
void customs_let_go(void *request);
/* The kind at that path as the newest definitions have it, alive until the request goes, so once for a request; NULL
 * when there is none. */
const struct schema_kind *customs_find(struct request *req, const char *group, const char *version, const char *plural);
/* Whether a custom kind is served as it is: its definition is still there and says the same. */
bool customs_is_current(struct front *front, const struct schema_kind *kind);
/* Discovery and OpenAPI of everything, as long as the reference to the snapshot is held (on any thread). */
struct documents *customs_documents(struct front *front, struct customs_snapshot **ret_snapshot);
/* To be called every ten seconds: gives back what documents nobody asks for. */
void customs_tidy(struct customs *customs);

/* The names that the definition has from now on: of those it wants what no other that is served has, else those that it
 * had. Upstream's reason when one is taken, the last of several ("PluralConflict" ...; static), with a sentence in the
 * request's pool; NULL when all are free. */
const char *customs_accept(struct request *req, const struct value *definition, struct value *ret_names,
                           const char **ret_message);

#endif
