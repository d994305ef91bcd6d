/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"

const struct cli_command cli_commands[] = {
    {"get", "TYPE[,TYPE...] [NAME...] [-n NAMESPACE] [-A] [-l SELECTOR] [-o wide|json|yaml|name|jsonpath=...] [-w]",
     "Show objects", cli_get},
    {"apply", "-f FILE [--server-side]", "Create or change objects to match a manifest", cli_apply},
    {"delete", "TYPE NAME... | -f FILE [--wait=false]", "Delete objects", cli_delete},
    {"describe", "TYPE [NAME...] | TYPE/NAME [-n NAMESPACE] [-A] [-l SELECTOR] [--show-events=false]",
     "Show objects for people, with their events", cli_describe},
    {"events", "[--for TYPE/NAME] [--types Warning] [-n NAMESPACE] [-A] [-w]", "Show what happened", cli_events},
    {"exec", "POD [-n NAMESPACE] [-c CONTAINER] [-i] [-t] -- COMMAND...", "Run a command in a container", cli_exec},
    {"history", "TYPE NAME | TYPE/NAME [-n NAMESPACE] [--limit N]", "Show what became of an object, and by whom",
     cli_history},
    {"logs", "POD [-c CONTAINER] [-f] [--tail N] [--previous]", "Print a container's log", cli_logs},
    {"rewind", "--to REVISION|TIME|AGO [TYPE[/NAME]...] [-n NAMESPACE] [-A] [--dry-run] [--recreate]",
     "Write objects back as they were", cli_rewind, cli_rewind_help},
    {"scale", "TYPE NAME... | TYPE/NAME --replicas N", "Set how many there are to be", cli_scale},
    {"top", "node|pod [NAME] [-n NAMESPACE] [-A] [-l SELECTOR] [--containers] [--sort-by cpu|memory]",
     "Show what nodes and pods use", cli_top},
    {"wait", "TYPE NAME --for condition=NAME|delete [--timeout SECONDS]", "Wait for a condition of an object",
     cli_wait},
    {"token", "create [--ttl T] [--uses N] [--description D] | list | revoke ID", "Tokens for nodes to join with",
     cli_token},
    {"version", "", "Print the version", cli_version},
    {NULL, NULL, NULL, NULL, NULL},
};

static void print_usage(FILE *to, const struct cli_command *const *tables, size_t table_count)
{
    (void)fprintf(to, "Knarr, a small Kubernetes.\n\nUsage: knarr COMMAND [arguments]\n\n");
    for (size_t i = 0; i < table_count; i++)
        for (const struct cli_command *c = tables[i]; c->name; c++)
            (void)fprintf(to, "  %-8s %s\n             knarr %s %s\n", c->name, c->summary, c->name, c->arguments);
    (void)fprintf(to, "\nThe cluster is taken from --kubeconfig, $KUBECONFIG, $KNARR_HOME/kubeconfig, "
                      "/var/lib/knarr/kubeconfig or ~/.kube/config.\n"
                      "'knarr help COMMAND' says more.\n");
}

static const struct cli_command *find_command(const struct cli_command *const *tables, size_t table_count,
                                              const char *name)
{
    for (size_t i = 0; i < table_count; i++)
        for (const struct cli_command *c = tables[i]; c->name; c++)
            if (!strcmp(c->name, name))
                return c;
    (void)fprintf(stderr, "knarr: there is no command \"%s\"; 'knarr help' lists them\n", name);
    return NULL;
}

static bool is_help(const char *text)
{
    return !strcmp(text, "help") || !strcmp(text, "--help") || !strcmp(text, "-h");
}

static int print_help(const struct cli_command *c)
{
    if (!c)
        return 2;
    (void)printf("%s\n\nUsage: knarr %s %s\n", c->summary, c->name, c->arguments);
    if (c->help) {
        (void)printf("\n");
        c->help(stdout);
    }
    return 0;
}

int cli_main(const struct cli_command *const *tables, size_t table_count, int argc, char **argv)
{
    const struct cli_command *c;

    if (argc < 2) {
        print_usage(stderr, tables, table_count);
        return 2;
    }
    if (is_help(argv[1]) && argc > 2)
        return print_help(find_command(tables, table_count, argv[2]));
    if (is_help(argv[1])) {
        print_usage(stdout, tables, table_count);
        return 0;
    }
    c = find_command(tables, table_count, argv[1]);
    if (!c)
        return 2;
    return argc == 3 && !strcmp(argv[2], "--help") ? print_help(c) : c->run(argc - 1, argv + 1);
}

int cli_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    (void)printf("knarr %s (Kubernetes API v1.35)\n", KNARR_VERSION);
    return 0;
}
