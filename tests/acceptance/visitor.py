"""
Load for a web service from a process of its own: some connections, each asking again as soon as it is answered.

Prints the number of requests, requests per second, and the 99th percentile of the time to answer in milliseconds.

    python visitor.py PORT SECONDS
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time

CONNECTIONS = 4


def visit(port: int, end: float, times: list[float]) -> None:
    """Ask for pages and digests by turns until the time is over."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    number = 0
    while time.monotonic() < end:
        began = time.monotonic()
        if number % 3:
            connection.request("GET", f"/page/{number}")
        else:
            body = json.dumps({"number": number, "rows": [{"i": i, "text": "x" * i} for i in range(30)]})
            connection.request("POST", "/digest", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise RuntimeError(f"status {response.status}")
        times.append(time.monotonic() - began)
        number += 1
    connection.close()


def main(port: int, seconds: float) -> None:
    """Visit over several connections and print the figures."""
    times: list[float] = []
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=visit, args=(port, end, times)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(len(times), len(times) / seconds, sorted(times)[int(len(times) * 0.99)] * 1000)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
