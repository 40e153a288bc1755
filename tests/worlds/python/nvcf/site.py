"""What the operators have on their machine: `site.py FOLDER WORD..`, with the address and the token in the environment."""
import datetime
import json
import os
import sys
import time
import urllib.request

folder, word = sys.argv[1], sys.argv[2]
pods = f"{folder}/pods"


def running():
    return sorted(name[: -len(".json")] for name in os.listdir(pods) if name.endswith(".json"))


def ask(pod, path, post=False):
    with open(f"{pods}/{pod}.json") as file:
        port = json.load(file)["port"]
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=b"" if post else None)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def state(pod):
    try:
        return ask(pod, "/state")
    except OSError:
        return None


if word == "pods":
    print("\n".join(running()))
elif word == "other-services":
    print("other-1")
elif word == "ess-known-keys":
    for told in filter(None, map(state, running())):
        print(json.dumps(told))
elif word == "ready":
    silent = [pod for pod in running() if not state(pod)]
    if silent:
        sys.exit(f"not ready: {silent}")
elif word == "restart-ess":
    before = {pod: state(pod) for pod in running()}
    for pod in before:
        ask(pod, "/restart", post=True)
    until = time.time() + 60
    for pod, was in before.items():
        while True:
            now = state(pod)
            if now and (not was or now["started_at"] != was["started_at"]):
                break
            if time.time() > until:
                sys.exit(f"{pod} does not come back")
            time.sleep(0.1)
elif word == "read-current-kid":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import keys

    print(keys.document(keys.client())[0]["current_kid"])
elif word == "ess-errors-since":
    since = datetime.datetime.fromisoformat(sys.argv[3].replace("Z", "+00:00")) if len(sys.argv) > 3 and sys.argv[3] else None
    for pod in running():
        for when, what in ask(pod, "/errors"):
            if not since or datetime.datetime.fromisoformat(when) >= since:
                print(f"{pod} {when} {what}")
elif word == "nvcf-secret-round-trip":
    names = running()
    for pod in names:
        secret = f"round-{pod}-{time.time()}"
        ask(pod, f"/secrets/{secret}", post=True)
        for other in names:
            ask(other, f"/secrets/{secret}")
else:
    sys.exit(f"nobody knows `{word}`")
