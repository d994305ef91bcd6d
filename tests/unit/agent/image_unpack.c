/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile archives. Each is made here, unpacked into a fresh directory, and looked for outside of it. */
#include "tests/unit/test.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent/fs.h"
#include "agent/image_unpack.h"

struct member {
    const char *name;
    mode_t type;      /* AE_IF... */
    const char *text; /* content, target of a symbolic link; "=NAME" for a hard link */
};

struct place {
    char top[64]; /* holds root/ and outside.txt */
    int root;
    struct buf tar;
};

static int setup(void **state)
{
    struct place *p = mem_zalloc(sizeof(*p));
    char *path CLEANUP_FREE = NULL;

    (void)snprintf(p->top, sizeof(p->top), "/tmp/knarr-unpack-XXXXXX");
    assert_non_null(mkdtemp(p->top));
    path = mem_printf("%s/root", p->top);
    assert_int_equal(mkdir(path, 0755), 0);
    p->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(p->root >= 0);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;

    (void)close(p->root);
    assert_int_equal(fs_remove_tree(p->top, NULL), 0);
    buf_free(&p->tar);
    free(p);
    return 0;
}

static la_ssize_t tar_write(struct archive *a, void *arg, const void *data, size_t len)
{
    buf_append(arg, data, len);
    return (la_ssize_t)len;
}

static void tar_add(struct archive *a, const struct member *m)
{
    struct archive_entry *e = archive_entry_new();
    size_t len = m->text && m->type == AE_IFREG && *m->text != '=' ? strlen(m->text) : 0;

    archive_entry_set_pathname(e, m->name);
    archive_entry_set_filetype(e, m->type);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_size(e, (la_int64_t)len);
    archive_entry_set_uid(e, geteuid());
    archive_entry_set_gid(e, getegid());
    if (m->type == AE_IFLNK)
        archive_entry_set_symlink(e, m->text);
    if (m->type == AE_IFREG && m->text && *m->text == '=')
        archive_entry_set_hardlink(e, m->text + 1);
    assert_true(archive_write_header(a, e) >= ARCHIVE_WARN); /* a name beyond ASCII is worth a warning */
    if (len)
        assert_int_equal(archive_write_data(a, m->text, len), len);
    archive_entry_free(e);
}

static void tar_make(struct place *p, const struct member *members, size_t count)
{
    struct archive *a = archive_write_new();

    buf_reset(&p->tar);
    (void)archive_write_set_format_pax_restricted(a);
    (void)archive_write_add_filter_gzip(a);
    assert_int_equal(archive_write_open(a, &p->tar, NULL, tar_write, NULL), ARCHIVE_OK);
    for (size_t i = 0; i < count; i++)
        tar_add(a, &members[i]);
    (void)archive_write_close(a);
    (void)archive_write_free(a);
}

struct source {
    struct slice rest;
};

static ssize_t source_read(void *arg, void *data, size_t size, struct error *err)
{
    struct source *s = arg;
    size_t n = s->rest.len < size ? s->rest.len : size;

    if (n)
        memcpy(data, s->rest.data, n);
    s->rest = slice_from(s->rest, n);
    return (ssize_t)n;
}

static int unpack(struct place *p, const struct member *members, size_t count, bool layer, struct error *err)
{
    struct image_unpack_options options = {.layer = layer, .bytes_max = 1 << 20, .entries_max = 100};
    struct source s;

    tar_make(p, members, count);
    s.rest = buf_slice(&p->tar);
    return image_unpack(p->root, source_read, &s, &options, NULL, err);
}

static bool exists(const struct place *p, const char *name)
{
    struct stat st;

    return !fstatat(p->root, name, &st, AT_SYMLINK_NOFOLLOW);
}

#define UNPACK(p, layer, ...)                                                                                          \
    unpack(p, (const struct member[]){__VA_ARGS__}, ARRAY_SIZE(((const struct member[]){__VA_ARGS__})), layer, NULL)

static void unpacks_plain_things(void **state)
{
    struct place *p = *state;
    struct stat a;
    struct stat b;

    assert_int_equal(UNPACK(p, false, {"d/", AE_IFDIR, NULL}, {"./d/f", AE_IFREG, "text"}, {"deep/er/g", AE_IFREG, "x"},
                            {"l", AE_IFLNK, "d/f"}, {"h", AE_IFREG, "=d/f"}, {"d/f2", AE_IFREG, ""}),
                     0);
    assert_int_equal(fstatat(p->root, "d/f", &a, 0), 0);
    assert_int_equal(a.st_size, 4);
    assert_int_equal(fstatat(p->root, "h", &b, 0), 0);
    assert_int_equal(a.st_ino, b.st_ino);
    assert_true(exists(p, "deep/er/g"));
    assert_int_equal(fstatat(p->root, "l", &b, 0), 0);
    assert_int_equal(a.st_ino, b.st_ino);
}

static void nothing_is_written_outside(void **state)
{
    struct place *p = *state;
    char *outside CLEANUP_FREE = mem_printf("%s/evil", p->top);
    char *absolute CLEANUP_FREE = mem_printf("%s/evil", p->top);

    assert_true(UNPACK(p, false, {"../evil", AE_IFREG, "x"}) < 0);
    assert_true(UNPACK(p, false, {"a/../../evil", AE_IFREG, "x"}) < 0);
    /* A link out of the root, then a file through it: the kernel resolves it inside. */
    (void)UNPACK(p, false, {"up", AE_IFLNK, ".."}, {"up/evil", AE_IFREG, "x"});
    assert_true(exists(p, "evil"));
    (void)UNPACK(p, false, {"abs", AE_IFLNK, p->top}, {"abs/evil", AE_IFREG, "x"});
    (void)UNPACK(p, false, {absolute, AE_IFREG, "x"});
    /* A file that replaces a link does not write through it. */
    assert_int_equal(UNPACK(p, false, {"w", AE_IFLNK, outside}, {"w", AE_IFREG, "x"}), 0);
    /* A hard link to what lies outside. */
    assert_true(UNPACK(p, false, {"shadow", AE_IFREG, "=../../../etc/passwd"}) < 0);
    (void)UNPACK(p, false, {"etc", AE_IFLNK, "/etc"}, {"shadow", AE_IFREG, "=etc/passwd"});
    assert_false(exists(p, "shadow"));
    assert_false(fs_exists(outside));
}

static void bounds_hold(void **state)
{
    struct place *p = *state;
    char *big = mem_zalloc((1 << 20) + 2);
    struct member many[101];
    ERROR_LOCAL(err);

    memset(big, 'x', (1 << 20) + 1);
    assert_true(UNPACK(p, false, {"big", AE_IFREG, big}) < 0);
    free(big);
    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = (struct member){"same", AE_IFREG, "x"};
    assert_int_equal(unpack(p, many, 100, false, NULL), 0);
    assert_int_equal(unpack(p, many, 101, false, &err), -ERROR_INVALID);
}

/* What is only skipped costs time too: data behind a link, a bomb of zeros behind the end. */
static void skipped_data_is_bounded(void **state)
{
    struct place *p = *state;
    struct image_unpack_options options = {.bytes_max = 1 << 20, .entries_max = 4};
    char *zeros = mem_zalloc(1 << 20);
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();
    struct source s;
    ERROR_LOCAL(err);

    (void)archive_write_set_format_raw(a);
    (void)archive_write_add_filter_gzip(a);
    assert_int_equal(archive_write_open(a, &p->tar, NULL, tar_write, NULL), ARCHIVE_OK);
    archive_entry_set_filetype(e, AE_IFREG);
    assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
    {
        /* A symbolic link that claims 64 MiB of data. */
        char header[512] = "link";
        unsigned sum = 0;

        memcpy(header + 100, "0000777", 7);
        memcpy(header + 124, "00400000000", 11);
        memcpy(header + 136, "00000000000", 11);
        memset(header + 148, ' ', 8);
        header[156] = '5'; /* a directory, whose data readers skip */
        memcpy(header + 257, "ustar", 6);
        memcpy(header + 263, "00", 2);
        for (size_t i = 0; i < sizeof(header); i++)
            sum += (unsigned char)header[i];
        (void)snprintf(header + 148, 7, "%06o", sum);
        assert_int_equal(archive_write_data(a, header, sizeof(header)), sizeof(header));
    }
    for (int i = 0; i < 64; i++)
        assert_int_equal(archive_write_data(a, zeros, 1 << 20), 1 << 20);
    (void)archive_write_close(a);
    (void)archive_write_free(a);
    archive_entry_free(e);
    free(zeros);
    s.rest = buf_slice(&p->tar);
    assert_true(image_unpack(p->root, source_read, &s, &options, NULL, &err) < 0);
    assert_non_null(strstr(error_text(&err), "larger than allowed"));
}

/* Names that the C locale cannot write must neither crash nor be lost. */
static void names_in_other_alphabets(void **state)
{
    struct place *p = *state;

    assert_int_equal(UNPACK(p, false, {"d\xc3\xa9/\xe6\x97\xa5", AE_IFREG, "x"}, {"l\xc3\xa9", AE_IFLNK, "d\xc3\xa9"},
                            {"h\xc3\xa9", AE_IFREG, "=d\xc3\xa9/\xe6\x97\xa5"}),
                     0);
    assert_true(exists(p, "d\xc3\xa9/\xe6\x97\xa5"));
    assert_true(exists(p, "l\xc3\xa9/\xe6\x97\xa5"));
    assert_true(exists(p, "h\xc3\xa9"));
}

static void refuses_what_is_no_archive(void **state)
{
    struct place *p = *state;
    struct image_unpack_options options = {0};
    static const char *const inputs[] = {"", "hello, this is no tar at all", "\x1f\x8b\x08garbage"};

    for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
        struct source s = {slice_str(inputs[i])};
        ERROR_LOCAL(err);

        assert_true(image_unpack(p->root, source_read, &s, &options, NULL, &err) < 0);
        assert_int_equal(err.code, ERROR_INVALID);
    }
    /* Cut off inside the compressed data (the writer pads behind it). */
    tar_make(p, (const struct member[]){{"f", AE_IFREG, "some text that is long enough to matter"}}, 1);
    {
        struct source s = {slice_make(p->tar.data, 40)};

        assert_true(image_unpack(p->root, source_read, &s, &options, NULL, NULL) < 0);
    }
}

static void devices_only_in_layers(void **state)
{
    struct place *p = *state;

    assert_true(UNPACK(p, false, {"dev", AE_IFCHR, NULL}) < 0);
    assert_true(UNPACK(p, false, {"fifo", AE_IFIFO, NULL}) < 0);
    /* 0/0 would hide a file without being spelled as a white-out. */
    assert_true(UNPACK(p, true, {"null", AE_IFCHR, NULL}) < 0);
}

static void whiteouts_become_overlays(void **state)
{
    struct place *p = *state;
    struct stat st;
    char value[4];
    char *opaque CLEANUP_FREE = mem_printf("%s/root/d", p->top);
    char *kept CLEANUP_FREE = mem_printf("%s/root/e", p->top);

    if (geteuid() != 0)
        skip();
    assert_int_equal(UNPACK(p, true, {".wh.gone", AE_IFREG, ""}, {"d/", AE_IFDIR, NULL},
                            {"d/.wh..wh..opq", AE_IFREG, ""}, {"d/new", AE_IFREG, "x"}, {".wh.e", AE_IFREG, ""},
                            {"e/", AE_IFDIR, NULL}, {".wh..wh.plnk", AE_IFREG, ""}, {"f", AE_IFREG, "x"},
                            {".wh.f", AE_IFREG, ""}),
                     0);
    assert_int_equal(fstatat(p->root, "gone", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
    assert_int_equal(getxattr(opaque, "trusted.overlay.opaque", value, sizeof(value)), 1);
    /* Hidden below and brought anew by the same layer: opaque. */
    assert_int_equal(getxattr(kept, "trusted.overlay.opaque", value, sizeof(value)), 1);
    assert_int_equal(fstatat(p->root, "f", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_false(exists(p, ".wh.gone"));
    assert_false(exists(p, ".wh..wh.plnk"));
    assert_true(UNPACK(p, true, {".wh.", AE_IFREG, ""}) < 0);
    assert_true(UNPACK(p, true, {".wh...", AE_IFREG, ""}) < 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(unpacks_plain_things),    T(nothing_is_written_outside), T(bounds_hold),
        T(skipped_data_is_bounded), T(names_in_other_alphabets),   T(refuses_what_is_no_archive),
        T(devices_only_in_layers),  T(whiteouts_become_overlays)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
