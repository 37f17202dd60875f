"""What the integrations share: a temporary directory, servers that end with the script, and calls to yaoku.

Only the standard library, so that Debian's python3 is enough.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timezone

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECONDS = 300
"""How long an integration may take."""

ACCESS_KEY, SECRET = "integration-root", "integration-secret-0123456789"


class Failed(Exception):
    """Something is not as it should be; the message says what."""


def check(condition, what):
    """Fails unless the condition holds."""
    if not condition:
        raise Failed(what)
    print(f"ok   {what}", flush=True)


def need(programs):
    """Ends the script where programs are missing: skips it, or fails in CI. `programs` maps them, or files, to Debian's packages.
    With `--missing` on the command line, it only lists the packages."""
    missing = sorted({package for program, package in programs.items() if not (shutil.which(program) or os.path.exists(program))})
    if sys.argv[1:] == ["--missing"]:
        print(*missing)
        sys.exit(0)
    if missing:
        name = os.path.basename(os.path.dirname(os.path.abspath(sys.argv[0])))
        print(f"skipped: the integration of {name}: install Debian's packages {' '.join(missing)}", flush=True)
        sys.exit(1 if os.environ.get("CI") else 0)


def guide(name, language):
    """The first block in a language of a guide in docs/integrations. Its translation must have the same one."""
    blocks = []
    for page in (f"{name}.md", f"{name}.zh-CN.md"):
        with open(os.path.join(ROOT, "docs", "integrations", page)) as file:
            found = re.search(rf"^( *)```{language}\n(.*?)^ *```$", file.read(), re.M | re.S)
        if not found:
            raise Failed(f"docs/integrations/{page} has no {language}")
        blocks.append(re.sub(rf"^{found[1]}", "", found[2], flags=re.M))
    if blocks[0] != blocks[1]:
        raise Failed(f"docs/integrations/{name}.md and its translation do not have the same {language}")
    return blocks[0]


class Lab:
    """A temporary directory and the servers that run in it. Both are gone at the end of a `with`."""

    def __enter__(self):
        # Building takes its time, and is not what is tested here.
        self.yaoku = os.environ.get("YAOKU") or built()
        self.dir = tempfile.mkdtemp(prefix="yaoku-integration-")
        self.running = {}
        self.logs = {}
        # A stuck server must not keep the script: the time limit and a signal from outside end it in the same way.
        signal.signal(signal.SIGALRM, self._told_to_end)
        signal.signal(signal.SIGTERM, self._told_to_end)
        signal.alarm(SECONDS)
        return self

    def _told_to_end(self, number, _):
        raise Failed(f"took longer than {SECONDS} seconds" if number == signal.SIGALRM else "told to end")

    def __exit__(self, kind, value, _):
        signal.alarm(0)
        for name in reversed(list(self.running)):
            with contextlib.suppress(Exception):
                self.stop(name, 5)
        if kind is not None:
            for name, path in self.logs.items():
                self._tail(name, path)
        shutil.rmtree(self.dir, ignore_errors=True)
        if kind is Failed:
            print(f"FAIL {value}", flush=True)
            sys.exit(1)
        return False

    @staticmethod
    def _tail(name, path):
        with contextlib.suppress(OSError), open(path, "rb") as log:
            lines = log.read().decode(errors="replace").splitlines()[-40:]
            print(f"-- the end of what {name} said:", *lines, sep="\n", flush=True)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text, mode=0o644):
        with open(os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
            file.write(text)
        return self.path(name)

    def run(self, *command, **more):
        """Runs a command to its end; what it printed. Fails if the command does."""
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, **more)
        if done.returncode:
            raise Failed(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def start(self, name, *command, log=None, env=None):
        """Starts a server under a name."""
        self.logs[name] = self.path(f"{name}.out")
        with open(self.logs[name], "ab") as out:
            # A group of its own: an interrupt at the terminal is this script's to pass on, in order.
            self.running[name] = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True, env=env
            )
        if log:
            self.logs[name] = log

    def stop(self, name, seconds=60):
        """Tells a server to end, and waits until it has."""
        process = self.running.pop(name)
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failed(f"{name} does not end") from None

    def alive(self, name):
        return name in self.running and self.running[name].poll() is None

    def wait(self, what, condition, server=None, seconds=60):
        """Waits until a condition gives something true, which is returned."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            result = condition()
            if result:
                return result
            if server and not self.alive(server):
                raise Failed(f"{server} ended: no {what}")
            time.sleep(0.1)
        raise Failed(f"no {what} within {seconds} seconds")


def free_ports(count):
    """So many ports of the loopback interface that nobody uses at present."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def listening(port):
    """Whether somebody listens on a port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def occurrences(paths, needles):
    """How often each needle occurs in files; holes in them are not read."""
    counts = dict.fromkeys(needles, 0)
    overlap = max(map(len, needles)) - 1
    for path in paths:
        with open(path, "rb") as file:
            end, at, rest = os.fstat(file.fileno()).st_size, 0, b""
            while at < end:
                try:
                    data = os.lseek(file.fileno(), at, os.SEEK_DATA)
                except OSError:
                    break
                rest = rest if data == at else b""
                at = os.lseek(file.fileno(), data, os.SEEK_HOLE)
                file.seek(data)
                while data < at:
                    block = file.read(min(1 << 22, at - data))
                    if not block:
                        break
                    data += len(block)
                    block = rest + block
                    for needle in needles:
                        counts[needle] += block.count(needle) - rest.count(needle)
                    rest = block[-overlap:]
    return counts


class Refused(Exception):
    """An answer that is an error: status and body."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body}")
        self.status, self.body = status, body


def request(method, url, body=None, headers=None):
    """One HTTP request; the answer's JSON."""
    call = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(call, timeout=30) as answer:
            content = answer.read()
    except urllib.error.HTTPError as error:
        raise Refused(error.code, error.read().decode(errors="replace")) from None
    return json.loads(content) if content else None


def built():
    """The binary that the tests of this repository share, which this may build."""
    folder = subprocess.run([os.path.join(ROOT, "tests", "binaries")], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return os.path.join(ROOT, folder, "yaoku")


class Yaoku:
    """A server of yaoku's in a lab, with the Vault API."""

    def __init__(self, lab, *options):
        self.lab, self.binary = lab, lab.yaoku
        self.data = lab.path("yaoku")
        environment = {**os.environ, "YAOKU_ROOT_ACCESS_KEY_SECRET": SECRET}
        lab.start("yaoku", self.binary, "server", "--data-dir", self.data, "--listen", "127.0.0.1:0", "--vault-listen", "127.0.0.1:0",
                  "--root-access-key-id", ACCESS_KEY, *options, env=environment)
        said = lab.wait("yaoku", self._ready, "yaoku")
        self.api = re.search(r"^yaoku ready: (\S+)", said, re.M)[1]
        self.vault = re.search(r"^yaoku serves the Vault API: (\S+)", said, re.M)[1]
        tang = re.search(r"^yaoku serves disks \(Tang\): (\S+)", said, re.M)
        self.tang = tang and tang[1]
        kmip = re.search(r"^yaoku serves KMIP: (\S+)", said, re.M)
        self.kmip = kmip and kmip[1]

    def _ready(self):
        with open(self.lab.logs["yaoku"]) as log:
            said = log.read()
        return said if "yaoku ready" in said else None

    def command(self, *arguments, **more):
        """What `yaoku ARGUMENTS` prints."""
        return self.lab.run(self.binary, *arguments, "--data-dir", self.data, **more)

    def call(self, action, **parameters):
        """An action of the KMS API, by the account's root."""
        parameters = {key: json.dumps(value) if isinstance(value, dict) else str(value) for key, value in parameters.items()}
        parameters |= {
            "Action": action, "Version": "2016-01-20", "Format": "JSON", "AccessKeyId": ACCESS_KEY,
            "SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0", "SignatureNonce": secrets.token_hex(16),
            "Timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        def quote(text):
            return urllib.parse.quote(text, safe="-_.~")
        query = "&".join(f"{quote(key)}={quote(parameters[key])}" for key in sorted(parameters))
        digest = hmac.new(f"{SECRET}&".encode(), f"POST&%2F&{quote(query)}".encode(), hashlib.sha1).digest()
        body = f"{query}&Signature={quote(base64.b64encode(digest).decode())}"
        return request("POST", self.api + "/", body.encode(), {"Content-Type": "application/x-www-form-urlencoded"})

    def create_key(self, alias):
        """A new key's id."""
        key = self.call("CreateKey")["KeyMetadata"]["KeyId"]
        self.call("CreateAlias", KeyId=key, AliasName=f"alias/{alias}")
        return key

    def user(self, name, document):
        """Makes a user with a policy, and a token for it."""
        self.command("ram", "user", "create", name)
        self.command("ram", "policy", "create", f"of-{name}", "--document", self.lab.write(f"{name}.json", document))
        self.command("ram", "policy", "attach", f"of-{name}", "--user", name)
        return self.token(name)

    def token(self, user):
        """A new token of a user's."""
        return self.command("ram", "token", "create", "--user", user).strip()

    def ask(self, token, method, path, body=None):
        """A call of the Vault API."""
        body = None if body is None else json.dumps(body).encode()
        return request(method, f"{self.vault}/v1/{path}", body, {"X-Vault-Token": token})

    def audited(self, **wanted):
        """The records of the audit log in which all these fields are so, oldest first."""
        records = self.command("audit", "query", "--format", "json")
        records = [json.loads(line) for line in records.splitlines() if line.startswith("{")]
        return [record for record in records if all(record.get(key) == value for key, value in wanted.items())]
