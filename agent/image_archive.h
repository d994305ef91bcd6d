/* SPDX-License-Identifier: Apache-2.0 */
/* Images from files: OCI layouts and `docker save` archives, plain or compressed. Blocks: pool threads only. */
#ifndef KNARR_AGENT_IMAGE_ARCHIVE_H
#define KNARR_AGENT_IMAGE_ARCHIVE_H

#include "agent/image_store.h"

/* What an import brought; owned. */
struct image_import {
    struct image **images;
    size_t count;
    size_t cap;
};
void image_import_clear(struct image_import *import); /* frees the images that are still in it */

/* Is it named like an archive we read? */
bool image_archive_name(const char *file_name);
/* Imports one file into the store at `dir` (records included) and adds its images to *import. A file that was imported
 * before and has not changed adds nothing. */
int image_archive_import(const char *dir, const char *file, struct image_import *import, struct error *err);

#endif
