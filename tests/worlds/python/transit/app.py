"""One application: reads and writes throughout, by the key's newest version as the engine has it. `app.py NAME ROWS`"""
import random
import sqlite3
import sys
import time

import psycopg

import records

name, rows = sys.argv[1], int(sys.argv[2])
client, notes, accounts = records.server(), records.Notes(), records.Accounts()
rounds, wrote = 0, None


def say(what):
    print(f"{name} {what}", flush=True)


while True:
    try:
        row = random.randrange(1, rows + 1)
        records.read(client, lambda: notes.one(row))
        records.read(client, lambda: accounts.one(row))
        # New rows, and old ones anew.
        version = records.write(client, notes, accounts, random.choice([row, rows + random.randrange(1, 40)]))
        if version is not None and version != wrote:
            say(f"WRITES v{version}")
            wrote = version
    except records.Stranded as error:
        say(f"FAIL {error}")
    except sqlite3.OperationalError as error:
        say(f"BUSY {error}" if "locked" in str(error) else f"FAIL {error}")
    except psycopg.errors.QueryCanceled as error:
        say(f"BUSY {error}")
    except Exception as error:
        say(f"FAIL {type(error).__name__}: {error}")
    rounds += 1
    if rounds == 3:
        say("ready")
    if rounds % 10 == 0:
        say(f"ROUND {rounds}")
    time.sleep(0.05)
