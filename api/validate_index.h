/* SPDX-License-Identifier: Apache-2.0 */
/* Which rules concern which field of which built-in type: found once, so that a walk over an object looks at no field
 * that has nothing to say. Private to api/. */
#ifndef KNARR_API_VALIDATE_INDEX_H
#define KNARR_API_VALIDATE_INDEX_H

#include "api/validate_internal.h"

#define FIELD_BIT     0x3f /* the number of the bit that value_name_bit has for its name */
#define FIELD_ASKED   0x40 /* looked at also where it is absent: it must be there, or a rule is of it */
#define FIELD_LENIENT 0x80 /* may be absent although its row says that it must be there */

struct field_rules {
    uint8_t look;
    uint8_t count;
    uint16_t first; /* for validate_field_rules */
};

struct type_rules {
    const struct field_rules *fields; /* as those of the type; NULL = of a type that users named: validate_no_rules */
    uint16_t whole_first;             /* of the rules that are of no single field */
    uint16_t whole_count;
};

extern const struct field_rules validate_no_rules;
const struct type_rules *validate_type_rules(const struct schema_type *type);
const struct rule *const *validate_field_rules(const struct field_rules *field);
const struct rule *const *validate_whole_rules(const struct type_rules *type);
/* All rules that name their type so. */
const struct rule *const *validate_named_rules(const char *type, size_t *ret_count);

/* The first letters decide most of the time, so that walking tables is cheap. */
static inline bool validate_same(const char *a, const char *b)
{
    return a[0] == b[0] && !strcmp(a, b);
}

#endif
