# SPDX-License-Identifier: Apache-2.0
"""What a container may do, asked of the kernel from inside: system calls, capabilities, users and groups, owners of files,
kernel settings."""
import json
import pathlib
import re

import pytest

from cluster import condition, pod, run, wait_for
from test_failures import main_process
from test_workloads import finished, log_of

# Tries system calls and says what came of each: a name and an errno (0: it went through).
PROBE = r'''
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#define TRY(name, ...) do { int end = 0; pid_t child; fflush(stdout); child = fork(); \
    if (!child) _exit((__VA_ARGS__) < 0 ? errno : 0); \
    waitpid(child, &end, 0); printf("%s=%d\n", name, WIFEXITED(end) ? WEXITSTATUS(end) : -1); } while (0)
int main(void)
{
    char buffer[256];
    memset(buffer, 0, sizeof(buffer));
    TRY("getpid", syscall(SYS_getpid));
    TRY("unshare", unshare(CLONE_NEWUSER));
    TRY("clone-ns", syscall(SYS_clone, CLONE_NEWNET, 0, 0, 0, 0));
    TRY("clone3", syscall(SYS_clone3, buffer, 64));
    TRY("mount", mount("x", "/tmp", "tmpfs", 0, ""));
    TRY("keyctl", syscall(SYS_keyctl, 0, -3, 0));
    TRY("add_key", syscall(SYS_add_key, "user", "x", "y", 1, -3));
    TRY("bpf", syscall(SYS_bpf, 0, buffer, 64));
    TRY("userfaultfd", syscall(SYS_userfaultfd, 0));
    TRY("io_uring_setup", syscall(SYS_io_uring_setup, 1, buffer));
    TRY("perf_event_open", syscall(SYS_perf_event_open, buffer, 0, -1, -1, 0));
    TRY("kexec_load", syscall(SYS_kexec_load, 0, 0, 0, 0));
    TRY("init_module", syscall(SYS_init_module, buffer, 1, ""));
    TRY("open_by_handle_at", syscall(SYS_open_by_handle_at, -1, buffer, 0));
    TRY("setns", syscall(SYS_setns, 0, 0));
    TRY("sethostname", sethostname("x", 1));
    TRY("reboot", syscall(SYS_reboot, 0, 0, 0, 0));
    TRY("swapon", syscall(SYS_swapon, "/x", 0));
    TRY("pivot_root", syscall(SYS_pivot_root, "/", "/"));
    TRY("af_alg", socket(38, SOCK_SEQPACKET, 0));
    TRY("af_vsock", socket(40, SOCK_STREAM, 0));
    TRY("af_unix", socket(AF_UNIX, SOCK_STREAM, 0));
    TRY("personality", personality(0x0040000));
    TRY("personality-ask", personality(0xffffffff));
    return 0;
}
'''
EPERM, ENOSYS = 1, 38
STATUS = ['grep', '-E', '^(Seccomp|CapEff|CapBnd|NoNewPrivs|Groups|Uid|Gid):', '/proc/self/status']


@pytest.fixture(scope='module')
def probe(cluster):
    (cluster.folder / 'probe.c').write_text(PROBE)
    run('cc', '-static', '-O1', '-w', '-o', cluster.folder / 'probe', cluster.folder / 'probe.c')
    return cluster.folder / 'probe'


def secured(name, command, pod_context=None, mounts=(), **context):
    manifest = pod(name, command, securityContext=pod_context or {})
    manifest['spec']['containers'][0]['securityContext'] = context
    manifest['spec']['volumes'] = [v for v, _ in mounts]
    manifest['spec']['containers'][0]['volumeMounts'] = [{'name': v['name'], 'mountPath': path} for v, path in mounts]
    return manifest


def calls(name, probe, **context):
    return secured(name, ['/probe'], mounts=[({'name': 'probe', 'hostPath': {'path': str(probe)}}, '/probe')], **context)


def answers(cluster, name):
    finished(cluster, name)
    return {n: int(v) for n, v in (line.split('=') for line in log_of(cluster, name).splitlines())}


def status(cluster, name):
    finished(cluster, name)
    return {k: v.split() for k, v in (line.split(':', 1) for line in log_of(cluster, name).splitlines())}


def test_system_calls(cluster, probe):
    c = cluster
    c.apply(calls('calls', probe))
    c.apply(calls('calls-default', probe, seccompProfile={'type': 'RuntimeDefault'}, capabilities={'add': ['SYS_ADMIN']}))
    c.apply(calls('calls-open', probe, seccompProfile={'type': 'Unconfined'}))
    got = answers(c, 'calls')
    assert got.pop('clone3') == ENOSYS
    assert [n for n, e in got.items() if e == 0] == ['getpid', 'af_unix', 'personality-ask']
    assert {e for e in got.values() if e} == {EPERM}, got
    # With the capability come the calls that need it, and no others.
    got = answers(c, 'calls-default')
    assert got['unshare'] == got['mount'] == 0 and got['clone3'] not in (EPERM, ENOSYS)
    assert got['keyctl'] == got['io_uring_setup'] == got['init_module'] == got['af_alg'] == EPERM
    # Without a filter the kernel's own answers come.
    got = answers(c, 'calls-open')
    assert got['keyctl'] == got['unshare'] == got['personality'] == 0 and got['mount'] == EPERM
    c.kubectl('delete', 'pod', 'calls', 'calls-default', 'calls-open')


def test_profiles_of_the_node(cluster):
    c = cluster
    folder = c.nodes[0].home / 'agent/seccomp/team'
    folder.mkdir(parents=True)
    (folder / 'no-mkdir.json').write_text(json.dumps({
        'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['mkdir', 'mkdirat'], 'action': 'SCMP_ACT_ERRNO'}]}))
    (folder / 'bad.json').write_text('{}')
    (c.nodes[0].home / 'agent/outside.json').write_text((folder / 'no-mkdir.json').read_text())
    profiles = {'local': 'team/no-mkdir.json', 'local-bad': 'team/bad.json', 'local-none': 'team/none.json'}
    for name, profile in profiles.items():
        manifest = secured(name, ['mkdir', '/x'], {'seccompProfile': {'type': 'Localhost', 'localhostProfile': profile}})
        manifest['spec']['nodeName'] = 'node-1'
        c.apply(manifest)
    assert finished(c, 'local')['status']['phase'] == 'Failed'
    assert 'Operation not permitted' in log_of(c, 'local')
    for name, text in {'local-bad': 'defaultAction', 'local-none': 'no seccomp profile'}.items():
        state = wait_for(lambda n=name: (s := (c.get('pod', n)['status'].get('containerStatuses') or [{}])[0].get('state', {})
                                         .get('waiting', {})) and s.get('message') and s, f'{name} to be refused', 60)
        assert state['reason'] == 'CreateContainerError' and text in state['message']
    c.kubectl('delete', 'pod', *profiles)


def test_capabilities_and_privileges(cluster):
    c = cluster
    c.apply(secured('caps', STATUS))
    c.apply(secured('caps-none', STATUS, capabilities={'drop': ['ALL'], 'add': ['NET_BIND_SERVICE']}, allowPrivilegeEscalation=False))
    c.apply(secured('caps-user', STATUS, runAsUser=1000, capabilities={'add': ['SYS_TIME']}))
    c.apply(secured('caps-all', ['sh', '-c', f"{' '.join(STATUS).replace('^(', chr(39) + '^(').replace('):', '):' + chr(39))}; "
                                 'mount -t tmpfs x /tmp && touch /sys/x 2>&1; ls /dev/kmsg; head -c1 /proc/interrupts | wc -c'], privileged=True))
    got = status(c, 'caps')
    assert got['CapEff'] == ['00000000000005fb'] and got['Seccomp'] == ['2'] and got['NoNewPrivs'] == ['0']
    got = status(c, 'caps-none')
    assert got['CapEff'] == got['CapBnd'] == ['0000000000000400'] and got['NoNewPrivs'] == ['1']
    got = status(c, 'caps-user')
    assert got['CapEff'] == ['0000000000000000'] and got['CapBnd'] == ['00000000020005fb'] and got['Uid'][0] == '1000'
    finished(c, 'caps-all')
    text = log_of(c, 'caps-all')
    own = next(line for line in open('/proc/self/status', encoding='ascii') if line.startswith('CapEff'))
    assert 'Seccomp:\t0' in text and own in text and '/dev/kmsg' in text and text.endswith('\n1\n')
    assert 'Read-only' not in text
    c.kubectl('delete', 'pod', 'caps', 'caps-none', 'caps-user', 'caps-all')


def memory_limits(c, pod):
    """Of the pod's control group and those of its containers, as the kernel has them."""
    below = f'{c.id}-{pod["spec"]["nodeName"]}/**/pod{pod["metadata"]["uid"]}'
    group = next(p for root in ('/sys/fs/cgroup/memory', '/sys/fs/cgroup') for p in pathlib.Path(root).glob(below))
    files = [f for name in ('memory.limit_in_bytes', 'memory.max') for f in [group / name, *group.glob(f'*/{name}')] if f.exists()]
    return [f.read_text().strip() for f in files]


def test_resources_reach_the_kernel(cluster):
    """Who asked for nothing is killed first; limits hold for a container, or for all of them together."""
    c = cluster
    script = ['sh', '-c', 'cat /proc/self/oom_score_adj; sleep 60']
    c.apply(secured('nothing', script))
    some = pod('some', script)
    some['spec']['containers'][0]['resources'] = {'requests': {'memory': '1Mi', 'cpu': '1m'}, 'limits': {'memory': '32Mi'}}
    c.apply(some)
    c.apply(pod('whole', script, resources={'limits': {'memory': '64Mi'}}))
    for name in ('nothing', 'some', 'whole'):
        wait_for(lambda n=name: condition(c.get('pod', n), 'Ready') == 'True', f'{name} to run', 60)
    assert wait_for(lambda: log_of(c, 'nothing'), 'its score') == '1000\n'
    assert 900 < int(wait_for(lambda: log_of(c, 'some'), 'its score')) < 1000
    assert memory_limits(c, c.get('pod', 'some')) == [str(32 << 20)] * 2
    limits = memory_limits(c, c.get('pod', 'whole'))
    assert limits[0] == str(64 << 20) and limits[1] != limits[0]
    c.kubectl('delete', 'pod', 'nothing', 'some', 'whole')


def test_users_groups_and_owners(cluster):
    c = cluster
    c.kubectl('create', 'cm', 'owned', '--from-literal=a=x')
    c.kubectl('create', 'secret', 'generic', 'owned', '--from-literal=a=x')
    labels = {'path': 'a', 'fieldRef': {'fieldPath': 'metadata.name'}}
    mounts = [({'name': 'e', 'emptyDir': {}}, '/e'), ({'name': 'm', 'emptyDir': {'medium': 'Memory', 'sizeLimit': '1Mi'}}, '/m'),
              ({'name': 'c', 'configMap': {'name': 'owned', 'defaultMode': 0o400}}, '/c'),
              ({'name': 's', 'secret': {'secretName': 'owned', 'defaultMode': 0o400}}, '/s'),
              ({'name': 'd', 'downwardAPI': {'items': [labels]}}, '/d'),
              ({'name': 'p', 'projected': {'sources': [{'secret': {'name': 'owned'}}, {'configMap': {'name': 'owned', 'items': [
                  {'key': 'a', 'path': 'deep/b'}]}}]}}, '/p')]
    script = 'grep -E "^(Uid|Gid|Groups)" /proc/self/status; touch /e/f /m/f; mkdir /e/g; stat -c "%n %u %g %a" /e /m /e/f /m/f /e/g; ' \
             'stat -L -c "%n %u %g %a" /c /s /d /p /c/a /s/a /d/a /p/a /p/deep; cat /c/a /s/a /d/a /p/a /p/deep/b'
    context = {'runAsUser': 1000, 'runAsGroup': 2000, 'supplementalGroups': [3000], 'fsGroup': 4000, 'fsGroupChangePolicy': 'OnRootMismatch',
               'runAsNonRoot': True}
    c.apply(secured('owners', ['sh', '-c', script], context, mounts))
    c.apply(secured('strict', STATUS, {'runAsUser': 65534, 'supplementalGroupsPolicy': 'Strict', 'supplementalGroups': [7]}))
    finished(c, 'owners')
    lines = log_of(c, 'owners').splitlines()
    assert lines[:3] == ['Uid:\t' + '\t'.join(['1000'] * 4), 'Gid:\t' + '\t'.join(['2000'] * 4), 'Groups:\t2000 3000 4000 ']
    owners = {line.split()[0]: line.split()[1:] for line in lines[3:] if line.startswith('/')}
    assert owners['/e'] == owners['/m'] == ['0', '4000', '2777']
    assert owners['/e/f'] == owners['/m/f'] == ['1000', '4000', '644'] and owners['/e/g'] == ['1000', '4000', '2755']
    for volume in 'csdp':
        uid, gid, mode = owners[f'/{volume}']
        assert (uid, gid) == ('0', '4000') and int(mode, 8) & 0o2050 == 0o2050, volume
    assert owners['/c/a'] == owners['/s/a'] == ['0', '4000', '440'] and owners['/d/a'] == owners['/p/a'] == ['0', '4000', '644']
    assert owners['/p/deep'][1] == '4000'
    assert lines[-1] == 'xxownersxx'
    assert status(c, 'strict')['Groups'] == ['7', '65534']
    c.kubectl('delete', 'pod', 'owners', 'strict')


def test_roots_are_refused(cluster):
    c = cluster
    c.apply(secured('root-image', ['true'], {'runAsNonRoot': True}))
    c.apply(secured('root-said', ['true'], {'runAsNonRoot': True}, runAsUser=0))
    c.apply(secured('root-not', ['id', '-u'], {'runAsNonRoot': True}, runAsUser=5))
    words = {'root-image': 'container has runAsNonRoot and image will run as root (pod: "root-image_default(',
             'root-said': "container's runAsUser breaks non-root policy (pod: \"root-said_default("}
    for name, text in words.items():
        state = wait_for(lambda n=name: (s := (c.get('pod', n)['status'].get('containerStatuses') or [{}])[0].get('state', {})
                                         .get('waiting', {})) and s.get('message') and s, f'{name} to be refused', 60)
        assert state['reason'] == 'CreateContainerConfigError' and state['message'].startswith(text)
    assert finished(c, 'root-not') and log_of(c, 'root-not') == '5\n'
    c.kubectl('delete', 'pod', 'root-image', 'root-said', 'root-not')


def test_read_only_roots_and_paths(cluster):
    c = cluster
    script = 'touch /x; touch /etc/hosts; touch /proc/sys/kernel/domainname; wc -c < /proc/interrupts; touch /sys/x; df /dev/shm | tail -1'
    c.apply(secured('sealed', ['sh', '-c', script], readOnlyRootFilesystem=True, mounts=[({'name': 'e', 'emptyDir': {}}, '/e')]))
    finished(c, 'sealed')
    text = log_of(c, 'sealed')
    assert text.count('Read-only file system') == 4, text
    assert '\n0\n' in '\n' + text and '65536' in text
    c.kubectl('delete', 'pod', 'sealed')


def test_kernel_settings(cluster):
    c = cluster
    good = [{'name': 'net.ipv4.ip_local_port_range', 'value': '40000 40100'}, {'name': 'kernel/shm_rmid_forced', 'value': '1'}]
    c.apply(secured('tuned', ['cat', '/proc/sys/net/ipv4/ip_local_port_range', '/proc/sys/kernel/shm_rmid_forced'], {'sysctls': good}))
    c.apply(secured('untunable', ['true'], {'sysctls': [{'name': 'kernel.msgmax', 'value': '1'}]}))
    finished(c, 'tuned')
    assert log_of(c, 'tuned').split() == ['40000', '40100', '1']
    p = finished(c, 'untunable')
    assert p['status']['phase'] == 'Failed' and p['status']['reason'] == 'SysctlForbidden'
    assert p['status']['message'] == 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted'
    assert c.events('untunable', 'SysctlForbidden')
    assert 'SysctlForbidden' in c.kubectl('get', 'pod', 'untunable').stdout
    c.kubectl('delete', 'pod', 'tuned', 'untunable')


def test_sub_paths(cluster):
    c = cluster
    volume = {'name': 'v', 'emptyDir': {}}
    manifest = secured('subs', ['sh', '-c', 'echo mine > /own/f; echo > /env/g; stat -c "%u %a" /own /env; cat /all/a/b/f; ls /all/subs'],
                       {'runAsUser': 1000})
    main = manifest['spec']['containers'][0]
    manifest['spec']['volumes'] = [volume]
    main['env'] = [{'name': 'ME', 'valueFrom': {'fieldRef': {'fieldPath': 'metadata.name'}}}]
    main['volumeMounts'] = [{'name': 'v', 'mountPath': '/all'}, {'name': 'v', 'mountPath': '/own', 'subPath': 'a/b'},
                            {'name': 'v', 'mountPath': '/env', 'subPathExpr': '$(ME)'}]
    c.apply(manifest)
    finished(c, 'subs')
    assert log_of(c, 'subs').splitlines() == ['0 777', '0 777', 'mine', 'g']
    # A link that the pod makes leads nowhere but into the volume; a path that climbs is refused.
    manifest = secured('links', ['cat', '/x/shadow'], mounts=[])
    manifest['spec']['volumes'] = [volume]
    manifest['spec']['initContainers'] = [{**manifest['spec']['containers'][0], 'name': 'evil', 'command': ['ln', '-s', '/etc', '/v/link'],
                                           'volumeMounts': [{'name': 'v', 'mountPath': '/v'}]}]
    manifest['spec']['containers'][0]['volumeMounts'] = [{'name': 'v', 'mountPath': '/x', 'subPath': 'link'}]
    c.apply(manifest)
    climbing = secured('climbs', ['true'])
    climbing['spec']['volumes'] = [volume]
    climbing['spec']['containers'][0].update(env=[{'name': 'UP', 'value': '../..'}],
                                             volumeMounts=[{'name': 'v', 'mountPath': '/x', 'subPathExpr': 'a/$(UP)/etc'}])
    c.apply(climbing)
    wait_for(lambda: [e for e in c.events('links', 'Failed') if 'subPath link' in e['message']] or
             c.get('pod', 'links')['status'].get('phase') == 'Failed', 'the link to lead nowhere', 60)
    assert 'root:' not in c.kubectl('logs', 'links', '-c', 'main', check=False).stdout
    wait_for(lambda: [e for e in c.events('climbs', 'Failed') if 'must not contain ".."' in e['message']], 'the climb to be refused', 60)
    c.kubectl('delete', 'pod', 'subs', 'links', 'climbs')


def test_what_containers_of_a_pod_share(cluster):
    c = cluster
    memory = {'name': 'm', 'emptyDir': {'medium': 'Memory', 'sizeLimit': '1Mi'}}
    manifest = secured('shares', ['sh', '-c', 'while ! cat /dev/shm/said; do sleep 0.1; done 2>/dev/null; df -k /m | tail -1; '
                                  'hostname; cat /etc/hostname; echo $HOSTNAME; head -c 2000000 /dev/zero > /m/big'], mounts=[(memory, '/m')])
    manifest['spec'].update(hostname='first', subdomain='group', setHostnameAsFQDN=True,
                            hostAliases=[{'ip': '10.1.2.3', 'hostnames': ['other']}])
    manifest['spec']['containers'].append({'name': 'speaker', 'image': 'localhost/knarr/hello:v1', 'command': [
        'sh', '-c', 'echo hello > /dev/shm/said; cat /etc/hosts']})
    c.apply(manifest)
    long = secured('too-long', ['true'])
    long['spec'].update(hostname='h' * 50, subdomain='group', setHostnameAsFQDN=True)
    c.apply(long)
    assert finished(c, 'shares')['status']['phase'] == 'Failed'
    lines = log_of(c, 'shares', '-c', 'main').splitlines()
    assert lines[0] == 'hello' and lines[1].split()[1] == '1024'
    assert lines[2:5] == ['first.group.default.svc.cluster.local'] * 3 and 'error' in lines[5]
    hosts = log_of(c, 'shares', '-c', 'speaker')
    assert '10.1.2.3\tother' in hosts and '\tfirst.group.default.svc.cluster.local\tfirst' in hosts
    wait_for(lambda: [e for e in c.events('too-long', 'FailedCreatePodSandBox') if 'is too long (64 is the max, 82' in e['message']],
             'the long name to be refused', 60)
    c.kubectl('delete', 'pod', 'shares', 'too-long')


def test_mounts_of_the_node(cluster):
    c = cluster
    host = c.nodes[0].home / 'shared'
    below = host / 'below'
    below.mkdir(parents=True)
    run('mount', '-t', 'tmpfs', 'kn', below)
    try:
        manifest = secured('mounts', ['sh', '-c', 'touch /ro/x /ro/below/x /rro/below/x'], runAsUser=0)
        manifest['spec']['nodeName'] = 'node-1'
        manifest['spec']['volumes'] = [{'name': 'h', 'hostPath': {'path': str(host)}}]
        manifest['spec']['containers'][0]['volumeMounts'] = [
            {'name': 'h', 'mountPath': '/ro', 'readOnly': True},
            {'name': 'h', 'mountPath': '/rro', 'readOnly': True, 'recursiveReadOnly': 'Enabled'}]
        c.apply(manifest)
        finished(c, 'mounts')
        text = log_of(c, 'mounts')
        assert '/ro/x: Read-only' in text and '/rro/below/x: Read-only' in text and '/ro/below/x: Read-only' not in text.replace('/rro', '')
        c.kubectl('delete', 'pod', 'mounts')
    finally:
        run('umount', below)


def test_users_of_its_own(cluster):
    """Root of the pod is nobody on the node, and sees its files as its own."""
    c = cluster
    for node in c.nodes:
        for folder in (c.folder, node.home):
            folder.chmod(0o711)
    host = c.nodes[0].home / 'given'
    host.mkdir()
    (host / 'file').write_text('')
    c.kubectl('create', 'secret', 'generic', 'mapped', '--from-literal=a=x')
    script = 'cut -c1-10 /proc/self/uid_map; stat -c "%n %u %g" /bin /etc/hosts /s/a /h/file /dev/shm; touch /x /e/f /h/g /dev/shm/y; ' \
             'chown 5:6 /e/f; stat -c "%n %u %g" /x /e/f; grep CapEff /proc/self/status; unshare -U true; wc -c < /proc/interrupts; ' \
             'cat /s/a; echo; echo -n bye > /dev/termination-log; exec sleep 1000'
    mounts = [({'name': 'e', 'emptyDir': {}}, '/e'), ({'name': 's', 'secret': {'secretName': 'mapped'}}, '/s'),
              ({'name': 'h', 'hostPath': {'path': str(host)}}, '/h')]
    first = secured('mapped-1', ['sh', '-c', script], mounts=mounts, procMount='Unmasked')
    second = secured('mapped-2', ['sh', '-c', 'sleep 1000'])
    third = secured('mapped-3', ['sh', '-c', 'touch /e/f; touch /x; stat -c "%u" /e/f; mount -t tmpfs x /tmp && ls /dev/kmsg'],
                    mounts=mounts[:1], privileged=True, readOnlyRootFilesystem=True)
    third['spec']['containers'][0]['volumeMounts'][0]['subPath'] = 'deep/down'
    for manifest in (first, second, third):
        manifest['spec'].update(hostUsers=False, nodeName='node-1')
        assert 'Warning' not in c.apply(manifest).stderr
    for name in ('mapped-1', 'mapped-2'):
        wait_for(lambda n=name: c.get('pod', n)['status'].get('phase') == 'Running', f'{name} to run', 60)
    # What goes to the two outputs comes in any order.
    refused = 'unshare: unshare(0x10000000): Operation not permitted'
    lines = wait_for(lambda: {'x', refused} <= set(t := c.kubectl('logs', 'mapped-1').stdout.splitlines()) and t, 'the whole log', 60)
    lines.remove(refused)
    assert lines[1:6] == ['/bin 0 0', '/etc/hosts 0 0', '/s/a 0 0', '/h/file 0 0', '/dev/shm 0 0']
    assert '/x 0 0' in lines and '/e/f 5 6' in lines and 'CapEff:\t00000000000005fb' in lines
    assert [int(line) > 0 for line in lines if line.isdigit()] == [True]
    assert (host / 'g').stat().st_uid == 0
    assert finished(c, 'mapped-3')['status']['phase'] == 'Succeeded'
    assert sorted(log_of(c, 'mapped-3').splitlines()) == ['/dev/kmsg', '0', 'touch: /x: Read-only file system']
    c.kubectl('delete', 'pod', 'mapped-3')
    # What is run in it later is confined in the same way.
    said = c.kubectl('exec', 'mapped-2', '--', 'grep', '-hE', '^Seccomp:|^CapEff:|^ ', '/proc/self/status', '/proc/self/uid_map').stdout
    assert 'Seccomp:\t2' in said and 'CapEff:\t00000000000005fb' in said and any(str(0x70000000 + n * 65536) in said for n in (0, 1))
    # Who looks into it has its users and no others.
    said = c.kubectl('debug', 'mapped-2', '-i', '--image=localhost/knarr/hello:v1', '--profile=general', '--target=main', '--', 'sh', '-c',
                     'cut -c1-22 /proc/self/uid_map; cat /proc/1/comm; touch /proc/1/root/x').stdout
    assert re.search(r'^ +0 +18\d{8}\b', said, re.M) and re.search('^sleep$', said, re.M), said
    users = {run('stat', '-c', '%u', f'/proc/{main_process(c, c.get("pod", n))}').stdout.strip() for n in ('mapped-1', 'mapped-2')}
    assert len(users) == 2 and all(int(u) >= 0x70000000 and int(u) % 65536 == 0 for u in users)
    ranges = c.nodes[0].home / 'run/agent/users'
    assert len(list(ranges.iterdir())) == 2
    c.nodes[0].stop()
    c.nodes[0].start()
    c.wait_ready()
    c.kubectl('delete', 'pod', 'mapped-1', 'mapped-2')
    assert list(ranges.iterdir()) == [] and list((c.nodes[0].home / 'run/roots').iterdir()) == []


def test_fields_that_nothing_acts_on_are_told(cluster):
    manifest = secured('inert', ['true'], {'seLinuxOptions': {'level': 's0'}, 'appArmorProfile': {'type': 'RuntimeDefault'}})
    manifest['spec'].update(shareProcessNamespace=True)
    said = cluster.apply(manifest, '--dry-run=server').stderr
    for field in ('shareProcessNamespace', 'securityContext.seLinuxOptions', 'securityContext.appArmorProfile'):
        assert f'{field} is stored, but this server does not act on it' in said
