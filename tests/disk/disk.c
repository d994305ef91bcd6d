/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/disk/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/disk/disk_internal.h"

uint64_t disk_seed = 1;

uint64_t disk_draw(uint64_t below)
{
    disk_seed ^= disk_seed << 13;
    disk_seed ^= disk_seed >> 7;
    disk_seed ^= disk_seed << 17;
    return (disk_seed >> 11) % below;
}

struct file {
    struct buf durable;
    size_t *pending; /* steps that may or may not be there */
    size_t pending_count;
    size_t pending_cap;
};

struct name {
    char *name; /* relative to the root */
    size_t file;
};

struct disk {
    struct file *files;
    size_t file_count;
    size_t file_cap;
    struct name *names; /* durable */
    size_t name_count;
    size_t name_cap;
    size_t *moves; /* steps that changed a folder, since its last sync */
    size_t move_count;
    size_t move_cap;
};

struct disk *disk_new(void)
{
    return mem_zalloc(sizeof(struct disk));
}

static void disk_clear(struct disk *disk)
{
    for (size_t i = 0; i < disk->file_count; i++) {
        buf_free(&disk->files[i].durable);
        free(disk->files[i].pending);
    }
    for (size_t i = 0; i < disk->name_count; i++)
        free(disk->names[i].name);
    free(disk->files);
    free(disk->names);
    free(disk->moves);
    *disk = (struct disk){0};
}

void disk_free(struct disk *disk)
{
    if (!disk)
        return;
    disk_clear(disk);
    free(disk);
}

static struct file *disk_file(struct disk *disk, size_t file)
{
    while (disk->file_count <= file) {
        disk->files = mem_grow(disk->files, &disk->file_cap, disk->file_count + 1, sizeof(*disk->files));
        disk->files[disk->file_count++] = (struct file){0};
    }
    return &disk->files[file];
}

/* ---- steps ---- */

static void content_write(struct buf *content, const struct disk_step *s, bool tear)
{
    size_t end = s->kind == STEP_SIZE ? s->offset : s->offset + s->data.len;

    if (content->len < end) {
        memset(buf_reserve(content, end - content->len), 0, end - content->len);
        content->len = end;
    }
    for (size_t at = 0; at < s->data.len; at += DISK_SECTOR) {
        size_t len = s->data.len - at < DISK_SECTOR ? s->data.len - at : DISK_SECTOR;

        if (!tear || disk_draw(2))
            memcpy(content->data + s->offset + at, s->data.data + at, len);
    }
}

static void file_sync(struct file *f, bool failed)
{
    for (size_t i = 0; i < f->pending_count; i++)
        content_write(&f->durable, disk_step_get(f->pending[i]), failed);
    f->pending_count = 0;
}

static void name_put(struct disk *d, const char *name, size_t file)
{
    for (size_t i = 0; i < d->name_count; i++)
        if (!strcmp(d->names[i].name, name)) {
            d->names[i].file = file;
            return;
        }
    d->names = mem_grow(d->names, &d->name_cap, d->name_count + 1, sizeof(*d->names));
    d->names[d->name_count++] = (struct name){mem_strdup(name), file};
}

/* The file that had it; SIZE_MAX when none had. */
static size_t name_remove(struct disk *d, const char *name)
{
    for (size_t i = 0; i < d->name_count; i++)
        if (!strcmp(d->names[i].name, name)) {
            size_t file = d->names[i].file;

            free(d->names[i].name);
            d->names[i] = d->names[--d->name_count];
            return file;
        }
    return SIZE_MAX;
}

static void names_apply(struct disk *d, const struct disk_step *s)
{
    size_t file = s->kind == STEP_CREATE ? s->file : name_remove(d, s->from);

    if (s->kind == STEP_CREATE)
        name_put(d, s->from, file);
    else if (s->kind == STEP_RENAME && file != SIZE_MAX)
        name_put(d, s->to, file);
}

static void folder_sync(struct disk *disk, enum disk_folder folder)
{
    size_t kept = 0;

    for (size_t i = 0; i < disk->move_count; i++) {
        const struct disk_step *s = disk_step_get(disk->moves[i]);

        if (s->folder == folder)
            names_apply(disk, s);
        else
            disk->moves[kept++] = disk->moves[i];
    }
    disk->move_count = kept;
}

void disk_apply(struct disk *disk, size_t step)
{
    const struct disk_step *s = disk_step_get(step);
    struct file *f;

    switch (s->kind) {
    case STEP_WRITE:
    case STEP_SIZE:
        f = disk_file(disk, s->file);
        if (s->durable) {
            content_write(&f->durable, s, false);
            return;
        }
        f->pending = mem_grow(f->pending, &f->pending_cap, f->pending_count + 1, sizeof(*f->pending));
        f->pending[f->pending_count++] = step;
        return;
    case STEP_SYNC:
    case STEP_SYNC_FAILED:
        file_sync(disk_file(disk, s->file), s->kind == STEP_SYNC_FAILED);
        return;
    case STEP_SYNC_FOLDER:
        folder_sync(disk, s->folder);
        return;
    case STEP_CREATE:
    case STEP_RENAME:
    case STEP_UNLINK:
        if (s->kind == STEP_CREATE)
            (void)disk_file(disk, s->file);
        disk->moves = mem_grow(disk->moves, &disk->move_cap, disk->move_count + 1, sizeof(*disk->moves));
        disk->moves[disk->move_count++] = step;
    }
}

/* ---- images ---- */

/* What is left of it. */
static struct disk *disk_left(const struct disk *from)
{
    struct disk *left = disk_new();
    size_t kept[FOLDERS];

    for (size_t i = 0; i < FOLDERS; i++)
        kept[i] = disk_draw(from->move_count + 1);
    for (size_t i = 0; i < from->name_count; i++)
        name_put(left, from->names[i].name, from->names[i].file);
    for (size_t i = 0; i < from->move_count; i++) {
        const struct disk_step *s = disk_step_get(from->moves[i]);

        if (i < kept[s->folder])
            names_apply(left, s);
    }
    for (size_t i = 0; i < left->name_count; i++) {
        size_t n = left->names[i].file;
        const struct file *f = &from->files[n];
        struct file *to = disk_file(left, n);

        buf_append_slice(&to->durable, buf_slice(&f->durable));
        for (size_t p = 0; p < f->pending_count; p++)
            if (disk_draw(3))
                content_write(&to->durable, disk_step_get(f->pending[p]), disk_draw(2));
    }
    return left;
}

static int image_file(const char *root, const char *name, const struct buf *content)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", root, name);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || syscall(SYS_write, fd, content->data, content->len) != (long)content->len) {
        (void)printf("writing an image: %s\n", strerror(errno));
        _exit(1);
    }
    return fd;
}

static void image_folders(const char *root)
{
    char *log CLEANUP_FREE = mem_printf("%s/log", root);

    (void)mkdir(root, 0700);
    (void)mkdir(log, 0700);
}

void disk_image(const struct disk *disk, const char *root)
{
    struct disk *left = disk_left(disk);

    image_folders(root);
    for (size_t i = 0; i < left->name_count; i++)
        (void)close(image_file(root, left->names[i].name, &left->files[left->names[i].file].durable));
    disk_free(left);
}

void disk_restart(struct disk *disk, const char *root)
{
    struct disk *left = disk_left(disk);

    image_folders(root);
    disk_clear(disk);
    disk_watch(root);
    for (size_t i = 0; i < left->name_count; i++) {
        struct buf *content = &left->files[left->names[i].file].durable;
        int fd = image_file(root, left->names[i].name, content);
        size_t file = disk_adopt(fd);

        (void)close(fd);
        name_put(disk, left->names[i].name, file);
        disk_file(disk, file)->durable = *content;
        *content = (struct buf){0};
    }
    disk_free(left);
}

void disk_remove(const char *root)
{
    char *folders[] = {mem_printf("%s/log", root), mem_strdup(root)};

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        DIR *folder = opendir(folders[i]);
        struct dirent *entry;

        while (folder && (entry = readdir(folder)))
            (void)syscall(SYS_unlinkat, dirfd(folder), entry->d_name, 0); /* not "." and ".." */
        if (folder)
            (void)closedir(folder);
        (void)rmdir(folders[i]);
        free(folders[i]);
    }
}
