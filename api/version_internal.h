/* SPDX-License-Identifier: Apache-2.0 */
/* What version.c's table names. Private to api/. */
#ifndef KNARR_API_VERSION_INTERNAL_H
#define KNARR_API_VERSION_INTERNAL_H

#include "api/version.h"

/* autoscaling/v1 */
void version_autoscaler_to_stored(struct value *object);
void version_autoscaler_from_stored(struct value *object);

#endif
