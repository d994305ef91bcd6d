/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A watcher at the front without a socket: an engine behind lib/http.h whose other end reads when it is told to, so
 * that it is as slow as a test wants, or breaks. What it reads goes into its session of the record.
 */
#ifndef KNARR_TESTS_WATCH_PEER_H
#define KNARR_TESTS_WATCH_PEER_H

#include "apiserver/server_internal.h"
#include "tests/watch/record.h"

struct peer;

/* Asks for the path (record_path), which shows objects of this kind. */
struct peer *peer_open(struct front *front, struct record_session *session, const struct schema_kind *kind,
                       const char *path);
/* Reads whole lines until that many bytes are through. */
void peer_read(struct peer *peer, size_t bytes);
/* The connection breaks; what was not read is lost. */
void peer_cut(struct peer *peer);
/* The end was reached, and nothing of it is left in the server: the session knows how. It can be freed. */
bool peer_over(const struct peer *peer);
void peer_free(struct peer *peer);
/* Something came that no server should say; NULL = nothing. */
const char *peer_trouble(const struct peer *peer);

#endif
