"""Opens everything with the key set as it stands now, and counts by kid: `audit.py SHOP`. Prints JSON."""
import collections
import json
import sys

import keys
from shop import Shop

document, _ = keys.document(keys.client())
kids, known = keys.ess_keys(document)
_, others = keys.other_keys(document)
count, bad = {"ess": collections.Counter(), "other": collections.Counter()}, []
for name, owner, sealed in Shop(sys.argv[1]).run("SELECT name, owner, sealed FROM secrets"):
    try:
        if keys.open_(known if owner == "ess" else others, sealed) != keys.plain(name):
            bad.append(f"{name} holds another text")
    except keys.Refused as error:
        bad.append(f"{name}: {error}")
    count[owner][keys.kid_of(sealed)] += 1
print(json.dumps({"kids": kids, "bad": bad, "count": count}))
