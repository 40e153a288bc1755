"""Another service that shares the key: follows `jwe_mapping` the moment it is written. Its values are not read by ESS.
`other.py NAME SHOP`"""
import datetime
import sys
import time

import keys
from shop import Shop

name, shop = sys.argv[1], Shop(sys.argv[2])
server = keys.client()
count, wrote = 0, None


def say(what):
    print(f"{datetime.datetime.now(datetime.timezone.utc).isoformat()} {name} {what}", flush=True)


while True:
    count += 1
    try:
        kid, known = keys.other_keys(keys.document(server)[0])
        if kid != wrote:
            say(f"WRITES {kid}")
        wrote = kid
        secret = f"{name}-{time.time()}-{count}"
        shop.put(secret, "other", keys.seal(known[kid], kid, keys.plain(secret)))
        for secret, sealed in shop.some("other"):
            if keys.open_(known, sealed) != keys.plain(secret):
                say(f"FAIL {secret} holds another text")
    except keys.Refused as error:
        say(f"FAIL {error}")
    except Exception as error:
        say(f"could not ask: {type(error).__name__}")
    if count == 1:
        say("ready")
    time.sleep(0.1)
