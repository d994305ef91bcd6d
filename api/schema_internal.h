/* SPDX-License-Identifier: Apache-2.0 */
/* What compile.py makes of the rows in api/schema/. */
#ifndef KNARR_API_SCHEMA_INTERNAL_H
#define KNARR_API_SCHEMA_INTERNAL_H

#include "api/schema.h"

extern const struct schema_kind *const schema_table_kinds[];
extern const size_t schema_table_kind_count;
extern const struct schema_type *const schema_table_types;
extern const size_t schema_table_type_count;

#endif
