"""What the applications, and the engine behind them, say no to."""
import records

client = records.server()
sealed, bound = records.seal(client, "a"), records.seal(client, "a", "documents:1")
digest = records.digest("a")
cases = {
    "a value under its own associated data": (bound, digest, "documents:1"),
    "a value bound to another row": (bound, digest, "documents:2"),
    "a value that is bound, opened as if it were not": (bound, digest, None),
    "a value that is free, opened as if it were bound": (sealed, digest, "documents:1"),
    "a value that holds another text": (sealed, records.digest("b"), None),
    "a value of a version that is not there": (sealed.replace(":v1:", ":v9:"), digest, None),
    "a value with one letter changed": (sealed[:-8] + ("A" if sealed[-8] != "A" else "B") + sealed[-7:], digest, None),
    "a value that is cut off": (sealed[:30], digest, None),
    "a text that nobody sealed": ("a", digest, None),
}


def tried(name, value, sum_, aad):
    try:
        records.read(client, lambda: [(name, value, sum_, aad)])
        print(f"{name}: taken")
    except records.Stranded:
        print(f"{name}: refused")


for name, case in cases.items():
    tried(name, *case)
transit = client.secrets.transit
transit.rotate_key(records.KEY, mount_point=records.MOUNT)
transit.update_key_configuration(records.KEY, min_decryption_version=2, mount_point=records.MOUNT)
tried("a value below the floor", sealed, digest, None)
