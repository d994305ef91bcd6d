#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare a server with recorded answers of a real kube-apiserver.

golden.py FOLDER SERVER ADMIN JOE [--topic 02] [--show unexplained|newer|setup|purpose|later|code|all|none] [--rules]

FOLDER has the recording: one JSON file a topic, a list of {"name", "request", "response"} in the order they were sent, and
replayable.json with the indices of the cases that are judged; it is somebody else's and no part of the project. SERVER is
running and empty; ADMIN and JOE are tokens of a member of system:masters and of a plain user in group dev.

The recording is older than what we are like, so golden.toml says which differences are right, and why. A case is

  same         every field is the recorded one, apart from what only a server can know
  newer        the differences are changes of Kubernetes since the recording
  setup        the cluster that was recorded was set up in another way (addresses, controllers, its pace)
  purpose      some are ours on purpose (docs/differences.md)
  later        some are things that are not built
  unexplained  at least one difference has no rule

Old API versions that are served under a later name are asked for under that name, and the answer is read back.
Two shares come out at the end, of the cases that the present version still answers as recorded (neither newer nor setup):
same code, same body.
--rules prints how many differences each rule explained: one with none has had its day. Exit status 1 if any is unexplained."""
import argparse
import collections
import glob
import http.client
import json
import os
import re
import ssl
import sys
import tomllib
from urllib.parse import urlsplit

UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
TIME = re.compile(r"\b20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
DROPPED = {"managedFields", "selfLink"}
SET = {"UID", "TIME", "RV", "CLUSTERIP", "NODEPORT", "RANDOM", "CONTINUE"}
WHYS = ("newer", "setup", "purpose", "later")


class Rules:
    """golden.toml. A rule has `why` and either `differs`, a pattern of a line of difference, or `was` and `now`: a text that is
    the same once that is replaced (in both texts, if `both` is set) is explained. `topic` and `case` say where it holds."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = tomllib.load(file)
        self.versions = data["versions"]
        self.rules = data["rule"]
        self.used = collections.Counter()
        for number, rule in enumerate(self.rules):
            if rule["why"] not in WHYS or ("differs" in rule) == ("was" in rule):
                sys.exit(f"golden.toml: rule {number + 1} is not one")
            for key in ("differs", "was", "case"):
                if key in rule:
                    rule[key] = re.compile(rule[key], re.S)

    def of(self, topic, case, key):
        for number, rule in enumerate(self.rules):
            if key in rule and topic.startswith(rule.get("topic", "")) and ("case" not in rule or rule["case"].search(case)):
                yield number, rule

    def text(self, topic, case, want, have):
        """The reasons for which have is what is said today where want was, or None."""
        used = []
        for number, rule in self.of(topic, case, "was"):
            changed = rule["was"].sub(rule["now"], want)
            other = rule["was"].sub(rule["now"], have) if rule.get("both") else have
            if (changed, other) != (want, have):
                used.append(number)
            want, have = changed, other
        if want != have:
            return None
        self.used.update(used)
        return {self.rules[n]["why"] for n in used}

    def line(self, topic, case, line):
        for number, rule in self.of(topic, case, "differs"):
            if rule["differs"].search(line):
                self.used[number] += 1
                return {rule["why"]}
        return None


class Comparison:
    """One answer with the recorded one: lines of what differs without a reason, and the reasons of the rest."""

    def __init__(self, rules, topic, case):
        self.rules, self.topic, self.case = rules, topic, case
        self.whys, self.lines, self.explained = set(), [], []

    def note(self, line, whys=None):
        whys = whys or self.rules.line(self.topic, self.case, line)
        (self.lines if not whys else self.explained).append(line)
        self.whys |= whys or set()

    def values(self, want, have, at=""):
        if isinstance(want, str) and (want in SET or any(word in want for word in ("GENERATED", "UID", "TIME"))):
            if have in (None, "", [], {}):
                self.note(f"{at}: missing, recorded something")
        elif isinstance(want, dict) and isinstance(have, dict):
            self.objects(want, have, at)
        elif isinstance(want, list) and isinstance(have, list):
            self.lists(want, have, at)
        else:
            if isinstance(have, str):
                have = TIME.sub("TIME", UUID.sub("UID", have))
            if want != have:
                texts = isinstance(want, str) and isinstance(have, str)
                whys = self.rules.text(self.topic, self.case, want, have) if texts else None
                self.note(f"{at}: {json.dumps(have)}, recorded {json.dumps(want)}", whys)

    def objects(self, want, have, at):
        want, have = invalid_apart(want), invalid_apart(have)
        for key in sorted(set(want) | set(have)):
            if key in DROPPED and not self.topic.startswith("05"):
                continue
            if key not in have:
                self.note(f"{at}.{key}: missing, recorded {json.dumps(want[key])}")
            elif key not in want:
                self.note(f"{at}.{key}: not recorded, is {json.dumps(have[key])}")
            else:
                self.values(want[key], have[key], f"{at}.{key}")

    def lists(self, want, have, at):
        if at.endswith(".causes"):
            ordered = lambda causes: sorted(causes, key=lambda c: (c.get("field", ""), c.get("reason", ""), c.get("message", "")))
            if want != ordered(want) or have != ordered(have):
                before = [c.get("field") for c in want], [c.get("field") for c in have]
                want, have = ordered(want), ordered(have)
                if before[0] != before[1] and sorted(map(str, before[0])) == sorted(map(str, before[1])):
                    self.note(f"{at}: another order")
        if len(want) != len(have):
            told = [x for x in have if x not in want], [x for x in want if x not in have]
            self.note(f"{at}: {len(have)} items, recorded {len(want)}; new {json.dumps(told[0])}, not there {json.dumps(told[1])}")
            return
        for number, (one, other) in enumerate(zip(want, have)):
            self.values(one, other, f"{at}[{number}]")

    def verdict(self):
        if self.lines:
            return "unexplained"
        for why in ("later", "newer", "setup", "purpose"):
            if why in self.whys:
                return why
        return "same"


def invalid_apart(value):
    """A Status whose causes say all that its message says, with only the first part of the message: it is not told twice."""
    causes = (value.get("details") or {}).get("causes") if value.get("reason") == "Invalid" else None
    if not causes:
        return value
    message = value.get("message", "")
    if all(f"{cause.get('field', '')}: {cause['message']}" in message for cause in causes):
        return {**value, "message": message.split(" is invalid: ")[0] + " is invalid"}
    return value


def without_known(value):
    """A request's body without the values that only the server that gave the answer could know."""
    if isinstance(value, dict):
        return {k: without_known(v) for k, v in value.items() if v not in ("UID", "TIME", "RV") and k != "managedFields"}
    return [without_known(x) for x in value] if isinstance(value, list) else value


def message_of(body):
    return body.get("message", "") if isinstance(body, dict) else body


class Server:
    def __init__(self, address, tokens, versions):
        self.url, self.tokens, self.versions = urlsplit(address), tokens, versions
        self.tls = ssl._create_unverified_context()

    def renamed(self, text, path, back=False):
        """Text with the group versions that path is in as they are called today, or back."""
        for old, new in self.versions.items():
            resource = old.split("/")
            if f"/apis/{resource[0]}/{resource[1]}/" in path and re.search(rf"/{resource[2]}\b", path):
                was, now = f"{resource[0]}/{resource[1]}", f"{resource[0]}/{new}"
                return text.replace(now, was) if back else text.replace(was, now)
        return text

    def ask(self, request):
        path = request["path"]
        head = {"Accept": request.get("accept", "application/json"), "User-Agent": "golden/1.0"}
        user = request.get("user", "admin")
        token = self.tokens.get(user, user.removeprefix("bearer "))
        if token:
            head["Authorization"] = "Bearer " + token
        body = without_known(request.get("body"))
        if body is not None:
            body = self.renamed(body if isinstance(body, str) else json.dumps(body), path).encode()
            head["Content-Type"] = request.get("content_type", "application/json")
        link = http.client.HTTPSConnection(self.url.hostname, self.url.port, context=self.tls, timeout=20)
        try:
            link.request(request["method"], self.renamed(path, path), body, head)
            answer = link.getresponse()
            text = self.renamed(answer.read().decode("utf-8", "replace"), path, back=True)
        except OSError as error:
            return 0, str(error)
        finally:
            link.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text


def run_topic(server, rules, topic, cases, judged, show):
    count = collections.Counter()
    spaces = {m.group(1) for c in cases if (m := re.search(r"/namespaces/(g-[a-z0-9-]+)/", c["request"]["path"]))}
    for name in sorted(spaces):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        server.ask({"method": "POST", "path": "/api/v1/namespaces", "body": body})
    for number, case in enumerate(cases):
        request, recorded = case["request"], case["response"]
        if any(word in request["path"] for word in ("RV", "CONTINUE", "UID")) or "watch=" in request["path"]:
            continue
        code, body = server.ask(request)
        if number not in judged:
            continue
        compared = Comparison(rules, topic, case["name"])
        if code == recorded["code"]:
            count["code same"] += 1
            compared.values(recorded["body"], body)
        else:
            compared.note(f"code {code} ({message_of(body)}), recorded {recorded['code']} ({message_of(recorded['body'])})")
            count["code " + compared.verdict()] += 1
        verdict = compared.verdict()
        count["judged"] += 1
        count[verdict] += 1
        if verdict == show or show == "all" or (show == "code" and code != recorded["code"]):
            print(f"- {topic[:2]} {case['name']}: {request['method']} {request['path']}: {verdict}")
            for line in compared.lines + (compared.explained if show != "unexplained" else []):
                print("    " + line[:600])
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("folder", "server", "admin", "joe"):
        parser.add_argument(name)
    parser.add_argument("--topic", default="")
    parser.add_argument("--show", default="unexplained")
    parser.add_argument("--rules", action="store_true")
    options = parser.parse_args()
    rules = Rules(os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden.toml"))
    server = Server(options.server, {"admin": options.admin, "joe": options.joe, "anonymous": None}, rules.versions)
    with open(os.path.join(options.folder, "replayable.json"), encoding="utf-8") as file:
        judged = json.load(file)
    columns = ("judged", "code same", "code newer", "code setup", "same", *WHYS, "unexplained")
    rows, total = [], collections.Counter()
    for path in sorted(glob.glob(os.path.join(options.folder, (options.topic or "[0-9]") + "*-*.json"))):
        topic = os.path.basename(path)
        with open(path, encoding="utf-8") as file:
            count = run_topic(server, rules, topic, json.load(file), set(judged.get(topic, [])), options.show)
        rows.append((topic.removesuffix(".json"), count))
        total += count
    print("| topic | " + " | ".join(columns) + " |\n|---" + "|--:" * len(columns) + "|")
    for name, count in rows + [("**all**", total)]:
        print(f"| {name} | " + " | ".join(str(count[c]) for c in columns) + " |")
    for what, front in (("code same", "code "), ("same", "")):
        of = total["judged"] - total[front + "newer"] - total[front + "setup"]
        print(f"{what}: {total[what]} of {of} = {100 * total[what] / max(of, 1):.1f} %")
    if options.rules:
        for number, rule in enumerate(rules.rules):
            text = rule["differs" if "differs" in rule else "was"].pattern
            print(f"{rules.used[number]:5} {rule['why']:8} {rule.get('topic', ''):3} {text[:100]}")
    return 1 if total["unexplained"] else 0


if __name__ == "__main__":
    sys.exit(main())
