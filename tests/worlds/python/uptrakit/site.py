"""What the operators' scripts do: `site.py FRONT ACT WORDS...`, called by `site/put-key`, `site/shred-key`, `site/restart`,
`site/log-since`, `site/all-run-v3` and `site/members`. Each says first what it is about to do, so that a test can make something happen then."""

import hashlib
import json
import os
import sys
import urllib.error
import urllib.request


def say(path, body=b""):
    urllib.request.urlopen(f"{FRONT}/{path}", data=body, timeout=60).read()


def key_file(member, version):
    return f"hosts/{member}/{version}.key"


def put_key(member, version):
    text = sys.stdin.read().strip()
    # A hand that slips on one host: it writes another key, and prints what it holds now.
    if os.path.exists(f"hosts/{member}/wrong"):
        text = "ab" * 32
    place = key_file(member, version)
    with open(os.open(place + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(place + ".new", place)
    with open(place) as file:
        print(hashlib.sha256(bytes.fromhex(file.read().strip())).hexdigest())


def shred_key(member, version):
    place = key_file(member, version)
    if os.path.exists(place):
        with open(place, "r+b") as file:
            file.write(os.urandom(65))
            file.flush()
            os.fsync(file.fileno())
        os.unlink(place)


def restart(member):
    say(f"{member}/restart")


def log_since(member, since):
    # The hour is told in whole seconds.
    with open(f"logs/{member}.log") as file:
        print("".join(line for line in file if line[:19] >= since[:19]), end="")


def all_run_v3(*members):
    for member in members or ["ctl-1", "ctl-2", "scheduler"]:
        try:
            with urllib.request.urlopen(f"{FRONT}/{member}/health", timeout=10) as answer:
                formats = json.load(answer)["formats"]
        except urllib.error.HTTPError:
            # One that is down is judged by the program that lies on its host.
            with open(f"{HERE}/member.py") as program:
                formats = ["v3"] if "ENC:v3:" in program.read() else []
        if "v3" not in formats:
            sys.exit(f"{member} does not know ENC:v3")


def members():
    print("ctl-1\nctl-2")


HERE = os.path.dirname(os.path.abspath(__file__))
FRONT, act, *words = sys.argv[1:]
say("event", " ".join([act, *words[: 2 if act != "log-since" else 1]]).encode())
{"put-key": put_key, "shred-key": shred_key, "restart": restart, "log-since": log_since, "all-run-v3": all_run_v3, "members": members}[act](*words)
