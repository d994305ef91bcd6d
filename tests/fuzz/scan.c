/* SPDX-License-Identifier: Apache-2.0 */
/* The scanner never reads out of bounds, on documents of any kind; on valid JSON it sees what the tree holds. */
#include "tests/fuzz/fuzz.h"

#include "api/scan.h"
#include "api/value.h"

static void walk(struct slice v, int depth)
{
    struct scan_cursor object = scan_open(v), array = object;
    BUF_LOCAL(scratch);
    struct slice key, member;

    (void)scan_text(v, &scratch);
    (void)scan_text_is(v, "x");
    (void)scan_int(v, 0);
    (void)scan_bool(v, false);
    (void)scan_count(v);
    if (depth > VALUE_DEPTH_MAX)
        return;
    if (v.len && v.data[0] == '{')
        while (scan_member(&object, &key, &member))
            walk(member, depth + 1);
    else
        while (scan_element(&array, &member))
            walk(member, depth + 1);
}

static void visit(void *arg, size_t path, struct slice v)
{
    size_t *hits = arg;

    FUZZ_CHECK(path < 3);
    FUZZ_CHECK(v.data != NULL);
    *hits += 1;
}

static void fuzz_one(struct slice input)
{
    static const char *const single[] = {"metadata.name", "spec.nodeName", "a"};
    static const char *const many[] = {"spec.containers[].name", "a[].b", "metadata.labels"};
    /* An exact copy on the heap, so that one byte too far is seen. */
    char *copy CLEANUP_FREE = mem_dup(input.data, input.len);
    struct slice document = slice_make(copy, input.len);
    struct scan_plan *plan = scan_plan_new(single, 3), *visits = scan_plan_new(many, 3);
    struct value *tree CLEANUP_VALUE = value_parse(document, NULL);
    struct slice values[3];
    size_t hits = 0;

    walk(document, 0);
    (void)scan_get(document, "metadata.name");
    scan_run(plan, document, values);
    scan_visit(visits, document, visit, &hits);
    if (value_is(tree, VALUE_OBJECT) || value_is(tree, VALUE_ARRAY))
        FUZZ_CHECK(scan_count(slice_trim(document)) == value_count(tree));
    scan_plan_free(plan);
    scan_plan_free(visits);
}
