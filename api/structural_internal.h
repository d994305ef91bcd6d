/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a compiled structural schema is made of. Kept small: an operator's largest definition has some ten thousand
 * places, and few of them say more than their type.
 */
#ifndef KNARR_API_STRUCTURAL_INTERNAL_H
#define KNARR_API_STRUCTURAL_INTERNAL_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "api/structural.h"

enum structural_type {
    STRUCTURAL_ANY,
    STRUCTURAL_OBJECT,
    STRUCTURAL_ARRAY,
    STRUCTURAL_STRING,
    STRUCTURAL_INTEGER,
    STRUCTURAL_NUMBER,
    STRUCTURAL_BOOLEAN,
};

enum structural_flag {
    STRUCTURAL_NULLABLE = 1 << 0,
    STRUCTURAL_PRESERVE = 1 << 1,      /* x-kubernetes-preserve-unknown-fields, additionalProperties: true */
    STRUCTURAL_EMBEDDED = 1 << 2,      /* x-kubernetes-embedded-resource: apiVersion, kind, metadata are known */
    STRUCTURAL_INT_OR_STRING = 1 << 3, /* x-kubernetes-int-or-string */
    STRUCTURAL_ATOMIC = 1 << 4,        /* a map or struct that apply replaces as a whole */
    STRUCTURAL_SET = 1 << 5,           /* x-kubernetes-list-type: set */
    STRUCTURAL_MAP = 1 << 6,           /* x-kubernetes-list-type: map, by map_keys */
};

struct structural_property {
    struct slice name;
    const struct structural *schema;
};

struct structural_default {
    const struct structural_property *property;
    size_t bytes; /* that it adds to an object, about */
};

struct structural {
    const struct structural_property *properties; /* sorted by name */
    const struct structural_default *defaults;    /* of them; NULL = none has one */
    const struct structural *each;                /* of items or additionalProperties; NULL = not described */
    const struct value *by_default;               /* NULL = none; when it is a property its parent has it too */
    const char *const *map_keys;                  /* STRUCTURAL_MAP: NULL-terminated */
    const struct structural_rules *rules;         /* NULL = the type says all */
    uint32_t property_count;
    uint32_t default_count;
    uint8_t type;  /* enum structural_type */
    uint8_t flags; /* enum structural_flag */
};

enum structural_bound {
    STRUCTURAL_HAS_MINIMUM = 1 << 0,
    STRUCTURAL_HAS_MAXIMUM = 1 << 1,
    STRUCTURAL_HAS_MULTIPLE = 1 << 2,
    STRUCTURAL_ABOVE_MINIMUM = 1 << 3, /* exclusiveMinimum */
    STRUCTURAL_BELOW_MAXIMUM = 1 << 4,
    STRUCTURAL_UNIQUE = 1 << 5,
};

struct structural_list {
    const struct structural *const *schemas;
    size_t count;
};

/* What values must hold besides their type. Numbers of things are -1 where nothing is said. */
struct structural_rules {
    const struct value *minimum;
    const struct value *maximum;
    const struct value *multiple_of;
    const struct value *values; /* enum: an array */
    const char *format;
    const char *pattern;
    pcre2_code *regex;           /* of `pattern`; NULL = it could not be compiled, and nothing matches */
    const char *const *required; /* NULL-terminated, or NULL */
    int64_t min_length, max_length;
    int64_t min_items, max_items;
    int64_t min_properties, max_properties;
    struct structural_list all_of, any_of, one_of;
    const struct structural *none_of; /* not */
    uint8_t bounds;                   /* enum structural_bound */
};

/* Patterns of one version may have so many bytes when they are compiled: one of a line's length can have 64 kB. */
#define STRUCTURAL_PATTERNS_MAX (4u << 20)
/* Lists of defaults that have defaults multiply: no more is filled in, and no single one is larger, than leaves an
 * object that is too large to be stored (4 MiB). */
#define STRUCTURAL_DEFAULTS_MAX (9u << 20)
/* Comparisons of one object with its schema, of some 50 ns each. */
#define STRUCTURAL_STEPS_MAX 10000000

/* The property of that name, or NULL. */
const struct structural *structural_find(const struct structural *s, struct slice name);

/* Whether a text is of an OpenAPI format; one that nobody knows fits everything. */
bool structural_format_fits(const char *format, struct slice text);

#endif
