"""Asks a router for /health again and again, in a process of its own, until its input ends.

Run as `python chaos/watch.py URL`; prints a line when it begins, and at the end the number of
responses and the slowest, in milliseconds, as JSON.
"""

import http.client
import json
import sys
import threading
import time
from urllib.parse import urlsplit

PAUSE = 0.02


def main():
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    taken = []
    connection = http.client.HTTPConnection(urlsplit(sys.argv[1]).netloc, timeout=60)
    connection.connect()
    print("ready", flush=True)
    while not ended.wait(PAUSE):
        began = time.monotonic()
        connection.request("GET", "/health")
        response = connection.getresponse()
        response.read()
        assert response.status == 200, response.status
        taken.append(time.monotonic() - began)
    print(json.dumps({"count": len(taken), "slowest": round(1000 * max(taken), 1)}), flush=True)


if __name__ == "__main__":
    main()
