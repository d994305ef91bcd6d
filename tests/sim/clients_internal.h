/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KNARR_TESTS_SIM_CLIENTS_INTERNAL_H
#define KNARR_TESTS_SIM_CLIENTS_INTERNAL_H

#include "tests/sim/clients.h"

void watcher_stop(struct watcher *watcher);
/* Everything that can be read, against the model. */
void check_all(struct sim *sim);

#endif
