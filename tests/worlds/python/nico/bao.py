"""The site's own secret workflow: brings the keys that stand on the secrets server into a document. bao.py ADDR TOKEN NAMESPACE OUT

`bao.py ADDR TOKEN NAMESPACE --put FILE` puts those of a document there instead, as people have done until now."""

import json
import os
import pathlib
import sys
import urllib.error
import urllib.request

ADDR, TOKEN, NAMESPACE = sys.argv[1:4]
PLACE = "machine_identity/encryption_keys"


def ask(method, path, body=None):
    headers = {"X-Vault-Token": TOKEN, "X-Vault-Namespace": NAMESPACE}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{ADDR}/v1/secrets/{path}", data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


if sys.argv[4] == "--put":
    document = json.loads(pathlib.Path(sys.argv[5]).read_text())
    for name, password in document["machine_identity"]["encryption_keys"].items():
        data = {"UsernamePassword": {"username": "by hand", "password": password}}
        ask("POST", f"data/{PLACE}/{name}", {"data": data})
    sys.exit()
keys = {}
for name in ask("LIST", f"metadata/{PLACE}")["data"]["keys"]:
    document = ask("GET", f"data/{PLACE}/{name}")
    if document:
        keys[name] = document["data"]["data"]["UsernamePassword"]["password"]
new = pathlib.Path(sys.argv[4] + ".new")
os.close(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
new.write_text(json.dumps({"machine_identity": {"encryption_keys": keys}}))
new.rename(sys.argv[4])
