"""The machines: starts, stops and restarts the members as an init system does, and forwards `/NAME/health` to the member's own
port. `hosts.py PORT SITE.json`. `POST /NAME/restart|stop|start|kill|mint|spoil|mend`; `POST /hook` makes something happen once when the
site says that something else is about to: `{"on": "restart ctl-1", "do": ["restart ctl-2"]}`."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = os.path.dirname(os.path.abspath(__file__))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Host:
    def __init__(self, name, role, config):
        self.name, self.role, self.config, self.port, self.process = name, role, config, free_port(), None

    def up(self):
        return self.process is not None and self.process.poll() is None

    def start(self):
        if self.up():
            return
        self.port = free_port()
        log = open(f"logs/{self.name}.log", "a")
        words = [sys.executable, f"{HERE}/member.py", self.role, self.name, self.config, str(self.port)]
        self.process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def end(self, sign):
        if self.up():
            self.process.send_signal(sign)
            self.process.wait()

    def wait(self, seconds=20):
        """Until it serves or has ended."""
        until = time.time() + seconds
        while self.up() and time.time() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)

    def act(self, act):
        if act in ("stop", "restart"):
            self.end(signal.SIGTERM)
        if act == "kill":
            self.end(signal.SIGKILL)
        if act in ("start", "restart"):
            self.start()
        # Somebody's hand on the host: the new key file is open to others, which keeps whoever reads it from starting.
        if act in ("spoil", "mend"):
            os.chmod(f"hosts/{self.name}/v2.key", 0o644 if act == "spoil" else 0o600)
        if act == "settle":
            self.wait()
        if act == "mint":
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/mint", data=b"", timeout=30).read()


class Site:
    def __init__(self, path):
        with open(path) as file:
            self.hosts = {name: Host(name, *about) for name, about in json.load(file).items()}
        self.hooks, self.happened, self.lock = [], [], threading.RLock()

    def about_to(self, event):
        """What was hooked to this happens first, once."""
        self.happened.append(event)
        for hook in [hook for hook in self.hooks if hook["on"] == event]:
            if not hook.get("always"):
                self.hooks.remove(hook)
            for what in hook["do"]:
                self.do(what)

    def do(self, what):
        act, name = what.split(" ", 1)
        if act == "die":
            os.kill(int(name), signal.SIGKILL)
        else:
            self.hosts[name].act(act)


def handler(site):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def answer(self, status, text):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self):
            if self.path == "/happened":
                return self.answer(200, json.dumps(site.happened).encode())
            _, name, path = self.path.split("/", 2)
            host = site.hosts[name]
            if path == "up":
                return self.answer(200 if host.up() else 503, b"")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{host.port}/{path}", timeout=10) as answer:
                    self.answer(answer.status, answer.read())
            except urllib.error.HTTPError as error:
                self.answer(error.code, error.read())
            except OSError:
                self.answer(502, b"nobody listens")

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            with site.lock:
                if self.path == "/hook":
                    site.hooks.append(json.loads(body))
                elif self.path == "/event":
                    site.about_to(body.decode())
                else:
                    _, name, act = self.path.split("/")
                    site.hosts[name].act(act)
            self.answer(200, b"")

        def log_message(self, *_):
            pass

    return Handler


def main():
    site = Site(sys.argv[2])
    for host in site.hosts.values():
        host.start()
        if host.role == "controller":
            host.wait()
    print("serving", flush=True)
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler(site)).serve_forever()


if __name__ == "__main__":
    main()
