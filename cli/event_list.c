/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/event_list.h"

#include "lib/encoding.h"

static const struct schema_kind *event_kind(void)
{
    return schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("Event"));
}

int64_t event_list_time(const struct value *event)
{
    const struct value *times[] = {value_path(event, "series", "lastObservedTime", NULL),
                                   value_get(event, "lastTimestamp"), value_get(event, "eventTime"),
                                   value_path(event, "metadata", "creationTimestamp", NULL)};
    int64_t ns = 0;

    for (size_t i = 0; i < ARRAY_SIZE(times); i++)
        if (time_parse(value_string(times[i]), &ns))
            return ns;
    return 0;
}

struct timed {
    int64_t ns;
    size_t at;
    const struct value *event;
};

static int compare(const void *a, const void *b)
{
    const struct timed *x = a;
    const struct timed *y = b;

    if (x->ns != y->ns)
        return x->ns < y->ns ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static void sort(struct value *list)
{
    const struct value *items = value_get(list, "items");
    size_t count = value_count(items);
    struct timed *timed CLEANUP_FREE = mem_calloc(count + 1, sizeof(*timed));
    struct value *sorted = value_new_array();

    for (size_t i = 0; i < count; i++)
        timed[i] = (struct timed){event_list_time(value_at(items, i)), i, value_at(items, i)};
    qsort(timed, count, sizeof(*timed), compare);
    for (size_t i = 0; i < count; i++)
        value_append(sorted, value_copy(timed[i].event));
    value_set(list, "items", sorted);
}

char *event_list_selector(const struct schema_kind *kind, const char *name)
{
    return mem_printf("involvedObject.name=%s,involvedObject.kind=%s", name, kind->kind);
}

char *event_list_query(const char *selector)
{
    BUF_LOCAL(query);

    if (!selector)
        return NULL;
    buf_append_str(&query, "fieldSelector=");
    percent_encode(&query, slice_str(selector));
    return buf_steal_str(&query);
}

struct value *event_list_fetch(struct session *s, const char *ns, const char *selector, struct error *err)
{
    char *path CLEANUP_FREE = client_path(event_kind(), ns, NULL, NULL);
    char *query CLEANUP_FREE = event_list_query(selector);
    const struct client_request request = {.method = "GET", .path = path, .query = query};
    struct value *list;
    BUF_LOCAL(body);

    if (session_call(s, &request, &body, err) < 0)
        return NULL;
    list = value_parse(buf_slice(&body), err);
    if (list)
        sort(list);
    return list;
}

void event_list_add_row(struct columns *c, const struct value *event, int64_t now_ns, bool with_namespace,
                        bool with_object)
{
    int64_t last = event_list_time(event);
    int64_t count = value_int(value_get(event, "count"));
    char age[TIME_TEXT_MAX] = "<unknown>";
    const struct value *object = value_get(event, "involvedObject");

    if (last)
        time_format_age(now_ns - last, age);
    if (with_namespace)
        columns_add_slice(c, value_string(value_path(event, "metadata", "namespace", NULL)));
    if (count > 1)
        columns_addf(c, "%s (x%lld)", age, (long long)count);
    else
        columns_add(c, age);
    columns_add_slice(c, value_string(value_get(event, "type")));
    columns_add_slice(c, value_string(value_get(event, "reason")));
    if (with_object)
        columns_addf(c, "%.*s/%.*s", SLICE_ARGS(value_string(value_get(object, "kind"))),
                     SLICE_ARGS(value_string(value_get(object, "name"))));
    columns_add_slice(c, slice_trim(value_string(value_get(event, "message"))));
}
