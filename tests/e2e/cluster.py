# SPDX-License-Identifier: Apache-2.0
"""A cluster of its own for a test: server and agents as real processes, each in a network namespace of its own as if on
a host of its own, joined by a bridge in the server's namespace. Nothing outside the namespaces, the cluster's folder
and its cgroup parent is touched, so clusters run side by side; `Cluster.stop` checks that nothing is left."""
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
KNARR = os.environ.get('KNARR_BIN', str(ROOT / 'build/test/main/knarr'))
KUBECTL = os.environ.get('KUBECTL', 'kubectl')
SERVER_IP = '10.77.0.1'
PORT = 6443
# Sanitizer builds are several times slower.
PATIENCE = 3 if 'asan' in KNARR or 'tsan' in KNARR else 1
# What a sanitizer build of ours is told (other builds do not look), and what it says when it has found something.
SANITIZERS = {
    'ASAN_OPTIONS': 'detect_stack_use_after_return=1:exitcode=97',
    'UBSAN_OPTIONS': 'print_stacktrace=1:halt_on_error=1',
    'LSAN_OPTIONS': f'suppressions={ROOT}/.ci/lsan-suppressions:print_suppressions=0',
    'TSAN_OPTIONS': f'suppressions={ROOT}/.ci/tsan-suppressions:exitcode=97',
}
# With what follows, as far as it tells where: 60 lines of it.
FINDING = re.compile(r'^.*(?:ERROR: \w*Sanitizer|WARNING: ThreadSanitizer|runtime error:).*(?:\n.*){0,60}', re.M)


def run(*command, check=True, **kwargs):
    kwargs.setdefault('timeout', 60 * PATIENCE)
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(f'{" ".join(map(str, command))} -> {done.returncode}\n{done.stdout}\n{done.stderr}')
    return done


def wait_for(condition, what, seconds=30):
    """Polls until condition() is true and returns what it returned. A field that is not there is not there yet."""
    end = time.monotonic() + seconds * PATIENCE
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
        except (AssertionError, LookupError, TypeError, AttributeError, StopIteration) as failure:
            last = failure
        if time.monotonic() > end:
            raise AssertionError(f'waited {seconds * PATIENCE} s for {what}' + (f'; last: {last!r}' if last else ''))
        time.sleep(0.05)


class Process:
    """A program in a network namespace, with its output in a file."""

    def __init__(self, netns, log, *command, env=None):
        self.log = log
        self.output = open(log, 'ab')
        self.begin = self.output.seek(0, os.SEEK_END)
        self.troubles = []
        self.popen = subprocess.Popen(['nsenter', f'--net=/run/netns/{netns}', '--'] + [str(c) for c in command],
                                      stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
                                      env={**SANITIZERS, **(os.environ if env is None else env)},
                                      start_new_session=True)

    def alive(self):
        return self.popen.poll() is None

    def kill(self, sig=signal.SIGTERM, seconds=15, clean=(0,)):
        """Ends it. `troubles` then says what was wrong: reports of sanitizers, an exit code that is not among the clean."""
        asked = self.alive()
        if asked:
            self.popen.send_signal(sig)
            try:
                self.popen.wait(seconds * PATIENCE)
            except subprocess.TimeoutExpired:
                self.troubles.append(f'was still there {seconds * PATIENCE} s after signal {sig}')
                self.popen.kill()
                self.popen.wait()
        self.output.close()
        code = self.popen.returncode
        if asked and sig == signal.SIGTERM and code not in clean:
            self.troubles.append(f'ended with {code} when asked to end')
        elif code < 0 and -code != sig:
            self.troubles.append(f'was ended by signal {-code}')
        self.troubles += FINDING.findall(self.text(self.begin))
        return code

    def text(self, begin=0):
        return pathlib.Path(self.log).read_bytes()[begin:].decode(errors='replace')


class Node:
    def __init__(self, cluster, number):
        self.cluster = cluster
        self.name = f'node-{number}'
        self.ip = f'10.77.0.{10 + number}'
        self.netns = f'{cluster.id}n{number}'
        self.home = cluster.folder / f'n{number}'
        self.log = cluster.folder / f'agent-{number}.log'
        self.resolv_conf = self.home / 'resolv.conf'
        self.process = None

    def common(self):
        return ['--home', self.home, '--run-dir', self.home / 'run', '--node-name', self.name,
                '--cgroup-parent', f'/{self.cluster.id}-{self.name}', '--bridge', 'kn0', '--log-dir', self.home / 'logs']

    def start(self, token=None):
        arguments = self.common() + ['--node-ip', self.ip, '--server', f'https://{SERVER_IP}:{PORT}',
                                     '--resolv-conf', self.resolv_conf, *self.cluster.agent_arguments]
        if token:
            arguments += ['--token', token]
        (self.home / 'images').mkdir(parents=True, exist_ok=True)
        # Not the host's: what its name servers say is none of a test's business.
        self.resolv_conf.touch()
        self.process = Process(self.netns, self.log, KNARR, 'agent', *arguments)

    def stop(self, sig=signal.SIGTERM, clean=(0,)):
        if self.process:
            self.process.kill(sig, clean=clean)
            self.cluster.troubles += [f'{self.name}: {t}' for t in self.process.troubles]
            self.process = None

    def clean(self):
        run('nsenter', f'--net=/run/netns/{self.netns}', '--', KNARR, 'agent', '--clean', *self.common(),
            env={**SANITIZERS, **os.environ})

    def run(self, *command, **kwargs):
        return run('nsenter', f'--net=/run/netns/{self.netns}', '--', *command, **kwargs)


class Cluster:
    def __init__(self, nodes=0, server_arguments=(), agent_arguments=(), users=''):
        """users: lines of token,name,uid,"groups" for people who come with tokens."""
        self.id = 'kn' + secrets.token_hex(3)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=self.id + '-', dir='/tmp'))
        self.home = self.folder / 's'
        self.netns = f'{self.id}s'
        self.server_arguments = list(server_arguments)
        self.agent_arguments = list(agent_arguments)
        self.server = None
        self.troubles = []
        self.nodes = [Node(self, i + 1) for i in range(nodes)]
        self.kubeconfig = self.home / 'kubeconfig'
        if users:
            tokens = self.folder / 'users.csv'
            tokens.touch(mode=0o600)
            tokens.write_text(users)
            self.server_arguments += ['--token-auth-file', tokens]

    # ---- life ----

    def start(self):
        self.make_network()
        self.start_server()
        if self.nodes:
            image = self.folder / 'hello.tar'
            run(ROOT / 'tools/make-hello-image', image)
            token = self.token('--uses', len(self.nodes))
            for node in self.nodes:
                (node.home / 'images').mkdir(parents=True)
                shutil.copy(image, node.home / 'images/hello.tar')
                node.start(token)
            self.wait_ready()
        return self

    def make_network(self):
        run('ip', 'netns', 'add', self.netns)
        # Addresses are there at once: a browser breaks off what it loads when one comes.
        run('nsenter', f'--net=/run/netns/{self.netns}', 'sh', '-c', 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad; '
            'echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad')
        run('ip', '-n', self.netns, 'link', 'set', 'lo', 'up')
        run('ip', '-n', self.netns, 'link', 'add', 'br0', 'type', 'bridge')
        run('ip', '-n', self.netns, 'addr', 'add', f'{SERVER_IP}/24', 'dev', 'br0')
        run('ip', '-n', self.netns, 'link', 'set', 'br0', 'up')
        for i, node in enumerate(self.nodes):
            run('ip', 'netns', 'add', node.netns)
            run('ip', '-n', node.netns, 'link', 'set', 'lo', 'up')
            run('ip', '-n', self.netns, 'link', 'add', f'v{i}', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', node.netns)
            run('ip', '-n', self.netns, 'link', 'set', f'v{i}', 'master', 'br0', 'up')
            run('ip', '-n', node.netns, 'addr', 'add', f'{node.ip}/24', 'dev', 'eth0')
            run('ip', '-n', node.netns, 'link', 'set', 'eth0', 'up')
            run('ip', '-n', node.netns, 'route', 'add', 'default', 'via', SERVER_IP)

    def start_server(self):
        self.server = Process(self.netns, self.folder / 'server.log', KNARR, 'server', '--home', self.home,
                              '--address', '0.0.0.0', '--advertise-address', SERVER_IP, '--port', PORT,
                              *self.server_arguments)
        wait_for(self.ready, 'the server to be ready')

    def ready(self):
        if not self.server.alive():
            raise RuntimeError(f'the server ended:\n{self.server.text()}')
        return self.kubeconfig.exists() and self.kubectl('get', '--raw', '/readyz', check=False).stdout == 'ok'

    def stop_server(self, sig=signal.SIGTERM):
        code = self.server.kill(sig)
        self.troubles += [f'server: {t}' for t in self.server.troubles]
        # Its own controllers and scheduler have just the rights that they need, and no fewer.
        self.troubles += sorted(set(re.findall(r'a part of the server itself was refused: .*',
                                                 self.server.text(self.server.begin))))
        self.server = None
        return code

    def wait_ready(self):
        for node in self.nodes:
            wait_for(lambda n=node: self.get('node', n.name) and condition(self.get('node', n.name), 'Ready') == 'True',
                     f'{node.name} to be Ready', 60)

    def stop(self):
        """Ends everything; returns what is left on the host and what was wrong with a process (must be empty)."""
        for node in self.nodes:
            node.stop()
            if (node.home / 'agent').exists():
                node.clean()
        if self.server:
            self.stop_server()
        left = self.leftovers() + self.troubles
        for netns in [self.netns] + [n.netns for n in self.nodes]:
            run('ip', 'netns', 'del', netns, check=False)
        if not left:
            shutil.rmtree(self.folder, ignore_errors=True)
        return left

    def leftovers(self):
        left = []
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                command = pathlib.Path('/proc', pid, 'cmdline').read_text().replace('\0', ' ')
            except OSError:
                continue
            if str(self.folder) in command and int(pid) != os.getpid():
                left.append(f'process {pid}: {command}')
        left += [f'mount {line.split()[4]}' for line in open('/proc/self/mountinfo') if str(self.folder) in line]
        for root, folders, _ in os.walk('/sys/fs/cgroup'):
            left += [f'cgroup {root}/{name}' for name in folders if name.startswith(self.id)]
            if root.count('/') > 5:
                folders.clear()
        for node in self.nodes:
            links = json.loads(run('ip', '-j', '-n', node.netns, 'link').stdout)
            left += [f'{node.name}: device {link["ifname"]}' for link in links if link['ifname'] not in ('lo', 'eth0')]
            rules = run('nsenter', f'--net=/run/netns/{node.netns}', 'nft', 'list', 'ruleset', check=False).stdout.strip()
            if rules:
                left.append(f'{node.name}: nft rules\n{rules}')
        return left

    # ---- use ----

    def environment(self):
        return {'PATH': os.environ['PATH'], 'KUBECONFIG': str(self.kubeconfig), 'HOME': str(self.folder),
                'KNARR_HOME': str(self.home), **SANITIZERS}

    def kubectl(self, *arguments, check=True, input=None, timeout=60, env=None):
        return run('nsenter', f'--net=/run/netns/{self.netns}', '--', KUBECTL, *arguments, check=check, input=input,
                   timeout=timeout * PATIENCE, env={**self.environment(), **(env or {})})

    def knarr(self, *arguments, check=True, input=None):
        return run('nsenter', f'--net=/run/netns/{self.netns}', '--', KNARR, *arguments, check=check, input=input,
                   env=self.environment())

    def spawn_kubectl(self, *arguments):
        return subprocess.Popen(['nsenter', f'--net=/run/netns/{self.netns}', '--', KUBECTL, *map(str, arguments)],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.environment())

    def get(self, *arguments):
        """An object as a tree, None when it is not there; a list when no name is given."""
        done = self.kubectl('get', *arguments, '-o', 'json', check=False)
        if done.returncode != 0:
            assert 'NotFound' in done.stderr, done.stderr
            return None
        return json.loads(done.stdout)

    def apply(self, manifest, *arguments):
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        return self.kubectl('apply', '-f', '-', *arguments, input=text)

    def token(self, *arguments):
        return self.knarr('token', 'create', *arguments).stdout.strip()

    def run(self, *command, **kwargs):
        """A command on the server's host."""
        return run('nsenter', f'--net=/run/netns/{self.netns}', '--', *command, **kwargs)

    def curl(self, path, *arguments, user='admin', method=None, data=None):
        """A raw request; returns (code, body). user None = no credentials."""
        command = ['curl', '-sS', '--path-as-is', '--cacert', self.home / 'pki/ca.crt', '-o', '-', '-w', '\n%{http_code}',
                   f'https://127.0.0.1:{PORT}{path}', *arguments]
        if user:
            certificate, key = self.client_files()
            command += ['--cert', certificate, '--key', key]
        if method:
            command += ['-X', method]
        if data is not None:
            command += ['--data-binary', '@-']
        done = subprocess.run(['nsenter', f'--net=/run/netns/{self.netns}', '--'] + [str(c) for c in command],
                              input=data if isinstance(data, (bytes, type(None))) else data.encode(),
                              capture_output=True, check=False, timeout=30 * PATIENCE)
        body, _, code = done.stdout.rpartition(b'\n')
        assert done.returncode == 0, done.stderr.decode()
        return int(code), body

    def client_files(self):
        """The admin's certificate and key as files for curl."""
        certificate, key = self.folder / 'admin.crt', self.folder / 'admin.key'
        if not key.exists():
            view = json.loads(self.kubectl('config', 'view', '--raw', '-o', 'json').stdout)
            user = view['users'][0]['user']
            import base64
            certificate.write_bytes(base64.b64decode(user['client-certificate-data']))
            key.touch(mode=0o600)
            key.write_bytes(base64.b64decode(user['client-key-data']))
        return certificate, key

    def pods(self, selector=None, namespace='default'):
        """The pods that are not on their way out."""
        arguments = ['pods', '-n', namespace] + (['-l', selector] if selector else [])
        return [p for p in self.get(*arguments)['items'] if 'deletionTimestamp' not in p['metadata']]

    def processes(self, pods):
        """The containers' processes of these pods on any node, by pod; found by their control groups."""
        found = {}
        for entry in filter(str.isdigit, os.listdir('/proc')):
            try:
                groups = pathlib.Path('/proc', entry, 'cgroup').read_text()
                name = pathlib.Path('/proc', entry, 'comm').read_text().strip()
            except OSError:
                continue
            for p in pods:
                if p['metadata']['uid'] in groups and self.id in groups and name not in ('conmon', 'runc'):
                    found.setdefault(p['metadata']['name'], []).append(int(entry))
        return found

    def events(self, name, reason=None):
        items = self.get('events', '--field-selector', f'involvedObject.name={name}')['items']
        return [e for e in items if not reason or e['reason'] == reason]

    def describe_failure(self):
        """What a person would look at first; printed when a test fails."""
        parts = [f'== {p.name}\n{p.read_text(errors="replace")[-6000:]}' for p in sorted(self.folder.glob('*.log'))]
        if self.server and self.server.alive():
            for what in ('pods -A -o wide', 'events -A', 'nodes'):
                parts.append(self.kubectl('get', *what.split(), check=False).stdout)
        return '\n'.join(parts)


def condition(obj, kind):
    """The status of a condition, or None."""
    for c in obj.get('status', {}).get('conditions', []):
        if c['type'] == kind:
            return c['status']
    return None


def deployment(name, replicas=1, image='localhost/knarr/hello:v1', command=None, **spec):
    container = {'name': 'web', 'image': image}
    if command:
        container['command'] = command
    template = {'terminationGracePeriodSeconds': 1, 'containers': [container]}
    return {'apiVersion': 'apps/v1', 'kind': 'Deployment', 'metadata': {'name': name},
            'spec': {'replicas': replicas, 'selector': {'matchLabels': {'app': name}},
                     'template': {'metadata': {'labels': {'app': name}}, 'spec': template}, **spec}}


def pod(name, command, restart='Never', image='localhost/knarr/hello:v1', **spec):
    return {'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': name},
            'spec': {'restartPolicy': restart, 'terminationGracePeriodSeconds': 1,
                     'containers': [{'name': 'main', 'image': image, 'command': command}], **spec}}
