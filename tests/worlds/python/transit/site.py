"""The operator's hands. `site.py seed ROWS`: tables with values under the key's newest version, some rows with none.
`site.py judge VERSION`: opens every value and counts them by version; all else is as it was seeded."""
import json
import sys

import records


def batch(client, verb, items):
    out = []
    for at in range(0, len(items), 200):
        said = client.write(f"{records.MOUNT}/{verb}/{records.KEY}", batch_input=items[at : at + 200])
        out += said["data"]["batch_results"]
    return out


def item(word, text, aad):
    return {word: text, **({"associated_data": records.coded(aad)} if aad else {})}


def seed(rows):
    client, notes, accounts = records.server(), records.Notes(), records.Accounts()
    notes.make()
    accounts.make()
    rows = range(1, rows + 1)
    plain = [f"CANARY/transit/{row}" for row in rows]
    free = batch(client, "encrypt", [item("plaintext", records.coded(text), None) for text in plain])
    bound = [item("plaintext", records.coded(text), f"documents:{row}") for row, text in zip(rows, plain)]
    bound = batch(client, "encrypt", bound)
    notes.base.execute("BEGIN")
    with accounts.base.transaction():
        for row, text, one, other in zip(rows, plain, free, bound):
            notes.put(row, text, one["ciphertext"])
            accounts.put_account(row, text, one["ciphertext"], text, one["ciphertext"])
            accounts.put_document(row, text, other["ciphertext"])
        # Rows in which nothing is sealed.
        notes.base.execute("INSERT INTO notes VALUES (1000000, NULL, 'none', NULL)")
        accounts.base.execute("INSERT INTO accounts VALUES (1000000, NULL, NULL, '{\"bank\": null}', NULL)")
        accounts.base.execute("INSERT INTO documents VALUES (1000000, NULL, NULL)")
    notes.base.execute("COMMIT")


def judge():
    client, notes, accounts = records.server(), records.Notes(), records.Accounts()
    values = notes.all() + accounts.all()
    count, bad = {}, []
    opened = batch(client, "decrypt", [item("ciphertext", sealed, aad) for _, sealed, _, aad in values])
    for (name, sealed, sum_, _), said in zip(values, opened):
        text = records.base64.b64decode(said.get("plaintext") or "").decode()
        if said.get("error") or records.digest(text) != sum_:
            bad.append(f"{name}: {said.get('error') or 'something else'}")
        number = str(records.version(sealed))
        count[number] = count.get(number, 0) + 1
    # What nobody has to do with is as it was.
    strange = notes.base.execute("SELECT count(*) FROM notes WHERE seen IS NOT x'00ff' AND id <> 1000000").fetchone()[0]
    strange += accounts.base.execute("SELECT count(*) FROM accounts WHERE touched <> 7").fetchone()[0]
    shape = "profile - 'bank' = jsonb_build_object('name', 'holder ' || id, 'tags', '[1, null, \"ü\"]'::jsonb)"
    shape += " AND profile -> 'bank' ->> 'country' = 'DE'"
    strange += accounts.base.execute(f"SELECT count(*) FROM accounts WHERE id <> 1000000 AND NOT ({shape})").fetchone()[0]
    print(json.dumps({"count": count, "bad": bad[:5], "strange": strange}))


if __name__ == "__main__":
    match sys.argv[1]:
        case "seed":
            seed(int(sys.argv[2]))
        case "judge":
            judge()
