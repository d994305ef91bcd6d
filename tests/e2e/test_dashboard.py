# SPDX-License-Identifier: Apache-2.0
"""The Dashboard in a real browser against a real cluster: people log in, look, and act, each within his rights."""

import pytest

from browser import Browser
from cluster import deployment, wait_for

NODES = 1
USERS = '''anna-token,anna,u-anna,"system:masters"
'''
TALK = ['sh', '-c', 'i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo "line $i"; done; while true; do sleep 1; echo tick; done']


@pytest.fixture(scope='module')
def site(people):
    """A cluster with people in it, and something that runs."""
    people.kubectl('create', 'namespace', 'work')
    people.apply(deployment('web', 2, command=TALK), '-n', 'work')
    people.kubectl('create', 'secret', 'generic', 'db', '-n', 'work', '--from-literal=password=hunter2')
    return people


def logged_in(cluster, token, width=1280):
    browser = Browser(cluster, width)
    try:
        browser.do('await page.goto(argument)', browser.address)
        log_in(browser, token)
        browser.do("await page.waitForSelector('.tiles')")
    except BaseException:
        browser.stop()
        raise
    return browser


def log_in(browser, token):
    browser.do("await page.fill('#token', argument); await page.click('button[type=submit]')", token)


@pytest.fixture(scope='module')
def anna(site):
    """An administrator. Nothing of what she does may make the page complain."""
    browser = logged_in(site, 'anna-token')
    try:
        yield browser
        troubles = browser.do('return troubles')
    finally:
        browser.stop()
    assert troubles == []


def go(browser, where):
    browser.do("await page.evaluate((to) => { location.hash = to }, argument)", where)


def see(browser, text, selector='#main'):
    """Waits until the text stands there."""
    browser.do('await page.locator(argument[1]).filter({ hasText: argument[0] }).first().waitFor()', [text, selector])


def press(browser, button):
    browser.do("await page.getByRole('button', { name: argument, exact: true }).last().click()", button)


def test_files_are_for_everybody_and_strict(site):
    code, page = site.curl('/dashboard/', '-D', '/dev/stderr', user=None)
    assert code == 200 and b'app.js' in page and b'hunter2' not in page
    code, packed = site.curl('/dashboard/app.js', '-H', 'Accept-Encoding: gzip', user=None)
    assert code == 200 and packed[:2] == b'\x1f\x8b'
    assert site.curl('/dashboard', user=None)[0] == 301
    assert site.curl('/dashboard/../api/v1/secrets', user=None)[0] == 400
    assert site.curl('/dashboard/%2e%2e/api/v1/secrets', user=None)[0] == 400
    assert site.curl('/dashboard/', '-I', user=None)[0] == 200


def test_a_certificate_does_not_speak_for_pages_of_others(site):
    """A browser shows its user's certificate whoever wrote the page; only pages of this server may use it."""
    configmap = '{"metadata":{"generateName":"forged-"}}'
    for header in ('Origin: https://evil.example', 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Site: same-site'):
        assert site.curl('/api/v1/namespaces/default/secrets', '-H', header)[0] == 403, header
        code, _ = site.curl('/api/v1/namespaces/default/configmaps', '-H', header, '-H', 'Content-Type:', data=configmap)
        assert code == 403, header
    for header in ('Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: none'):
        assert site.curl('/api/v1/namespaces/default/secrets', '-H', header)[0] == 200, header


def test_a_bad_token_is_told(site):
    browser = Browser(site)
    try:
        browser.do('await page.goto(argument)', browser.address.rstrip('/'))
        log_in(browser, 'no such token')
        see(browser, 'does not know this token', '[role=alert]')
        log_in(browser, 'tökén')
        see(browser, 'This cannot be a token', '[role=alert]')
        assert browser.do('return page.evaluate(() => sessionStorage.length)') == 0
        log_in(browser, 'Bearer anna-token')
        see(browser, 'anna', '.who')
        browser.do("await page.reload(); await page.waitForSelector('.who')")  # the tab remembers
        press(browser, 'Log out')
        browser.do("await page.waitForSelector('#token')")
        assert browser.do('return page.evaluate(() => sessionStorage.length)') == 0
        log_in(browser, 'another one')
        see(browser, 'does not know this token', '[role=alert]')
        # The browser's own lines about the two tries.
        assert [t.count('401 (Unauthorized)') for t in browser.do('return troubles')] == [1, 1]
    finally:
        browser.stop()


def test_what_was_under_way_ends_with_its_user(site):
    """A question that is answered after its user left is followed by nothing in anybody's name."""
    browser = logged_in(site, 'anna-token')
    try:
        browser.do("""
            globalThis.held = [];
            globalThis.bearers = [];
            await page.route('**/selfsubjectaccessreviews', (route) => { held.push(route); });
            await page.reload();
            await page.waitForSelector('.who');
            while (!held.length) await page.waitForRequest('**/selfsubjectaccessreviews');
        """)
        press(browser, 'Log out')
        browser.do("""
            await page.waitForSelector('#token');
            page.on('request', (request) => bearers.push(request.headers().authorization ?? ''));
            await page.unroute('**/selfsubjectaccessreviews');
            for (const route of held) await route.continue().catch(() => {});
        """)
        log_in(browser, 'nosuchtoken')
        see(browser, 'does not know this token', '[role=alert]')
        assert browser.do('return bearers') == ['Bearer nosuchtoken']
    finally:
        browser.stop()


def test_every_page_is_there(anna, site):
    for page, text in {'overview': 'Capacity', 'nodes': 'node-1', 'workloads': 'web', 'pods': 'Running', 'services': 'kubernetes',
                       'events': 'Scheduled', 'kinds': 'ConfigMap', 'kind/-/configmaps': 'kube-root-ca.crt'}.items():
        go(anna, f'#/{page}')
        see(anna, text)
        see(anna, 'live', '#connection')
    go(anna, '#/nodes')
    anna.do("await page.getByText(/in use [0-9.]+[MG]i/).first().waitFor()")  # by metrics.k8s.io
    go(anna, '#/object/-/nodes/-/node-1')
    see(anna, 'MemoryPressure')
    see(anna, 'web-')


def test_a_rollout_is_seen_as_it_happens(anna, site):
    go(anna, '#/workloads')
    site.apply(deployment('live', 1), '-n', 'work')
    row = 'tr:has(a:text-is("live"))'
    see(anna, '1/1', row)
    site.kubectl('scale', 'deployment', 'live', '-n', 'work', '--replicas=3')
    see(anna, '3/3', row)
    site.kubectl('delete', 'deployment', 'live', '-n', 'work')
    anna.do('await page.locator(argument).first().waitFor({ state: "detached" })', row)


def test_watches_come_by_websocket_or_take_turns(anna, site):
    assert anna.do("return page.evaluate(() => performance.getEntriesByType('resource').filter((e) => /watch=true/.test(e.name)).length)") == 0
    browser = Browser(site)
    try:
        browser.do("""await page.addInitScript(() => {
            window.WebSocket = class { constructor() { setTimeout(() => this.onclose(), 0); } };
        }); await page.goto(argument)""", browser.address)
        log_in(browser, 'anna-token')
        see(browser, '2 / 2', '.tile:has-text("Pods")')
        # More watches than connections, and each is heard.
        site.kubectl('create', 'service', 'clusterip', 'late', '-n', 'work', '--tcp=80')
        site.apply(deployment('late', 1), '-n', 'work')
        see(browser, '3 / 3', '.tile:has-text("Pods")')
        see(browser, '2 / 2', '.tile:has-text("Deployments")')
        site.kubectl('delete', 'service,deployment', 'late', '-n', 'work')
        see(browser, '1 / 1', '.tile:has-text("Deployments")')
        assert browser.do('return troubles') == []
    finally:
        browser.stop()


def test_filter_and_namespace(anna, site):
    go(anna, '#/pods')
    see(anna, 'web-')
    anna.do("await page.fill('#filter', 'no-such-pod')")
    see(anna, 'Nothing matches')
    anna.do("await page.fill('#filter', 'app=web'); await page.selectOption('#namespace', 'default')")
    see(anna, 'Nothing matches' if site.pods() else 'There are no pods here')
    anna.do("await page.selectOption('#namespace', ''); await page.fill('#filter', '')")
    see(anna, 'web-')


def test_logs(anna, site):
    pod = site.pods('app=web', 'work')[0]['metadata']['name']
    go(anna, f'#/object/-/pods/work/{pod}?tab=logs')
    see(anna, 'line 1', '.log')
    see(anna, 'line 3', '.log')
    before = anna.do("return (await page.locator('.log').innerText()).split('tick').length")
    wait_for(lambda: anna.do("return (await page.locator('.log').innerText()).split('tick').length") > before, 'more of the log')
    anna.do("await page.uncheck('#log-follow'); await page.selectOption('#log-tail', '100')")
    see(anna, 'end of the log')
    anna.do("await page.check('#log-previous')")
    see(anna, 'previous terminated container "web" in pod')
    anna.do("troubles.splice(0, troubles.length, ...troubles.filter((t) => !(/status of 400/.test(t) && /previous=true/.test(t))))")


def test_scale_restart_delete(anna, site):
    site.apply(deployment('toy', 1), '-n', 'work')
    go(anna, '#/object/apps/deployments/work/toy')
    see(anna, '1 of 1')
    press(anna, 'Scale')
    anna.do("await page.fill('#replicas', '2'); await page.locator('dialog button[type=submit]').click()")
    see(anna, '2 of 2')
    assert site.get('deployment', 'toy', '-n', 'work')['spec']['replicas'] == 2
    press(anna, 'Restart')
    press(anna, 'Restart')
    wait_for(lambda: 'kubectl.kubernetes.io/restartedAt' in
             site.get('deployment', 'toy', '-n', 'work')['spec']['template']['metadata'].get('annotations', {}), 'the annotation')
    site.kubectl('rollout', 'status', 'deployment/toy', '-n', 'work')
    press(anna, 'Delete')
    press(anna, 'Cancel')
    assert site.get('deployment', 'toy', '-n', 'work')
    press(anna, 'Delete')
    press(anna, 'Delete')
    see(anna, 'It is not there any more')
    assert site.get('deployment', 'toy', '-n', 'work') is None


def test_cordon(anna, site):
    go(anna, '#/nodes')
    see(anna, 'node-1')
    press(anna, 'Cordon')
    press(anna, 'Cordon')
    see(anna, 'cordoned', 'td')
    assert site.get('node', 'node-1')['spec']['unschedulable'] is True
    press(anna, 'Uncordon')
    press(anna, 'Uncordon')
    wait_for(lambda: 'unschedulable' not in site.get('node', 'node-1')['spec'], 'the node to be uncordoned')


def test_secrets_are_masked(anna):
    go(anna, '#/object/-/secrets/work/db?tab=yaml')
    see(anna, 'password')
    text = anna.do("return page.locator('#main').innerText()")
    assert 'aHVudGVyMg' not in text and 'hunter2' not in text and '7 bytes' in text


def test_what_is_in_the_cluster_is_text(anna, site):
    """Names, messages and values come from anybody who may write something: none of it becomes markup."""
    evil = '<img src=x onerror=alert(1)><script>alert(2)</script>'
    site.apply({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'evil', 'annotations': {'evil': evil}},
                'data': {'evil': evil, 'link': 'javascript:alert(3)'}}, '-n', 'work')
    site.apply({'apiVersion': 'v1', 'kind': 'Event', 'metadata': {'name': 'evil'}, 'type': 'Warning', 'reason': evil,
                'message': evil, 'involvedObject': {'apiVersion': 'v1', 'kind': 'ConfigMap', 'name': 'evil', 'namespace': 'work'}},
               '-n', 'work')
    for page in ('object/-/configmaps/work/evil', 'object/-/configmaps/work/evil?tab=yaml', 'events', 'overview'):
        go(anna, f'#/{page}')
        see(anna, '<img src=x onerror=')
        assert anna.do("return page.locator('#app img, #app script, #app a[href^=javascript]').count()") == 0
    site.kubectl('delete', 'event,configmap', 'evil', '-n', 'work')


def test_a_connection_that_went_dead_is_noticed(site):
    browser = Browser(site)
    try:
        browser.do("""page.sockets = 0; page.on('websocket', () => page.sockets++);
                   await page.clock.install(); await page.goto(argument)""", browser.address)
        log_in(browser, 'anna-token')
        see(browser, 'live', '#connection')
        wait_for(lambda: browser.do('return page.sockets') == 6, 'six watches')
        browser.do('await page.clock.fastForward(160000)')
        wait_for(lambda: browser.do('return page.sockets') == 12, 'each of them to be opened anew')
        see(browser, 'live', '#connection')
    finally:
        browser.stop()


def test_who_may_only_look(site):
    """With a ServiceAccount's token, as docs/dashboard.md says, on a telephone."""
    site.kubectl('create', 'serviceaccount', 'vera', '-n', 'work')
    site.kubectl('create', 'rolebinding', 'vera', '-n', 'work', '--clusterrole=view', '--serviceaccount=work:vera')
    browser = logged_in(site, site.kubectl('create', 'token', 'vera', '-n', 'work').stdout, 400)
    try:
        see(browser, 'system:serviceaccount:work:vera', '.who')
        see(browser, 'not allowed', '.tile')
        browser.do("await page.fill('#namespace-name', 'work'); await page.press('#namespace-name', 'Enter')")
        for page, text in {'pods': 'Running', 'workloads': 'web', 'events': 'Scheduled', 'services': 'There are no services', 'nodes': 'You may not'}.items():
            go(browser, f'#/{page}')
            see(browser, text)
            wide = browser.do('return page.evaluate(() => document.documentElement.scrollWidth - innerWidth)')
            assert wide <= 0, f'{page} is {wide} pixels too wide'
        go(browser, '#/object/apps/deployments/work/web')
        for button in ('Scale', 'Restart', 'Delete'):
            see(browser, button, 'button[aria-disabled=true]')
            browser.do("await page.locator('.tools button', { hasText: argument }).click({ force: true })", button)
        see(browser, 'You may not patch deployments/scale in namespace work', '.denied')
        assert browser.do("return page.locator('dialog').count()") == 0
        go(browser, '#/object/-/secrets/work/db')
        see(browser, 'You may not')
        assert browser.do('return troubles') == []
    finally:
        browser.stop()


def test_the_server_comes_back(anna, site):
    """Last: the server goes away under an open page, which says so and goes on by itself."""
    go(anna, '#/workloads')
    see(anna, 'web')
    site.stop_server()
    see(anna, 'reconnecting', '#connection')
    site.start_server()
    see(anna, 'live', '#connection')
    site.kubectl('scale', 'deployment', 'web', '-n', 'work', '--replicas=1')
    see(anna, '1/1', 'tr:has(a:text-is("web"))')
    # The browser's own lines about connections that were refused.
    anna.do("troubles.splice(0, troubles.length, ...troubles.filter((t) => !/net::ERR_|ERR_EMPTY/.test(t)))")
