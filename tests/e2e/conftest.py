# SPDX-License-Identifier: Apache-2.0
"""Fixtures, and the comparison of the host before and after the whole run."""
import collections
import pathlib
import re
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cluster import Cluster  # noqa: E402


def snapshot():
    """What a clean run leaves as it was."""
    def lines(*command):
        return sorted(subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines())
    processes = [p for p in lines('ps', '-eo', 'comm') if p.split('/')[0] in ('knarr', 'conmon', 'runc')]
    groups = [str(p) for p in pathlib.Path('/sys/fs/cgroup').glob('*') if re.match('knarr|kn[0-9a-f]{6}', p.name)]
    groups += [str(p) for p in pathlib.Path('/sys/fs/cgroup').glob('*/*') if re.match('knarr|kn[0-9a-f]{6}', p.name)]
    return {
        'control groups': sorted(groups),
        'devices': [line.split(':')[1].strip() for line in lines('ip', '-o', 'link')],
        'network namespaces': lines('ls', '/run/netns'),
        'mounts': sorted(line.split()[4] for line in pathlib.Path('/proc/self/mountinfo').read_text().splitlines()),
        'processes': processes,
        'nft': lines('nft', 'list', 'ruleset'),
    }


def compare(before):
    """What is on the host now and was not there before."""
    after = snapshot()
    new = {what: collections.Counter(after[what]) - collections.Counter(was) for what, was in before.items()}
    return {what: sorted(count.elements()) for what, count in new.items() if count}


def pytest_configure(config):
    if not hasattr(config, 'workerinput'):
        config.host_before = snapshot()


def pytest_sessionfinish(session, exitstatus):
    before = getattr(session.config, 'host_before', None)
    if before is None:
        return
    # What went away was another program's; what came must not stay. The last clean-up may be ending still.
    end = time.monotonic() + 10
    left = compare(before)
    while left and time.monotonic() < end:
        time.sleep(0.1)
        left = compare(before)
    for what, new in left.items():
        print(f'\nleft on the host: {what}: {new}')
        session.exitstatus = 1


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == 'call' and report.failed:
        for value in item.funcargs.values():
            if isinstance(value, Cluster):
                report.sections.append(('cluster', value.describe_failure()))


def running(cluster):
    try:
        yield cluster.start()
    finally:
        left = cluster.stop()
        assert not left, f'left on the host, or processes in trouble (see {cluster.folder}):\n' + '\n'.join(left)


@pytest.fixture(scope='module')
def server():
    """A control plane without nodes, shared by the tests of a file."""
    yield from running(Cluster(nodes=0))


@pytest.fixture(scope='module')
def node():
    """One node, shared by the tests of a file."""
    yield from running(Cluster(nodes=1))


@pytest.fixture(scope='module')
def people(request):
    """As many nodes as the file's NODES, and the file's USERS, who are known by tokens."""
    yield from running(Cluster(request.module.NODES, users=request.module.USERS))


@pytest.fixture(scope='module')
def cluster():
    """Two nodes, shared by the tests of a file."""
    yield from running(Cluster(nodes=2))


@pytest.fixture
def own_cluster():
    """Two nodes for one test that breaks things."""
    yield from running(Cluster(nodes=2))


@pytest.fixture
def own_server():
    """A control plane for one test that breaks things."""
    yield from running(Cluster(nodes=0))
