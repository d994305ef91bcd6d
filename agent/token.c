/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/token.h"

#include "agent/pod_spec.h"

#define TOKEN_SECONDS 3600 /* where nothing is said, as the API has it */
#define TOKEN_DAY_S   86400

char *token_reference_name(const struct value *source)
{
    const struct value *seconds = value_get(source, "expirationSeconds");
    const char *audience = object_text(source, "audience");

    return mem_printf("%lld/%s", value_is(seconds, VALUE_INT) ? (long long)value_int(seconds) : TOKEN_SECONDS,
                      audience ? audience : "");
}

void token_request_write(const struct value *pod, const char *name, struct buf *out)
{
    struct slice audience = slice_str(name);
    struct slice text;
    int64_t seconds = TOKEN_SECONDS;
    struct value *request CLEANUP_VALUE = value_new_object();
    struct value *spec = value_need_object(request, "spec");
    struct value *audiences = value_need_array(spec, "audiences");
    struct value *bound = value_need_object(spec, "boundObjectRef");

    if (slice_split(&audience, '/', &text))
        (void)slice_to_int64(text, &seconds);
    value_set_str(request, "apiVersion", "authentication.k8s.io/v1");
    value_set_str(request, "kind", "TokenRequest");
    if (audience.len)
        value_append(audiences, value_new_string(audience));
    value_set(spec, "expirationSeconds", value_new_int(seconds));
    value_set_str(bound, "apiVersion", "v1");
    value_set_str(bound, "kind", "Pod");
    value_set_str(bound, "name", pod_name(pod));
    value_set_str(bound, "uid", pod_uid(pod));
    value_write(request, out);
}

uint64_t token_serves_ms(const struct value *answer)
{
    int64_t seconds = value_int(value_path(answer, "spec", "expirationSeconds", NULL)) / 5 * 4;

    if (seconds <= 0)
        return 0;
    return (uint64_t)(seconds < TOKEN_DAY_S ? seconds : TOKEN_DAY_S) * 1000;
}
