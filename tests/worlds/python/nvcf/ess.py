"""A pod of ESS: reads the key set every so often, and seals with the newest key that it has known for longer than its fuse.
It keeps writing and reading, and says every failure. `ess.py NAME EVERY FUSE SHOP PODS`"""
import datetime
import json
import os
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import keys
from shop import Shop

name, every, fuse, shop, pods = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), Shop(sys.argv[4]), sys.argv[5]
stuck = os.path.exists(f"{pods}/{name}.stuck")
started = datetime.datetime.now(datetime.timezone.utc).isoformat()
lock = threading.Lock()
order, known, seen = [], {}, {}
errors, wrote = [], {}


def say(what):
    print(f"{datetime.datetime.now(datetime.timezone.utc).isoformat()} {name} {what}", flush=True)


def fail(what):
    errors.append((datetime.datetime.now(datetime.timezone.utc).isoformat(), str(what)))
    say(f"FAIL {what}")


def refresh(first=False):
    global order, known
    document, version = keys.document(server)
    kids, fresh = keys.ess_keys(document)
    with lock:
        for kid in kids:
            # What was there before the newest when we began has been known for long; the newest counts from now.
            old = first and (len(kids) == 1 or kid != kids[0])
            seen.setdefault(kid, float("-inf") if old else time.monotonic())
        if kids != order:
            say(f"knows {kids} (document {version})")
        order, known = kids, fresh


def writes():
    with lock:
        now = time.monotonic()
        ready = [kid for kid in order if now - seen[kid] > fuse]
        return ready[0] if ready else order[-1], dict(known)


def refresher():
    while True:
        time.sleep(every * random.uniform(0.8, 1.0))
        if stuck:
            continue
        try:
            refresh()
        except keys.Refused as error:
            fail(f"refused the key set: {error}")
        except Exception as error:
            # The server may be away for a moment; the keys in memory stay.
            say(f"could not refresh: {type(error).__name__}")


def check(secret, sealed):
    _, all_keys = writes()
    try:
        if keys.open_(all_keys, sealed) != keys.plain(secret):
            fail(f"{secret} holds another text")
    except keys.Refused as error:
        fail(f"{secret}: {error}")


def put(secret):
    kid, all_keys = writes()
    if wrote.get("kid") != kid:
        say(f"WRITES {kid}")
    wrote["kid"] = kid
    shop.put(secret, "ess", keys.seal(all_keys[kid], kid, keys.plain(secret)))


def worker():
    count = 0
    while True:
        count += 1
        put(f"{name}-{started}-{count}")
        for secret, sealed in shop.some("ess"):
            check(secret, sealed)
        time.sleep(0.05)


class Api(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        if self.path == "/state":
            with lock:
                kids = list(order)
            now = datetime.datetime.now(datetime.timezone.utc).isoformat()
            self.answer(200, {"member": name, "kids": kids, "writes": writes()[0], "started_at": started, "seen_at": now})
        elif self.path == "/errors":
            self.answer(200, errors)
        else:
            sealed = shop.get(self.path.rsplit("/", 1)[1])
            try:
                self.answer(200, {"text": keys.open_(writes()[1], sealed)})
            except keys.Refused as error:
                fail(error)
                self.answer(500, {"error": str(error)})

    def do_POST(self):
        global stuck
        if self.path == "/restart":
            self.answer(200, {})
            if os.path.exists(f"{pods}/{name}.stuck"):
                os.remove(f"{pods}/{name}.stuck")
            say("restarts")
            os.execv(sys.executable, [sys.executable] + sys.argv)
        elif self.path == "/stuck":
            stuck = True
            open(f"{pods}/{name}.stuck", "w").close()
            say("cannot refresh any more")
            self.answer(200, {})
        else:
            put(self.path.rsplit("/", 1)[1])
            self.answer(200, {})


server = keys.client()
refresh(first=True)
api = ThreadingHTTPServer(("127.0.0.1", 0), Api)
for one in (refresher, worker, api.serve_forever):
    threading.Thread(target=one, daemon=True).start()
with open(f"{pods}/{name}.new", "w") as file:
    json.dump({"port": api.server_port, "started_at": started}, file)
os.replace(f"{pods}/{name}.new", f"{pods}/{name}.json")
say("ready")
while True:
    time.sleep(3600)
