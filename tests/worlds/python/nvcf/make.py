"""Fills the shop with values under the keys that are there: `make.py SHOP COUNT`"""
import sys

import keys
from shop import Shop

shop = Shop(sys.argv[1])
document, _ = keys.document(keys.client())
kids, known = keys.ess_keys(document)
_, others = keys.other_keys(document)
shop.run("BEGIN")
for n in range(int(sys.argv[2])):
    name = f"old-{n}"
    shop.put(name, "ess", keys.seal(known[kids[0]], kids[0], keys.plain(name)))
# What the other services sealed under a key of their own, long ago.
for kid, key in others.items():
    shop.put(f"theirs-{kid}", "other", keys.seal(key, kid, keys.plain(f"theirs-{kid}")))
shop.run("COMMIT")
