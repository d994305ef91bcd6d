/* SPDX-License-Identifier: Apache-2.0 */
/* Which parameters the operations of OpenAPI documents take in their query: those that the server looks at. */
#include "api/openapi_internal.h"

static const struct openapi_parameter list_parameters[] = {
    {"allowWatchBookmarks", "boolean", "Send bookmarks in a watch."},
    {"continue", "string", "Where the last page ended."},
    {"fieldSelector", "string", "Only objects whose fields match."},
    {"labelSelector", "string", "Only objects whose labels match."},
    {"limit", "integer", "The most objects to answer with."},
    {"resourceVersion", "string", "How fresh the answer must be, or where a watch starts."},
    {"resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan."},
    {"sendInitialEvents", "boolean", "Begin a watch with the objects that are there."},
    {"timeoutSeconds", "integer", "End a watch after this time."},
    {"watch", "boolean", "Stream changes instead of a list."},
    {NULL, NULL, NULL},
};
static const struct openapi_parameter write_parameters[] = {
    {"dryRun", "string", "All: do everything but store."},
    {"fieldManager", "string", "Who makes the change."},
    {"fieldValidation", "string", "What to do about unknown and duplicate fields: Ignore, Warn or Strict."},
    {NULL, NULL, NULL},
};
static const struct openapi_parameter patch_parameters[] = {
    {"dryRun", "string", "All: do everything but store."},
    {"fieldManager", "string", "Who makes the change."},
    {"fieldValidation", "string", "What to do about unknown and duplicate fields: Ignore, Warn or Strict."},
    {"force", "boolean", "Apply: take over fields that others manage."},
    {NULL, NULL, NULL},
};
static const struct openapi_parameter delete_parameters[] = {
    {"dryRun", "string", "All: do everything but store."},
    {"gracePeriodSeconds", "integer", "How long the object may take to end; 0 is at once."},
    {"orphanDependents", "boolean", "Older form of propagationPolicy."},
    {"propagationPolicy", "string", "What becomes of dependents: Orphan, Background or Foreground."},
    {NULL, NULL, NULL},
};
static const struct openapi_parameter collection_parameters[] = {
    {"continue", "string", "Where the last page ended."},
    {"dryRun", "string", "All: do everything but store."},
    {"fieldSelector", "string", "Only objects whose fields match."},
    {"gracePeriodSeconds", "integer", "How long each object may take to end; 0 is at once."},
    {"labelSelector", "string", "Only objects whose labels match."},
    {"limit", "integer", "The most objects to delete."},
    {"orphanDependents", "boolean", "Older form of propagationPolicy."},
    {"propagationPolicy", "string", "What becomes of dependents: Orphan, Background or Foreground."},
    {"resourceVersion", "string", "How fresh the list of what is deleted must be."},
    {"resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan."},
    {"sendInitialEvents", "boolean", "Without a meaning here."},
    {"timeoutSeconds", "integer", "Without a meaning here."},
    {NULL, NULL, NULL},
};
static const struct openapi_parameter log_parameters[] = {
    {"container", "string", "Whose log; not needed when there is only one container."},
    {"follow", "boolean", "Stay, and send what is written."},
    {"limitBytes", "integer", "The most bytes to send."},
    {"previous", "boolean", "That of the container before this one."},
    {"sinceSeconds", "integer", "Only lines that are not older."},
    {"sinceTime", "string", "Only lines from this time on."},
    {"tailLines", "integer", "Only so many of the last lines."},
    {"timestamps", "boolean", "Begin each line with its time."},
    {NULL, NULL, NULL},
};
static const struct openapi_parameter exec_parameters[] = {
    {"command", "string", "The program and its arguments, one parameter each."},
    {"container", "string", "In which container; not needed when there is only one."},
    {"stderr", "boolean", "Send its standard error."},
    {"stdin", "boolean", "Take its standard input."},
    {"stdout", "boolean", "Send its standard output."},
    {"tty", "boolean", "Give it a terminal."},
    {NULL, NULL, NULL},
};
static const struct openapi_parameter port_parameters[] = {
    {"ports", "integer", "The ports; needed over WebSocket."},
    {NULL, NULL, NULL},
};
static const struct openapi_parameter proxy_parameters[] = {
    {"path", "string", "The path to ask for."},
    {NULL, NULL, NULL},
};
static const struct openapi_parameter no_parameters[] = {{NULL, NULL, NULL}};

static const struct {
    uint8_t verb;
    const struct openapi_parameter *parameters;
} by_verb[] = {
    {SCHEMA_VERB_LIST, list_parameters},
    {SCHEMA_VERB_WATCH, list_parameters},
    {SCHEMA_VERB_CREATE, write_parameters},
    {SCHEMA_VERB_UPDATE, write_parameters},
    {SCHEMA_VERB_PATCH, patch_parameters},
    {SCHEMA_VERB_DELETE, delete_parameters},
    {SCHEMA_VERB_DELETECOLLECTION, collection_parameters},
};

/* Of subresources that exchange no objects. attach is exec without a command. */
static const struct {
    const char *name;
    const struct openapi_parameter *parameters;
} by_name[] = {
    {"log", log_parameters},          {"exec", exec_parameters},   {"attach", exec_parameters + 1},
    {"portforward", port_parameters}, {"proxy", proxy_parameters},
};

const struct openapi_parameter *openapi_parameters_of_verb(enum schema_verb verb)
{
    for (size_t i = 0; i < ARRAY_SIZE(by_verb); i++)
        if (by_verb[i].verb == verb)
            return by_verb[i].parameters;
    return no_parameters;
}

const struct openapi_parameter *openapi_parameters_of_stream(const char *subresource)
{
    for (size_t i = 0; i < ARRAY_SIZE(by_name); i++)
        if (!strcmp(by_name[i].name, subresource))
            return by_name[i].parameters;
    return no_parameters;
}
