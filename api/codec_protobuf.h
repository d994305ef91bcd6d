/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that both directions of the protobuf codec know. Private to api/. */
#ifndef KNARR_API_CODEC_PROTOBUF_H
#define KNARR_API_CODEC_PROTOBUF_H

#include "api/protobuf_write.h"

/* Before every message: "k8s" and a zero. Then runtime.Unknown. */
#define PROTOBUF_MAGIC     "k8s\0"
#define PROTOBUF_MAGIC_LEN 4

enum envelope_field { ENVELOPE_TYPE = 1, ENVELOPE_RAW = 2, ENVELOPE_ENCODING = 3, ENVELOPE_CONTENT_TYPE = 4 };
enum type_meta_field { TYPE_META_API_VERSION = 1, TYPE_META_KIND = 2 };
enum map_entry_field { MAP_KEY = 1, MAP_VALUE = 2 };
enum int_or_string_field { INT_OR_STRING_TYPE = 1, INT_OR_STRING_INT = 2, INT_OR_STRING_TEXT = 3 };
enum time_field { TIME_SECONDS = 1, TIME_NANOS = 2 };
#define WRAPPED_FIELD 1 /* the only field of Quantity, RawExtension, FieldsV1, ExtraValue */

#endif
