/* SPDX-License-Identifier: Apache-2.0 */
/* Which part of an object is somebody's wish, how it is written back, and how it is shown. */
#include "cli/manifest.h"
#include "cli/rewind_plan.h"
#include "cli/text_diff.h"
#include "lib/yaml.h"

/* Annotations that controllers keep: they follow from the rest. */
static const char *const kept_annotations[] = {"deployment.kubernetes.io/", "endpoints.kubernetes.io/"};

static bool is_kept(struct slice annotation)
{
    for (size_t i = 0; i < ARRAY_SIZE(kept_annotations); i++)
        if (slice_starts(annotation, slice_str(kept_annotations[i])))
            return true;
    return false;
}

/* Where such an object runs is decided by a binding, not by who wants it. */
static bool is_bound(const struct schema_kind *kind)
{
    for (size_t i = 0; i < kind->subresource_count; i++)
        if (!strcmp(kind->subresources[i].name, "binding"))
            return true;
    return false;
}

/* Copies the annotations of which is_kept says `kept`. */
static void copy_annotations(const struct value *metadata, bool kept, struct value *to)
{
    const struct value *from = value_get(metadata, "annotations");
    struct value_iter it = value_iter_start(from);
    struct slice name;
    struct value *text;

    while (value_is(from, VALUE_OBJECT) && value_iter_next(&it, &name, &text))
        if (is_kept(name) == kept)
            value_set_slice(value_need_object(to, "annotations"), name, value_copy(text));
}

static struct value *content_metadata(const struct value *object)
{
    static const char *const names[] = {"name", "namespace", "labels"};
    const struct value *from = value_get(object, "metadata");
    struct value *metadata = value_new_object();

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const struct value *member = value_get(from, names[i]);

        if (value_is(member, VALUE_STRING) || value_count(member))
            value_set(metadata, names[i], value_copy(member));
    }
    copy_annotations(from, false, metadata);
    return metadata;
}

static bool is_frame(const struct schema_kind *kind, struct slice name)
{
    return slice_is(name, "apiVersion") || slice_is(name, "kind") || slice_is(name, "metadata") ||
           (kind->has_status && slice_is(name, "status"));
}

struct value *rewind_content(const struct schema_kind *kind, const struct value *object)
{
    struct value *content = value_new_object();
    struct value_iter it = value_iter_start(object);
    char version[128];
    struct slice name;
    struct value *member;

    value_set_str(content, "apiVersion", schema_api_version(kind, version, sizeof(version)));
    value_set_str(content, "kind", kind->kind);
    value_set(content, "metadata", content_metadata(object));
    while (value_iter_next(&it, &name, &member))
        if (!is_frame(kind, name))
            value_set_slice(content, name, value_copy(member));
    if (is_bound(kind))
        (void)value_remove(value_get(content, "spec"), "nodeName");
    return content;
}

bool rewind_same(const struct schema_kind *kind, const struct value *a, const struct value *b)
{
    struct value *x CLEANUP_VALUE = rewind_content(kind, a);
    struct value *y CLEANUP_VALUE = rewind_content(kind, b);

    return value_equal(x, y);
}

/* A uid cannot come back, so neither do finalizers (who waits for the old object's end has seen it) nor the revision;
 * owners that are no controllers stay, under the uids that they have now (rewind_write.c). */
struct value *rewind_body_create(const struct schema_kind *kind, const struct value *then)
{
    struct value *body = rewind_content(kind, then);
    const struct value *owners = value_path(then, "metadata", "ownerReferences", NULL);

    if (value_count(owners))
        value_set(value_get(body, "metadata"), "ownerReferences", value_copy(owners));
    return body;
}

struct value *rewind_body_update(const struct schema_kind *kind, const struct value *then, const struct value *now)
{
    static const char *const replaced[] = {"labels", "annotations"};
    const struct value *was = value_get(now, "metadata");
    struct value *body = rewind_content(kind, then);
    struct value *metadata = value_copy(was);
    struct value *wanted = value_take(body, "metadata");
    const struct value *node = value_path(now, "spec", "nodeName", NULL);

    copy_annotations(was, true, wanted);
    for (size_t i = 0; i < ARRAY_SIZE(replaced); i++) {
        struct value *member = value_take(wanted, replaced[i]);

        (void)value_remove(metadata, replaced[i]);
        if (member)
            value_set(metadata, replaced[i], member);
    }
    value_free(wanted);
    (void)value_remove(metadata, "managedFields"); /* absent: they stay as they are */
    value_set(body, "metadata", metadata);
    if (is_bound(kind) && node)
        value_set(value_need_object(body, "spec"), "nodeName", value_copy(node));
    return body;
}

/* ---- the diff ---- */

static void mask_map(struct value *map, const struct value *other, const char *word)
{
    struct value_iter it = value_iter_start(map);
    struct slice name;
    struct value *member;

    while (value_is(map, VALUE_OBJECT) && value_iter_next(&it, &name, &member)) {
        const struct value *same = value_get_slice(other, name);

        value_set_slice(map, name, value_new_str(same && !value_equal(same, member) ? word : "***"));
    }
}

/* What may be seen of a Secret: its keys, and which of them differ. What was applied last holds the values, too. */
static void mask(struct value *content, const struct value *other, const char *word)
{
    struct value *annotations = value_path(content, "metadata", "annotations", NULL);
    const struct value *applied = value_path(other, "metadata", "annotations", LAST_APPLIED, NULL);
    struct value *own = value_get(annotations, LAST_APPLIED);

    mask_map(value_get(content, "data"), value_get(other, "data"), word);
    if (own)
        value_set_str(annotations, LAST_APPLIED, applied && !value_equal(applied, own) ? word : "***");
}

static int to_yaml(const struct value *content, struct buf *out, struct error *err)
{
    struct value *sorted CLEANUP_VALUE = content ? manifest_sorted(content) : NULL;
    BUF_LOCAL(json);

    if (!sorted)
        return 0;
    value_write(sorted, &json);
    return yaml_from_json(buf_slice(&json), out, err);
}

int rewind_diff(const struct rewind_step *step, const char *then_name, struct buf *out, struct error *err)
{
    const struct schema_kind *kind = step->kind;
    const char *ns = rewind_step_namespace(step);
    struct value *now CLEANUP_VALUE = step->now ? rewind_content(kind, step->now) : NULL;
    struct value *then CLEANUP_VALUE = step->then ? rewind_content(kind, step->then) : NULL;
    struct value *shown CLEANUP_VALUE = now ? value_copy(now) : NULL;
    char *path CLEANUP_FREE = mem_printf("%s%s%s/%s%s%s", kind->singular, *kind->group ? "." : "", kind->group,
                                         ns ? ns : "", ns ? "/" : "", rewind_step_name(step));
    char *from CLEANUP_FREE = now ? mem_printf("now/%s", path) : mem_strdup("/dev/null");
    char *to CLEANUP_FREE = then ? mem_printf("%s/%s", then_name, path) : mem_strdup("/dev/null");
    BUF_LOCAL(before);
    BUF_LOCAL(after);

    if (!*kind->group && !strcmp(kind->kind, "Secret")) {
        mask(shown, then, "*** (now)");
        mask(then, now, "*** (then)");
    }
    if (to_yaml(shown, &before, err) < 0 || to_yaml(then, &after, err) < 0)
        return -(int)err->code;
    text_diff(from, buf_slice(&before), to, buf_slice(&after), out);
    return 0;
}
