# SPDX-License-Identifier: Apache-2.0
"""Who takes too much keeps nobody else out."""
import subprocess
import sys
import time

from cluster import PORT, PATIENCE

# Opens connections from one address and says nothing on them; prints how many of them the server kept.
GREEDY = '''
import resource, select, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
kept, poll = [], select.poll()
for _ in range(2000):
    s = socket.socket()
    s.bind(('127.0.0.9', 0))
    s.connect(('127.0.0.1', PORT))
    kept.append(s)
    poll.register(s, select.POLLIN | select.POLLRDHUP)
closed = set()
while True:
    now = {fd for fd, _ in poll.poll(300)} - closed
    if not now:
        break
    closed |= now
    for fd in now:
        poll.unregister(fd)
print(len(kept) - len(closed), flush=True)
sys.stdin.read()
'''


def test_one_address_cannot_keep_the_others_out(server):
    greedy = subprocess.Popen(['nsenter', f'--net=/run/netns/{server.netns}', '--', sys.executable, '-c',
                               GREEDY.replace('PORT', str(PORT))],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        kept = int(greedy.stdout.readline())
        assert 0 < kept <= 1024
        begin = time.monotonic()
        assert server.curl('/readyz', '--interface', '127.0.0.1', user=None)[0] == 200
        server.kubectl('get', 'namespaces')
        assert time.monotonic() - begin < 5 * PATIENCE
        code, body = server.curl('/metrics')
        assert code == 200 and b'knarr_http_connections_refused_total{reason="too many of its address' in body
    finally:
        greedy.stdin.close()
        greedy.wait(10)
    server.curl('/readyz', '--interface', '127.0.0.9', user=None)  # its places are free again
