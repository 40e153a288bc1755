"""The machines: `hosts.py NAME..` starts an instance on each, and starts it anew when `hosts/NAME/restart` is there."""

import pathlib
import subprocess
import sys
import time

INSTANCE = str(pathlib.Path(__file__).with_name("instance.py"))
names = sys.argv[1:]
running = {}


def start(name):
    running[name] = subprocess.Popen([sys.executable, INSTANCE, name])


for name in names:
    start(name)
try:
    while True:
        for name in names:
            asked = pathlib.Path("hosts", name, "restart")
            if asked.exists():
                running[name].kill()
                running[name].wait()
                pathlib.Path("hosts", name, "state.json").unlink(missing_ok=True)
                start(name)
                asked.unlink()
        if pathlib.Path("hosts/stop").exists():
            break
        time.sleep(0.02)
finally:
    for process in running.values():
        process.kill()
