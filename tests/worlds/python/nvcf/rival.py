"""Somebody else who keeps a field of his own in the same document, by check-and-set: `rival.py EVERY`"""
import sys
import time

import hvac
import keys

server = keys.client()
count = 0
while True:
    document, version = keys.document(server)
    if document.get("rival", 0) != count:
        print(f"FAIL a write of the rival's is lost: {document.get('rival')} and not {count}", flush=True)
    document["rival"] = count + 1
    try:
        server.secrets.kv.v2.create_or_update_secret(path=keys.PATH, mount_point=keys.MOUNT, secret=document, cas=version)
        count += 1
    except hvac.exceptions.InvalidRequest:
        print("lost a race", flush=True)
    if count == 1:
        print("ready", flush=True)
    time.sleep(float(sys.argv[1]))
