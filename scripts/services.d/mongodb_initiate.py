"""Makes a fresh mongod the primary of a one-member replica set.

usage: mongodb_initiate.py PORT SET

Speaks just enough of MongoDB's wire protocol (OP_MSG) and BSON for two commands, so that the
tests need neither a mongo shell nor a driver.
"""

import socket
import struct
import sys
import time

DEADLINE_SECONDS = 30
OP_MSG = 2013
ALREADY_INITIALIZED = 23


def encode(document):
    body = b"".join(encode_element(name, value) for name, value in document.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def encode_element(name, value):
    key = name.encode() + b"\0"
    if isinstance(value, dict):
        return b"\x03" + key + encode(value)
    if isinstance(value, list):
        return b"\x04" + key + encode({str(i): item for i, item in enumerate(value)})
    if isinstance(value, str):
        text = value.encode() + b"\0"
        return b"\x02" + key + struct.pack("<i", len(text)) + text
    return b"\x10" + key + struct.pack("<i", value)


# What lies between a number's bytes and Python; any other type is kept as bytes, unread.
NUMBERS = {0x01: "<d", 0x08: "<?", 0x09: "<q", 0x10: "<i", 0x11: "<Q", 0x12: "<q"}


def decode(data):
    document, at = {}, 4
    while data[at] != 0:
        kind, end = data[at], data.index(0, at + 1)
        name, at = data[at + 1 : end].decode(), end + 1
        if kind in NUMBERS:
            size = struct.calcsize(NUMBERS[kind])
            document[name] = struct.unpack_from(NUMBERS[kind], data, at)[0]
        elif kind == 0x02:
            size = 4 + struct.unpack_from("<i", data, at)[0]
            document[name] = data[at + 4 : at + size - 1].decode()
        else:
            size = size_of(kind, data, at)
            document[name] = data[at : at + size]
        at += size
    return document


def size_of(kind, data, at):
    if kind in (0x03, 0x04):
        return struct.unpack_from("<i", data, at)[0]
    if kind == 0x05:
        return 5 + struct.unpack_from("<i", data, at)[0]
    if kind == 0x07:
        return 12
    if kind == 0x0A:
        return 0
    raise ValueError(f"BSON type {kind:#x} in a reply")


def run(connection, command):
    body = struct.pack("<iB", 0, 0) + encode({**command, "$db": "admin"})
    connection.sendall(struct.pack("<iiii", len(body) + 16, 1, 0, OP_MSG) + body)
    (length,) = struct.unpack("<i", receive(connection, 4))
    # The rest of the header, the flags and the section's kind come before the document.
    return decode(receive(connection, length - 4)[12 + 5 :])


def receive(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError("mongod closed the connection")
        data += part
    return data


def main(port, name):
    deadline = time.monotonic() + DEADLINE_SECONDS
    config = {"_id": name, "members": [{"_id": 0, "host": f"127.0.0.1:{port}"}]}
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS) as connection:
        reply = run(connection, {"replSetInitiate": config})
        if reply["ok"] != 1 and reply.get("code") != ALREADY_INITIALIZED:
            sys.exit(f"error: replSetInitiate: {reply.get('errmsg', reply)}")
        while not run(connection, {"hello": 1}).get("isWritablePrimary"):
            if time.monotonic() > deadline:
                sys.exit(f"error: mongod is not a primary after {DEADLINE_SECONDS} seconds")
            time.sleep(0.05)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(int(sys.argv[1]), sys.argv[2])
