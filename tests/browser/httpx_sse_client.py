"""Reads an event stream with httpx-sse and prints what it yields, one JSON object a line."""

import json
import sys

import httpx
from httpx_sse import connect_sse

with httpx.Client(timeout=60, trust_env=False) as client:
    with connect_sse(client, "GET", sys.argv[1]) as source:
        for event in source.iter_sse():
            print(json.dumps({"type": event.event, "data": event.data, "id": event.id}))
