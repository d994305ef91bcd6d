# SPDX-License-Identifier: Apache-2.0
"""A kubectl of any version, told what to do as one types it, and what it must say."""
import json
import pathlib
import re
import shlex

from cluster import KUBECTL, PATIENCE, run


class Kubectl:
    """In one namespace, which it makes. Files are named relative to a folder of its own."""

    def __init__(self, cluster, namespace, program=KUBECTL):
        self.cluster = cluster
        self.namespace = namespace
        self.program = program
        self.folder = cluster.folder / f'kubectl-{namespace}'
        self.folder.mkdir()
        self.environment = {**cluster.environment(), 'HOME': str(self.folder)}
        self(f'create namespace {namespace}', 'created')

    def __call__(self, line, expected='', code=0, input=None, timeout=60, **env):
        """Runs a command line, checks its exit code and that what it said on either output has a match for the regular
        expression. Returns what it said on its standard output."""
        done = run('nsenter', f'--net=/run/netns/{self.cluster.netns}', '--', self.program, '-n', self.namespace,
                   *shlex.split(line), check=False, input=input, timeout=timeout * PATIENCE, cwd=self.folder,
                   env={**self.environment, **env})
        said = f'{done.stdout}{done.stderr}'
        assert done.returncode == code, f'kubectl {line} -> {done.returncode}\n{said}'
        assert re.search(expected, said, re.M), f'kubectl {line} did not say {expected!r} but\n{said}'
        return done.stdout

    def file(self, name, content):
        """Writes a file into its folder: text, or objects as a stream of JSON documents."""
        text = content if isinstance(content, (str, bytes)) else '\n---\n'.join(json.dumps(o) for o in content)
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        (place.write_bytes if isinstance(text, bytes) else place.write_text)(text)
        return place

    def get(self, what):
        """An object as a tree, None when it is not there."""
        said = self(f'get {what} -o json --ignore-not-found')
        return json.loads(said) if said else None

    def names(self, what):
        """What `get -o name` shows, without the resource."""
        return [line.partition('/')[2] for line in self(f'get {what} -o name').split()]

    def says(self, *steps):
        """Several steps: each a command line, or that with what is expected, or with the exit code too."""
        for step in steps:
            self(step) if isinstance(step, str) else self(*step)


def config_map(name, labels=None, **data):
    return {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': name, **({'labels': labels} if labels else {})}, 'data': data}


def certificate(folder, name):
    """A key and a certificate for it, or with .csr a request; returns the file's path."""
    place = pathlib.Path(folder) / name
    how = ['-new'] if name.endswith('.csr') else ['-x509', '-days', '2']
    run('openssl', 'req', *how, '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout',
        place.with_suffix('.key'), '-out', place, '-subj', '/CN=anna')
    return place
