/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two archives in a row: the first (libarchive's "raw") takes the compression off and its output is hashed, the second
 * reads tar. Each entry goes by three steps: its name is cleaned, its directory is opened inside the root by
 * openat2(RESOLVE_IN_ROOT), and the last component is made there by an *at() call that follows nothing.
 *
 * Layers (OCI image-spec layer.md): ".wh.NAME" hides NAME of the layers below, ".wh..wh..opq" hides all of them in that
 * directory; overlayfs says the same with a 0/0 character device and the attribute trusted.overlay.opaque.
 */
#include "agent/image_unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent/fs.h"

#define CHUNK          65536
#define NAME_MAX_      4096
#define ENTRY_OVERHEAD 16384 /* of a tar, for each entry: headers, long names, attributes, padding */
#define WHITEOUT       ".wh."
#define WHITEOUT_META  ".wh..wh."
#define OPAQUE         ".wh..wh..opq"

struct unpack {
    int root;
    const struct image_unpack_options *options;
    uint64_t bytes_left;
    uint64_t stream_left; /* of the uncompressed tar, its headers and skipped data included */
    uint64_t entries_left;
    struct archive *outer; /* takes the compression off */
    struct archive *tar;
    EVP_MD_CTX *hash;
    image_unpack_read *source;
    void *source_arg;
    struct error *source_err;
    bool broken; /* the compressed stream failed: the tar reader may take that for an end */
    char in[CHUNK];
    char out[CHUNK];
};

/* A cleaned name: directory and last component; both point into `text`. */
struct name {
    char text[NAME_MAX_];
    const char *dir; /* "." for the root itself */
    const char *base;
};

int image_open_inside(int root, const char *path, int flags, struct error *err)
{
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

    if (fd >= 0)
        return fd;
    return errno == ENOENT ? error_set(err, ERROR_NOT_FOUND, "%s does not exist", path)
                           : error_set_errno(err, errno, "opening %s", path);
}

static int refuse(struct error *err, const char *name, const char *why)
{
    return error_set(err, ERROR_INVALID, "archive entry \"%.200s\": %s", name ? name : "", why);
}

/* "./a//b/" becomes dir "a", base "b"; the root itself has an empty base. */
static int name_clean(const char *raw, struct name *ret_name, struct error *err)
{
    struct slice rest = slice_str(raw);
    struct slice part;
    size_t len = 0;
    char *slash;

    if (!raw || rest.len >= NAME_MAX_ - 2)
        return refuse(err, raw, "no name, or too long");
    while (slice_split(&rest, '/', &part)) {
        if (!part.len || slice_is(part, "."))
            continue;
        if (slice_is(part, ".."))
            return refuse(err, raw, "leads out of the image");
        if (len)
            ret_name->text[len++] = '/';
        memcpy(ret_name->text + len, part.data, part.len);
        len += part.len;
    }
    ret_name->text[len] = '\0';
    slash = strrchr(ret_name->text, '/');
    ret_name->dir = slash ? ret_name->text : ".";
    ret_name->base = slash ? slash + 1 : ret_name->text;
    if (slash)
        *slash = '\0';
    return 0;
}

/* Opens the directory, making what is missing on the way (a tar need not name directories first). */
static int open_dir(struct unpack *u, const char *dir, struct error *err)
{
    char path[NAME_MAX_];
    int at CLEANUP_FD = -1;
    int fd = image_open_inside(u->root, dir, O_RDONLY | O_DIRECTORY, NULL);

    if (fd >= 0)
        return fd;
    (void)strncpy(path, dir, sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    at = image_open_inside(u->root, ".", O_RDONLY | O_DIRECTORY, err);
    for (char *p = path; at >= 0 && p;) {
        char *start = p;
        char *slash = strchr(p, '/');
        int next;

        if (slash)
            *slash = '\0';
        if (mkdirat(at, start, 0755) && errno != EEXIST)
            return error_set_errno(err, errno, "making directory %s", dir);
        next = image_open_inside(u->root, path, O_RDONLY | O_DIRECTORY, err);
        if (next < 0)
            return next;
        (void)close(at);
        at = next;
        if (slash)
            *slash = '/';
        p = slash ? slash + 1 : NULL;
    }
    return STEAL_FD(at);
}

static int make_file(struct unpack *u, struct archive_entry *e, int dir, const char *base, struct error *err)
{
    int fd CLEANUP_FD = openat(dir, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    const void *data;
    size_t len;
    la_int64_t offset;
    int r;

    if (fd < 0)
        return error_set_errno(err, errno, "making %s", base);
    while ((r = archive_read_data_block(u->tar, &data, &len, &offset)) == ARCHIVE_OK) {
        if (len > u->bytes_left || offset < 0 || (uint64_t)offset > u->options->bytes_max)
            return refuse(err, base, "the archive is larger than allowed");
        u->bytes_left -= len;
        for (size_t done = 0; done < len;) {
            ssize_t n = pwrite(fd, (const char *)data + done, len - done, offset + (off_t)done);

            if (n < 0 && errno != EINTR)
                return error_set_errno(err, errno, "writing %s", base);
            done += n > 0 ? (size_t)n : 0;
        }
    }
    if (r != ARCHIVE_EOF)
        return refuse(err, base, archive_error_string(u->tar));
    if (archive_entry_size(e) < 0 || (uint64_t)archive_entry_size(e) > u->options->bytes_max)
        return refuse(err, base, "the archive is larger than allowed");
    return ftruncate(fd, archive_entry_size(e)) ? error_set_errno(err, errno, "writing %s", base) : 0;
}

static int make_hardlink(struct unpack *u, const char *target, int dir, const char *base, struct error *err)
{
    struct name name;
    int from CLEANUP_FD = -1;

    if (name_clean(target, &name, err) < 0)
        return -1;
    from = image_open_inside(u->root, name.dir, O_PATH | O_DIRECTORY, err);
    if (from < 0)
        return from;
    return linkat(from, name.base, dir, base, 0) ? error_set_errno(err, errno, "linking %s to %s", base, target) : 0;
}

static int make_node(struct unpack *u, struct archive_entry *e, int dir, const char *base, struct error *err)
{
    mode_t type = archive_entry_filetype(e);
    dev_t device = makedev(archive_entry_rdevmajor(e), archive_entry_rdevminor(e));

    if (!u->options->layer)
        return refuse(err, base, "not a file, directory or link");
    if (type == AE_IFCHR && device == 0)
        return refuse(err, base, "a white-out that is not spelled as one");
    return mknodat(dir, base, type | 0600, device) ? error_set_errno(err, errno, "making node %s", base) : 0;
}

/* Only what says something to a container; others could speak to the host (trusted.overlay.*). */
static void set_xattrs(struct archive_entry *e, const char *path)
{
    const char *name;
    const void *value;
    size_t size;

    (void)archive_entry_xattr_reset(e);
    while (archive_entry_xattr_next(e, &name, &value, &size) == ARCHIVE_OK)
        if (!strncmp(name, "user.", 5) || !strcmp(name, "security.capability"))
            (void)lsetxattr(path, name, value, size, 0);
}

static int set_metadata(struct unpack *u, struct archive_entry *e, int dir, const char *base, struct error *err)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
    bool link = archive_entry_filetype(e) == AE_IFLNK;

    if (u->options->layer &&
        fchownat(dir, base, (uid_t)archive_entry_uid(e), (gid_t)archive_entry_gid(e), AT_SYMLINK_NOFOLLOW))
        return error_set_errno(err, errno, "setting the owner of %s", base);
    /* base is no symbolic link here: we have just made it, or opened it as a directory. */
    if (!link && fchmodat(dir, base, archive_entry_perm(e) & 07777, 0))
        return error_set_errno(err, errno, "setting the mode of %s", base);
    if (u->options->layer && archive_entry_xattr_count(e)) {
        char *path CLEANUP_FREE = mem_printf("/proc/self/fd/%d/%s", dir, base);

        set_xattrs(e, path);
    }
    if (archive_entry_mtime_is_set(e))
        times[1] = (struct timespec){archive_entry_mtime(e), archive_entry_mtime_nsec(e)};
    (void)utimensat(dir, base, times, AT_SYMLINK_NOFOLLOW);
    return 0;
}

static bool is_whiteout_node(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static int set_opaque(int fd, struct error *err)
{
    return fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0) ? error_set_errno(err, errno, "marking opaque") : 0;
}

static int make_directory(int dir, const char *base, bool opaque, struct error *err)
{
    int fd CLEANUP_FD = -1;

    if (mkdirat(dir, base, 0700) && errno != EEXIST)
        return error_set_errno(err, errno, "making directory %s", base);
    if (!opaque)
        return 0;
    fd = openat(dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? error_set_errno(err, errno, "opening %s", base) : set_opaque(fd, err);
}

static int unpack_whiteout(int dir, const char *base, struct error *err)
{
    struct stat st;
    int fd CLEANUP_FD = -1;

    if (!strcmp(base, OPAQUE))
        return set_opaque(dir, err);
    if (!strncmp(base, WHITEOUT_META, strlen(WHITEOUT_META)))
        return 0; /* aufs' own book-keeping */
    base += strlen(WHITEOUT);
    if (!*base || !strcmp(base, ".") || !strcmp(base, ".."))
        return refuse(err, base, "a white-out of nothing");
    if (!fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW)) {
        /* White-outs speak of the layers below: what this layer brings itself stays. */
        if (!S_ISDIR(st.st_mode))
            return 0;
        fd = openat(dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? error_set_errno(err, errno, "opening %s", base) : set_opaque(fd, err);
    }
    return mknodat(dir, base, S_IFCHR, 0) ? error_set_errno(err, errno, "hiding %s", base) : 0;
}

/* Clears the place of an entry; *ret_hidden when a white-out stood there. A directory may stay for a directory. */
static int make_room(int dir, const char *base, bool directory, bool *ret_hidden, struct error *err)
{
    struct stat st;

    if (fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : error_set_errno(err, errno, "looking at %s", base);
    *ret_hidden = is_whiteout_node(&st);
    if (directory && S_ISDIR(st.st_mode))
        return 0;
    return fs_remove_tree_at(dir, base, err);
}

static int unpack_entry(struct unpack *u, struct archive_entry *e, struct error *err)
{
    const char *hardlink = archive_entry_hardlink(e);
    mode_t type = archive_entry_filetype(e);
    struct name name = {.dir = ".", .base = ""};
    bool hidden = false;
    int dir CLEANUP_FD = -1;
    int r;

    if (name_clean(archive_entry_pathname(e), &name, err) < 0)
        return -1;
    dir = open_dir(u, name.dir, err);
    if (dir < 0)
        return dir;
    if (!*name.base)
        return type == AE_IFDIR ? set_metadata(u, e, dir, ".", err) : refuse(err, "/", "is not a directory");
    if (u->options->layer && !strncmp(name.base, WHITEOUT, strlen(WHITEOUT)))
        return unpack_whiteout(dir, name.base, err);
    if (make_room(dir, name.base, type == AE_IFDIR && !hardlink, &hidden, err) < 0)
        return -1;
    if (hardlink)
        return make_hardlink(u, hardlink, dir, name.base, err);
    switch (type) {
    case AE_IFREG:
        r = make_file(u, e, dir, name.base, err);
        break;
    case AE_IFDIR:
        r = make_directory(dir, name.base, hidden, err);
        break;
    case AE_IFLNK:
        r = symlinkat(archive_entry_symlink(e), dir, name.base) ? error_set_errno(err, errno, "linking %s", name.base)
                                                                : 0;
        break;
    case AE_IFSOCK:
        return 0;
    default:
        r = make_node(u, e, dir, name.base, err);
    }
    return r < 0 ? r : set_metadata(u, e, dir, name.base, err);
}

static la_ssize_t outer_read(struct archive *a, void *arg, const void **ret_data)
{
    struct unpack *u = arg;
    ssize_t n = u->source(u->source_arg, u->in, sizeof(u->in), u->source_err);

    *ret_data = u->in;
    if (n < 0)
        archive_set_error(a, EIO, "source failed");
    return n < 0 ? ARCHIVE_FATAL : n;
}

static la_ssize_t tar_read(struct archive *a, void *arg, const void **ret_data)
{
    struct unpack *u = arg;
    la_ssize_t n = archive_read_data(u->outer, u->out, sizeof(u->out));

    *ret_data = u->out;
    if (n < 0) {
        u->broken = true;
        archive_set_error(a, EIO, "%s", archive_error_string(u->outer));
        return ARCHIVE_FATAL;
    }
    if ((uint64_t)n > u->stream_left) {
        u->broken = true;
        archive_set_error(u->outer, EFBIG, "the archive is larger than allowed");
        archive_set_error(a, EFBIG, "the archive is larger than allowed");
        return ARCHIVE_FATAL;
    }
    u->stream_left -= (uint64_t)n;
    (void)EVP_DigestUpdate(u->hash, u->out, (size_t)n);
    return n;
}

static int unpack_open(struct unpack *u, struct error *err)
{
    struct archive_entry *e;

    u->outer = archive_read_new();
    u->tar = archive_read_new();
    u->hash = EVP_MD_CTX_new();
    if (!u->outer || !u->tar || !u->hash || !EVP_DigestInit_ex(u->hash, EVP_sha256(), NULL))
        mem_die(0);
    (void)archive_read_support_filter_gzip(u->outer);
    (void)archive_read_support_filter_zstd(u->outer);
    (void)archive_read_support_filter_bzip2(u->outer);
    (void)archive_read_support_filter_xz(u->outer);
    (void)archive_read_support_format_raw(u->outer);
    (void)archive_read_support_format_tar(u->tar);
    if (archive_read_open(u->outer, u, NULL, outer_read, NULL) != ARCHIVE_OK ||
        archive_read_next_header(u->outer, &e) != ARCHIVE_OK)
        return refuse(err, "", archive_error_string(u->outer) ? archive_error_string(u->outer) : "empty");
    if (archive_read_open(u->tar, u, NULL, tar_read, NULL) != ARCHIVE_OK)
        return refuse(err, "", archive_error_string(u->tar));
    return 0;
}

/* A tar ends with blocks of zeros that its reader need not touch; the digest counts them. */
static int unpack_rest(struct unpack *u, struct error *err)
{
    const void *data;
    la_ssize_t n;

    while (!u->broken && (n = tar_read(u->tar, u, &data)) > 0) {
        if ((uint64_t)n > u->bytes_left)
            return refuse(err, "", "too much after the end");
        u->bytes_left -= (uint64_t)n;
    }
    return u->broken ? refuse(err, "", archive_error_string(u->outer)) : 0;
}

static int unpack_all(struct unpack *u, struct error *err)
{
    struct archive_entry *e;
    int r;

    while ((r = archive_read_next_header(u->tar, &e)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
        if (u->entries_left-- == 0)
            return refuse(err, archive_entry_pathname(e), "too many entries");
        if (unpack_entry(u, e, err) < 0)
            return -1;
    }
    if (r != ARCHIVE_EOF)
        return refuse(err, "", archive_error_string(u->tar));
    return unpack_rest(u, err);
}

int image_unpack(int root, image_unpack_read *source, void *arg, const struct image_unpack_options *options,
                 char ret_digest[SHA256_SIZE * 2 + 1], struct error *err)
{
    struct image_unpack_options o = *options;
    struct unpack *u = mem_zalloc(sizeof(*u));
    ERROR_LOCAL(source_err);
    unsigned char digest[SHA256_SIZE];
    BUF_LOCAL(hex);
    int r;

    o.bytes_max = o.bytes_max ? o.bytes_max : 64ULL << 30;
    u->root = root;
    u->options = &o;
    u->bytes_left = o.bytes_max;
    u->entries_left = o.entries_max ? o.entries_max : 2000000;
    u->stream_left = o.bytes_max + u->entries_left * ENTRY_OVERHEAD + ENTRY_OVERHEAD;
    u->source = source;
    u->source_arg = arg;
    u->source_err = &source_err;
    r = unpack_open(u, err);
    if (!r)
        r = unpack_all(u, err);
    if (r < 0 && error_is_set(&source_err))
        r = error_pass(err, &source_err, NULL);
    if (!r && ret_digest && EVP_DigestFinal_ex(u->hash, digest, NULL)) {
        hex_encode(&hex, slice_make(digest, sizeof(digest)));
        memcpy(ret_digest, buf_cstr(&hex), SHA256_SIZE * 2 + 1);
    }
    (void)archive_read_free(u->tar);
    (void)archive_read_free(u->outer);
    EVP_MD_CTX_free(u->hash);
    free(u);
    return r;
}

static ssize_t read_file(void *arg, void *data, size_t size, struct error *err)
{
    int *fd = arg;
    ssize_t n;

    while ((n = read(*fd, data, size)) < 0 && errno == EINTR)
        ;
    return n < 0 ? error_set_errno(err, errno, "reading the archive") : n;
}

int image_unpack_file(int root, const char *file, const struct image_unpack_options *options,
                      char ret_digest[SHA256_SIZE * 2 + 1], struct error *err)
{
    int fd CLEANUP_FD = open(file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return error_set_errno(err, errno, "opening %s", file);
    return image_unpack(root, read_file, &fd, options, ret_digest, err);
}
