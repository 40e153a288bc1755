"""Takes a pod's sidecar away: `stuck.py PODS NAME`"""
import json
import sys
import urllib.request

with open(f"{sys.argv[1]}/{sys.argv[2]}.json") as file:
    port = json.load(file)["port"]
urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/stuck", data=b""), timeout=10).read()
