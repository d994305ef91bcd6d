/* SPDX-License-Identifier: Apache-2.0 */
/* The server's store, so small that little is enough to begin a segment, to go to LMDB and to be dissolved. The linker
 * hands the server's call here (--wrap). */
#include "store/store.h"

int __real_store_open(const struct store_options *options, struct store **ret_store, struct error *err);
int __wrap_store_open(const struct store_options *options, struct store **ret_store, struct error *err);

int __wrap_store_open(const struct store_options *options, struct store **ret_store, struct error *err)
{
    struct store_options small = *options;

    small.segment_bytes = 192 << 10;
    small.checkpoint_count = 100;
    small.history = 4u << 20;
    return __real_store_open(&small, ret_store, err);
}
