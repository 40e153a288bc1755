"""A controller, a scheduler or an SSH agent: `member.py ROLE NAME CONFIG PORT`. It reads its configuration, its key and every data
key when it starts, holds them in memory, seals and opens credentials all the time, makes a data key now and then, and serves
`/health`. Every failure to read is logged as `cannot read`."""

import json
import os
import sqlite3
import sys
import threading
import time
import tomllib
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg
import vault
from vault import ConfigurationError

EXIT_CONFIGURATION = 78


class Member:
    def __init__(self, role, name, config):
        self.role, self.name, self.config = role, name, config
        self.master, self.ring, self.active = None, None, None
        self.read, self.wrote, self.bare, self.turn = 0, 0, 0, 0
        self.lock = threading.Lock()
        self.started_at, self.beat = vault.now(), 0

    def log(self, level, text):
        print(f"{vault.now()} {level} {text}", flush=True)

    def take_master(self):
        """From its own file; a scheduler gets the key of whatever controller answers, once for the life of its process."""
        if self.role != "scheduler":
            return vault.read_master_key(self.config["master_key"]["path"])
        for _ in range(100):
            for address in self.config["controllers"]:
                try:
                    with urllib.request.urlopen(address, timeout=5) as answer:
                        return bytes.fromhex(json.load(answer)["master_key"])
                except OSError:
                    continue
            time.sleep(0.1)
        raise ConfigurationError("no controller hands out credentials")

    def start(self):
        self.master = self.take_master()
        self.log("INFO", "master encryption key initialized")
        self.database = vault.Database(self.config["database"])
        try:
            self.ring = vault.open_ring(self.database, self.master)
        except ConfigurationError as error:
            # A controller refuses to serve; the others run on, and that is what makes them dangerous.
            if self.role == "controller":
                raise
            self.log("ERROR", f"{error}; running without a data key ring")
            return
        rows = self.database.ask("SELECT key_id FROM data_encryption_keys WHERE status = 'active' ORDER BY created_at DESC LIMIT 1")
        self.active = rows[0][0] if rows else self.mint()
        self.log("INFO", f"data key ring initialized active_key_id={self.active} count={len(self.ring)}")

    def mint(self):
        """A new data key, wrapped by the one master key that this process holds."""
        dek = os.urandom(32)
        name = self.database.add_key(self.master, dek)
        self.ring[name], self.active = dek, name
        self.log("INFO", f"data key made key_id={name} kek={vault.fingerprint(self.master)}")
        return name

    def seal(self, text):
        if self.ring is None:
            self.bare += 1
            self.log("ERROR", "sealed directly under the master key")
            return "ENC:v2:" + vault.seal(self.master, text.encode(), b"uptrakit:credential")
        return f"ENC:v3:{self.active}:" + vault.seal(self.ring[self.active], text.encode(), b"uptrakit:credential")

    def look(self, host, sealed):
        """One credential, where its data key was there when this process started or is its own."""
        if self.ring is None:
            return
        kind, name, body = sealed.split(":", 3)[1:4] if sealed.startswith("ENC:v3:") else ("v2", None, sealed[7:])
        if kind == "v3" and name not in self.ring:
            return
        key = self.ring[name] if kind == "v3" else self.master
        if vault.open_sealed(key, body, b"uptrakit:credential") != f"secret of {host}".encode():
            self.log("ERROR", f"cannot read {host} under {kind}:{name}")
        self.read += 1

    def live(self):
        self.turn += 1
        self.beat += 1
        host = f"{self.name}-{os.getpid()}-{self.turn % 40}"
        if self.role != "scheduler":
            write = "INSERT INTO credentials VALUES (?, ?, ?) ON CONFLICT (host) DO UPDATE SET secret = excluded.secret"
            self.database.ask(write, host, self.seal(f"secret of {host}"), self.name)
            self.wrote += 1
        for host, sealed in self.database.ask("SELECT host, secret FROM credentials ORDER BY random() LIMIT 20"):
            self.look(host, sealed)
        mints = self.config.get("mints_every", 0)
        if mints and self.ring is not None and self.turn % mints == 0 and self.role != "scheduler":
            self.mint()

    def health(self):
        ring = "ready" if self.ring is not None else "none"
        return {"ring": ring, "sealed_directly": self.bare, "formats": ["v2", "v3"], "read": self.read, "wrote": self.wrote}

    def proof(self):
        return {"member": self.name, "knows": [vault.fingerprint(self.master)], "started_at": self.started_at, "beat": self.beat}


def handler(member):
    class Handler(BaseHTTPRequestHandler):
        def answer(self, status, body):
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self):
            if self.path == "/health":
                health = member.health()
                self.answer(200 if health["ring"] == "ready" else 503, health)
            elif self.path == "/proof":
                self.answer(200, member.proof())
            elif self.path == "/service-credentials" and member.role == "controller":
                self.answer(200, {"master_key": member.master.hex()})
            else:
                self.answer(404, {})

        def do_POST(self):
            with member.lock:
                self.answer(200, {"key_id": member.mint()})

        def log_message(self, *_):
            pass

    return Handler


def main():
    role, name, config, port = sys.argv[1:5]
    with open(config, "rb") as file:
        member = Member(role, name, tomllib.load(file))
    # A database that is busy at this moment is tried again, as an init system would have it.
    for attempt in range(20):
        try:
            member.start()
            break
        except ConfigurationError as error:
            member.log("ERROR", f"configuration error: {error}")
            sys.exit(EXIT_CONFIGURATION)
        except (sqlite3.OperationalError, psycopg.OperationalError) as error:
            member.log("ERROR", f"cannot start yet: {error}")
            time.sleep(0.2)
    else:
        sys.exit(1)
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), handler(member))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # It ends with the machine that it runs on.
    machine = os.getppid()
    while os.getppid() == machine:
        try:
            with member.lock:
                member.live()
        except Exception as error:  # A database that is away is no reason to end, and every one is told.
            member.log("ERROR", f"cannot work: {type(error).__name__}: {error}")
            try:
                member.database = vault.Database(member.config["database"])
            except Exception:
                pass
        time.sleep(0.05)
    os._exit(0)


if __name__ == "__main__":
    main()
