/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "lib/yaml.h"

static int read_stream(FILE *f, const char *path, struct buf *out, struct error *err)
{
    for (;;) {
        size_t got = fread(buf_reserve(out, 65536), 1, 65536, f);

        out->len += got;
        if (out->len > FILE_MAX)
            return error_set(err, ERROR_TOO_LARGE, "%s is larger than %u MiB", path, FILE_MAX >> 20);
        if (got < 65536)
            return ferror(f) ? error_set_errno(err, errno, "reading %s", path) : 0;
    }
}

int file_read(const char *path, struct buf *out, struct error *err)
{
    FILE *f;
    int r;

    if (!strcmp(path, "-"))
        return read_stream(stdin, "standard input", out, err);
    f = fopen(path, "re");
    if (!f)
        return error_set_errno(err, errno, "opening %s", path);
    r = read_stream(f, path, out, err);
    (void)fclose(f);
    return r;
}

static int each_of_file(const char *path, int (*fn)(void *arg, struct slice json, struct error *err), void *arg,
                        struct error *err)
{
    BUF_LOCAL(text);

    if (file_read(path, &text, err) < 0)
        return -(int)ERROR_IO;
    if (yaml_each_document(buf_slice(&text), fn, arg, err) < 0)
        return error_wrap(err, "%s", path);
    return 0;
}

static int is_manifest(const struct dirent *entry)
{
    struct slice name = slice_str(entry->d_name);

    return slice_ends(name, SLICE_LIT(".yaml")) || slice_ends(name, SLICE_LIT(".yml")) ||
           slice_ends(name, SLICE_LIT(".json"));
}

int file_each_document(const char *path, int (*fn)(void *arg, struct slice json, struct error *err), void *arg,
                       struct error *err)
{
    struct dirent **entries = NULL;
    struct stat st;
    int count, r = 0;

    if (!strcmp(path, "-") || stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return each_of_file(path, fn, arg, err);
    count = scandir(path, &entries, is_manifest, alphasort);
    if (count < 0)
        return error_set_errno(err, errno, "reading %s", path);
    for (int i = 0; i < count; i++) {
        char *whole CLEANUP_FREE = mem_printf("%s/%s", path, entries[i]->d_name);

        if (r == 0)
            r = each_of_file(whole, fn, arg, err);
        free(entries[i]);
    }
    free(entries);
    return r;
}
