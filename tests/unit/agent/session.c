/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "agent/session.h"

struct fake {
    struct session session;
    bool job;           /* on the pool: it stays */
    struct fake *other; /* ends with it */
    unsigned asked;
};

static void fake_end(struct session *session)
{
    struct fake *f = container_of(session, struct fake, session);

    f->asked++;
    if (f->job)
        return;
    session_remove(&f->session);
    if (f->other)
        session_remove(&f->other->session);
}

/* An agent that ended while an exec was being started asked that one for ever. */
static void one_that_stays_is_asked_once(void **state)
{
    struct agent agent = {.session_count = 0};
    struct fake fakes[4] = {{.job = true}};

    list_init(&agent.sessions);
    fakes[1].other = &fakes[2];
    for (size_t i = 0; i < ARRAY_SIZE(fakes); i++)
        assert_int_equal(session_add(&fakes[i].session, &agent, fake_end, NULL), 0);
    sessions_end(&agent);
    assert_int_equal(agent.session_count, 1);
    for (size_t i = 0; i < ARRAY_SIZE(fakes); i++)
        assert_int_equal(fakes[i].asked, i != 2);
    fakes[0].job = false;
    sessions_end(&agent);
    assert_int_equal(agent.session_count, 0);
    assert_int_equal(fakes[0].asked, 2);
    assert_true(list_empty(&agent.sessions));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_that_stays_is_asked_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
