# SPDX-License-Identifier: Apache-2.0
"""./up as a new user meets it, on a host of its own (a network namespace): start, again, down, purge."""
import os
import pathlib
import secrets
import shutil
import subprocess
import tempfile

import pytest

from cluster import PATIENCE, ROOT, run


@pytest.fixture
def host():
    netns = 'knup' + secrets.token_hex(3)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=netns + '-', dir='/tmp'))
    run('ip', 'netns', 'add', netns)
    run('ip', '-n', netns, 'link', 'set', 'lo', 'up')
    run('ip', '-n', netns, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'wire')
    run('ip', '-n', netns, 'link', 'set', 'wire', 'up')
    run('ip', '-n', netns, 'addr', 'add', '192.0.2.10/24', 'dev', 'eth0')
    run('ip', '-n', netns, 'link', 'set', 'eth0', 'up')
    run('ip', '-n', netns, 'route', 'add', 'default', 'via', '192.0.2.1')

    def up(*arguments, check=True):
        env = dict(os.environ, KNARR_HOME=str(folder / 'home'))
        env.pop('KNARR_BIN', None)
        done = subprocess.run(['nsenter', f'--net=/run/netns/{netns}', '--', str(ROOT / 'up'), *arguments],
                              capture_output=True, text=True, env=env, check=False, timeout=600 * PATIENCE)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done
    up.folder, up.netns = folder, netns
    yield up
    up('--purge', check=False)
    run('ip', 'netns', 'del', netns, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def devices(netns):
    return run('ip', '-n', netns, '-o', 'link').stdout.count('\n')


def pod_logs():
    folder = pathlib.Path('/var/log/pods')
    return {p.name for p in folder.iterdir()} if folder.exists() else set()


def test_up_down_purge(host):
    before, logs = devices(host.netns), pod_logs()
    done = host()
    assert 'Hello from Knarr' in done.stdout and done.stdout.count('Running') >= 3
    assert f'export KUBECONFIG={host.folder}/home/kubeconfig' in done.stdout
    assert (host.folder / 'home/kubeconfig').stat().st_mode & 0o777 == 0o600
    again = host()
    assert 'server is running' in again.stdout and 'deployment.apps/hello unchanged' in again.stdout
    host('--down')
    text = subprocess.run(['ps', '-eo', 'args'], capture_output=True, text=True, check=True).stdout
    assert str(host.folder) not in text
    assert str(host.folder) not in pathlib.Path('/proc/self/mountinfo').read_text()
    assert devices(host.netns) == before
    # What was stored is still there; up goes on from it.
    assert 'deployment.apps/hello unchanged' in host().stdout
    host('--purge')
    assert not (host.folder / 'home').exists()
    assert not [name for name in pod_logs() - logs if name.startswith('default_hello-')]


def test_clear_errors(host):
    done = host('--bogus', check=False)
    assert done.returncode != 0 and 'there is no option --bogus' in done.stderr
    done = subprocess.run(['setpriv', '--reuid=65534', '--clear-groups', str(ROOT / 'up')], capture_output=True, text=True,
                          check=False)
    assert done.returncode != 0 and 'need root' in done.stderr


def test_port_taken(host):
    """Whose port it is shows in the last lines, and nothing goes on running."""
    script = 'import socket, sys; s = socket.create_server(("0.0.0.0", 6443)); print("ready", flush=True); sys.stdin.read()'
    with subprocess.Popen(['nsenter', f'--net=/run/netns/{host.netns}', '--', '/usr/bin/python3', '-c', script],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as squatter:
        try:
            assert squatter.stdout.readline() == 'ready\n'
            done = host(check=False)
        finally:
            squatter.stdin.close()
    assert done.returncode != 0 and '6443' in done.stderr and 'in use' in done.stderr, done.stderr
    assert 'up: the server stopped' in done.stderr
    text = subprocess.run(['ps', '-eo', 'args'], capture_output=True, text=True, check=True).stdout
    assert f'--home {host.folder}' not in text
