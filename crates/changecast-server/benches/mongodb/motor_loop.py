"""Reads a backlog of MongoDB's changes with Motor's own loop, and prints changes a second.

usage: motor_loop.py URI DATABASE COLLECTION RESUME_TOKEN COUNT
"""

import asyncio
import json
import sys
import time

from motor.motor_asyncio import AsyncIOMotorClient


async def main(uri, database, collection, token, count):
    seen, wanted = 0, int(count)
    changes = AsyncIOMotorClient(uri)[database][collection]
    began = time.perf_counter()
    async with changes.watch(start_after=json.loads(token)) as stream:
        async for _change in stream:
            seen += 1
            if seen == wanted:
                break
    print(wanted / (time.perf_counter() - began))


asyncio.run(main(*sys.argv[1:]))
