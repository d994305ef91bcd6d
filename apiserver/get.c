/* SPDX-License-Identifier: Apache-2.0 */
/* GET of one object: bytes in, bytes out. */
#include "apiserver/list_options.h"
#include "apiserver/registry.h"
#include "apiserver/request.h"

/* A revision asked for only says how old the answer may be, and ours is always the newest. */
static int get_check_revision(struct request *req, struct error *err)
{
    const char *text = request_query(req, "resourceVersion");
    uint64_t revision;

    if (!text || !*text)
        return 0;
    if (!slice_to_uint64(slice_str(text), &revision))
        return error_set(err, ERROR_BAD_REQUEST,
                         "resourceVersion: Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": invalid syntax",
                         text, text);
    return list_check_future(req, revision, err);
}

void verb_get(struct request *req)
{
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    ERROR_LOCAL(err);

    if (negotiate_media(req, false, &err) < 0 || get_check_revision(req, &err) < 0 ||
        registry_get(req->server->store, req->shown, req->info.namespace_, req->info.name, &item, &err) < 0) {
        reply_error(req, &err);
        return;
    }
    reply_object(req, 200, buf_slice(&item.value), item.revision);
}
