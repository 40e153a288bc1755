"""Reads documents, one a line, and says of each who refuses it and why."""
import json
import sys

import keys

for line in sys.stdin:
    document = json.loads(line)
    said = []
    for who, read in (("ess", keys.ess_keys), ("other", keys.other_keys)):
        try:
            read(document)
        except keys.Refused as error:
            said.append(f"{who}: {error}")
    print("; ".join(said) or "taken")
