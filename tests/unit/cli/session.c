/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/session.h"

/* Such a line was printed as a table, which has no rows then. */
static void a_watch_fails_as_its_status_says(void **state)
{
    ERROR_LOCAL(err);

    assert_int_equal(session_watch_failed(SLICE_LIT("{\"type\":\"ADDED\",\"object\":{}}"), &err), 0);
    assert_false(error_is_set(&err));
    assert_int_equal(
        session_watch_failed(SLICE_LIT("{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":"
                                       "\"v1\",\"status\":\"Failure\",\"message\":\"too old resource "
                                       "version: 1 (2)\",\"reason\":\"Expired\",\"code\":410}}"),
                             &err),
        -(int)ERROR_EXPIRED);
    assert_string_equal(error_text(&err), "too old resource version: 1 (2)");
}

static void printing_fails_when_nobody_reads(void **state)
{
    int own = dup(STDOUT_FILENO);
    int ends[2];
    int r;
    ERROR_LOCAL(err);

    assert_int_equal(session_print(SLICE_NONE, &err), 0);
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(ends), 0);
    (void)close(ends[0]);
    (void)fflush(stdout);
    (void)dup2(ends[1], STDOUT_FILENO);
    r = session_print(SLICE_LIT("text\n"), &err);
    (void)dup2(own, STDOUT_FILENO);
    (void)close(ends[1]);
    (void)close(own);
    clearerr(stdout);
    assert_int_equal(r, -(int)ERROR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_watch_fails_as_its_status_says),
                                       cmocka_unit_test(printing_fails_when_nobody_reads)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
