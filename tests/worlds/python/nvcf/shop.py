"""Where sealed values lie: one SQLite file that only the world reads."""
import sqlite3
import threading


class Shop:
    def __init__(self, path):
        self.path = path
        self.local = threading.local()
        self.run("CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, owner TEXT, sealed TEXT)")

    def run(self, query, *given):
        if not hasattr(self.local, "database"):
            self.local.database = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self.local.database.execute("PRAGMA journal_mode = WAL")
            self.local.database.execute("PRAGMA synchronous = OFF")
        return self.local.database.execute(query, given).fetchall()

    def put(self, name, owner, sealed):
        self.run("INSERT OR REPLACE INTO secrets VALUES (?, ?, ?)", name, owner, sealed)

    def get(self, name):
        found = self.run("SELECT sealed FROM secrets WHERE name = ?", name)
        return found[0][0] if found else None

    def some(self, owner):
        """Any value, and one of the newest."""
        last = self.run("SELECT max(rowid) FROM secrets WHERE owner = ?", owner)[0][0]
        if last is None:
            return []
        query = "SELECT name, sealed FROM secrets WHERE owner = ? AND rowid >= ? ORDER BY rowid LIMIT 1"
        return self.run(query, owner, 1 + abs(hash((last, owner))) % last) + self.run(query, owner, last)
