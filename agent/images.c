/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images as pods want them. A request looks into the store; when the name is missing, archives that have appeared in
 * home/images are imported and it looks again; then the registry is asked. Archives are imported one after the other,
 * by one job at a time.
 */
#include "agent/images.h"

#include <string.h>
#include <sys/stat.h>
#include <uv.h>

#include "agent/agent_metrics.h"
#include "agent/fs.h"
#include "agent/image_archive.h"
#include "agent/image_pull.h"
#include "lib/list.h"
#include "lib/log.h"

#define LOGINS_MAX      (1u << 20)
#define IMPORT_DELAY_MS 300 /* after a change in the directory: a file that is being copied changes often */

struct pull {
    struct images *images;
    char *key; /* the name, and as whom */
    struct image_pull *pull;
    struct list requests;
    int64_t start_ns;
};

struct images_request {
    struct list link; /* in images->requests, or in a pull's */
    struct images *images;
    struct pull *pull;
    char *text; /* as the pod wrote it */
    char *policy;
    struct registry_logins logins; /* of its pod */
    int64_t asked_ns;
    bool imported; /* archives were looked through for it */
    bool started;
    void (*on_start)(void *arg);
    images_done *done;
    void *arg;
};

struct images {
    struct loop *loop;
    struct image_store *store;
    char *archive_dir;
    struct str_list insecure;
    bool insecure_given;
    struct list requests;          /* to be looked at */
    struct map pulls;              /* key -> struct pull */
    struct registry_logins logins; /* the node's own */
    struct loop_timer *tick;
    struct loop_timer *rescan;
    uv_fs_event_t *watch;
    bool importing;
    bool import_again;
    bool closing;
};

/* ---- archives ---- */

struct import_job {
    struct images *images;
    char *store_dir;
    char *archive_dir;
    struct image_import import;
};

static int import_one(void *arg, const char *name, struct error *err)
{
    struct import_job *job = arg;
    char *path CLEANUP_FREE = mem_printf("%s/%s", job->archive_dir, name);
    ERROR_LOCAL(why);

    /* One bad archive must not keep the others out; nobody else would hear of it. */
    if (image_archive_name(name) && image_archive_import(job->store_dir, path, &job->import, &why) < 0)
        log_warning("agent", "%s; it is left out", error_text(&why));
    return 0;
}

static void import_work(void *arg)
{
    struct import_job *job = arg;

    (void)fs_each_name(job->archive_dir, import_one, job, NULL);
}

static void images_close(struct images *images);
static void import_start(struct images *images);

static void import_done(void *arg)
{
    struct import_job *job = arg;
    struct images *images = job->images;

    images->importing = false;
    for (size_t i = 0; i < job->import.count; i++) {
        log_info("agent", "imported image %s", job->import.images[i]->name);
        image_store_add(images->store, STEAL(job->import.images[i]));
    }
    image_import_clear(&job->import);
    free(job->store_dir);
    free(job->archive_dir);
    free(job);
    if (images->closing) {
        images_close(images);
        return;
    }
    if (images->import_again)
        import_start(images);
    loop_timer_start(images->tick, 0, 0);
}

static void import_start(struct images *images)
{
    struct import_job *job;

    images->import_again = images->importing;
    if (images->importing)
        return;
    images->importing = true;
    job = mem_zalloc(sizeof(*job));
    job->images = images;
    job->store_dir = mem_strdup(images->store->dir);
    job->archive_dir = mem_strdup(images->archive_dir);
    loop_work(images->loop, import_work, import_done, job);
}

static void on_rescan(void *arg)
{
    import_start(arg);
}

static void on_change(uv_fs_event_t *watch, const char *name, int events, int status)
{
    struct images *images = watch->data;

    loop_timer_start(images->rescan, IMPORT_DELAY_MS, 0);
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void watch_archives(struct images *images)
{
    images->watch = mem_zalloc(sizeof(*images->watch));
    images->watch->data = images;
    (void)uv_fs_event_init(loop_uv(images->loop), images->watch);
    if (uv_fs_event_start(images->watch, on_change, images->archive_dir, 0))
        log_warning("agent", "%s cannot be watched; new archives there are found when a pod needs them",
                    images->archive_dir);
}

/* ---- requests ---- */

static void request_free(struct images_request *r)
{
    list_remove(&r->link);
    free(r->text);
    free(r->policy);
    registry_logins_clear(&r->logins);
    free(r);
}

static void request_answer(struct images_request *r, const struct images_result *result)
{
    images_done *done = r->done;
    void *arg = r->arg;

    request_free(r);
    done(arg, result);
}

static void request_fail(struct images_request *r, const char *reason, const struct error *err)
{
    request_answer(r, &(struct images_result){.reason = reason, .err = err});
}

static void pull_free(struct pull *p)
{
    (void)map_remove(&p->images->pulls, slice_str(p->key));
    free(p->key);
    free(p);
}

static void pull_done(void *arg, struct image *image, const struct error *err)
{
    struct pull *p = arg;
    struct images *images = p->images;
    struct images_result result = {.pulled = true, .reason = "ErrImagePull", .err = err};
    int64_t now = clock_monotonic_ns(loop_clock(images->loop));
    struct list waiting;

    result.pull_ns = now - p->start_ns;
    (void)agent_count_operation("pull_image", p->start_ns, image ? 0 : -1);
    if (image) {
        image_store_add(images->store, image);
        result.image = image;
    }
    list_init(&waiting);
    while (!list_empty(&p->requests)) {
        struct list *link = p->requests.next;

        list_remove(link);
        list_append(&waiting, link);
    }
    pull_free(p);
    /* A callback may cancel others that wait here: take the first until none is left. */
    while (!list_empty(&waiting)) {
        struct images_request *r = container_of(waiting.next, struct images_request, link);

        result.wait_ns = now - r->asked_ns;
        request_answer(r, &result);
    }
}

/* Those who ask as somebody else do not share a pull. */
static char *pull_key(const char *name, const struct registry_logins *logins)
{
    BUF_LOCAL(key);

    buf_append_str(&key, name);
    for (size_t i = 0; i < logins->count; i++) {
        char hash[REGISTRY_LOGIN_HASH_LEN + 1];

        registry_login_hash(&logins->items[i], hash);
        buf_printf(&key, " %s", hash);
    }
    return buf_steal_str(&key);
}

static struct pull *pull_start(struct images *images, const struct image_ref *ref, const struct image *present,
                               const struct registry_logins *logins, size_t own)
{
    const struct image_pull_options options = {
        .store_dir = images->store->dir,
        .ref = ref,
        .insecure = image_host_insecure(ref->registry,
                                        images->insecure_given ? (const char *const *)images->insecure.items : NULL),
        .logins = logins,
        .host_logins = own,
        .present = present};
    struct pull *p = mem_zalloc(sizeof(*p));

    p->images = images;
    p->start_ns = clock_monotonic_ns(loop_clock(images->loop));
    list_init(&p->requests);
    p->pull = image_pull_start(images->loop, &options, pull_done, p);
    return p;
}

/* `logins`: those that fit the image, `own` of them the pod's. */
static void request_pull(struct images_request *r, const struct image_ref *ref, const struct image *present,
                         const struct registry_logins *logins, size_t own)
{
    struct images *images = r->images;
    char *name CLEANUP_FREE = image_ref_name(ref);
    char *key CLEANUP_FREE = pull_key(name, logins);
    struct pull *p = map_get(&images->pulls, slice_str(key));

    if (!p) {
        p = pull_start(images, ref, present, logins, own);
        p->key = STEAL(key);
        map_put(&images->pulls, slice_str(p->key), p);
    }
    list_remove(&r->link);
    list_append(&p->requests, &r->link);
    r->pull = p;
    if (r->on_start && !r->started)
        r->on_start(r->arg);
    r->started = true;
}

static bool may_have(const struct image *image, const struct registry_logins *logins)
{
    char hash[REGISTRY_LOGIN_HASH_LEN + 1];

    for (size_t i = 0; i < logins->count && image->access.count; i++) {
        registry_login_hash(&logins->items[i], hash);
        if (str_list_has(&image->access, hash))
            return true;
    }
    return !image->access.count;
}

static void never_pull(struct images_request *r, bool present)
{
    ERROR_LOCAL(err);

    if (present)
        (void)error_set(&err, ERROR_FORBIDDEN,
                        "Container image \"%s\" is present with pull policy of Never, but was pulled with a login that "
                        "this pod does not have",
                        r->text);
    else
        (void)error_set(&err, ERROR_NOT_FOUND, "Container image \"%s\" is not present with pull policy of Never",
                        r->text);
    request_fail(r, "ErrImageNeverPull", &err);
}

/* Gets a request the image by policy: what is here, an import that is under way, a pull. */
static void request_serve(struct images_request *r, const struct image_ref *ref)
{
    struct images *images = r->images;
    const char *policy = *r->policy ? r->policy : image_ref_default_policy(ref);
    const struct image *image = image_store_find(images->store, ref);
    struct registry_logins logins CLEANUP(registry_logins_clear) = {0};
    size_t own;

    registry_logins_pick(&r->logins, ref, &logins);
    own = logins.count;
    if (image && strcmp(policy, "Always") != 0 && may_have(image, &logins)) {
        request_answer(r, &(struct images_result){.image = image});
        return;
    }
    if (!image && !r->imported) {
        r->imported = true;
        import_start(images);
        return;
    }
    if (images->importing && !image)
        return;
    if (!strcmp(policy, "Never")) {
        never_pull(r, image != NULL);
        return;
    }
    registry_logins_pick(&images->logins, ref, &logins);
    request_pull(r, ref, image, &logins, own);
}

/* One look at a request; it may be answered, handed to a pull, or left waiting for an import. */
static void request_look(struct images_request *r)
{
    IMAGE_REF_LOCAL(ref);
    ERROR_LOCAL(err);

    if (image_ref_parse(slice_str(r->text), &ref, &err) == 0) {
        request_serve(r, &ref);
        return;
    }
    (void)error_wrap(&err, "Failed to apply default image tag \"%s\"", r->text);
    request_fail(r, "InvalidImageName", &err);
}

static void on_tick(void *arg)
{
    struct images *images = arg;
    struct list todo;

    /* Callbacks may add and cancel requests: work on what was there. */
    list_init(&todo);
    while (!list_empty(&images->requests)) {
        struct list *link = images->requests.next;

        list_remove(link);
        list_append(&todo, link);
    }
    while (!list_empty(&todo)) {
        struct images_request *r = container_of(todo.next, struct images_request, link);

        list_remove(&r->link);
        list_append(&images->requests, &r->link);
        request_look(r);
    }
}

struct images_request *images_ensure(struct images *images, const struct images_wish *wish, void (*started)(void *arg),
                                     images_done *done, void *arg)
{
    struct images_request *r = mem_zalloc(sizeof(*r));

    r->images = images;
    r->text = mem_strdup(wish->name);
    r->policy = mem_strdup(wish->policy);
    registry_logins_append(&r->logins, wish->logins);
    r->asked_ns = clock_monotonic_ns(loop_clock(images->loop));
    r->on_start = started;
    r->done = done;
    r->arg = arg;
    list_init(&r->link);
    list_append(&images->requests, &r->link);
    loop_timer_start(images->tick, 0, 0);
    return r;
}

void images_request_cancel(struct images_request *request)
{
    /* A pull that nobody waits for goes on: the next attempt will be glad of it. */
    if (request)
        request_free(request);
}

const struct image_store *images_store(const struct images *images)
{
    return images->store;
}

/* ---- life ---- */

/* A file that cannot be used is no reason not to start: images of other registries do without. */
static void read_logins(struct images *images, const char *path)
{
    struct stat st;
    ERROR_LOCAL(err);
    BUF_LOCAL(json);

    if (!path || stat(path, &st))
        return;
    if (st.st_mode & 077)
        log_warning("agent", "%s can be read by others than root; chmod 600 it", path);
    if (fs_read(path, LOGINS_MAX, &json, &err) < 0 ||
        registry_logins_read(&images->logins, buf_slice(&json), false, &err) < 0)
        log_error("agent", "%s: %s; its logins are not used", path, error_text(&err));
    if (json.data)
        explicit_bzero(json.data, json.len);
}

int images_new(struct loop *loop, const struct images_options *options, struct images **ret_images, struct error *err)
{
    struct images *images = mem_zalloc(sizeof(*images));

    if (fs_make_dirs(options->archive_dir, 0755, err) < 0 ||
        image_store_open(options->store_dir, &images->store, err) < 0) {
        free(images);
        return -1;
    }
    images->loop = loop;
    images->archive_dir = mem_strdup(options->archive_dir);
    images->insecure_given = options->insecure_hosts != NULL;
    for (size_t i = 0; options->insecure_hosts && options->insecure_hosts[i]; i++)
        str_list_add(&images->insecure, options->insecure_hosts[i]);
    list_init(&images->requests);
    images->tick = loop_timer_new(loop, on_tick, images);
    images->rescan = loop_timer_new(loop, on_rescan, images);
    read_logins(images, options->logins);
    watch_archives(images);
    import_start(images);
    *ret_images = images;
    return 0;
}

static void images_close(struct images *images)
{
    image_store_free(images->store);
    str_list_clear(&images->insecure);
    registry_logins_clear(&images->logins);
    map_clear(&images->pulls, NULL);
    free(images->archive_dir);
    free(images);
}

void images_free(struct images *images)
{
    struct map_entry *e;

    if (!images)
        return;
    while ((e = map_next(&images->pulls, NULL))) {
        struct pull *p = e->value;

        image_pull_cancel(p->pull);
        pull_free(p);
    }
    loop_timer_free(images->tick);
    loop_timer_free(images->rescan);
    uv_close((uv_handle_t *)images->watch, free_handle);
    images->closing = true;
    if (!images->importing)
        images_close(images);
}
