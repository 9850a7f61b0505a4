"""Runs changecast and its peers in turn under the same client, and prints ratios to the raw loop.

Called by scripts/bench fanout, which builds and installs what this needs. The client is
`changecast bench`; the server has CPU 0 for itself, the client CPU 1.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
PAYLOAD_BYTES = 200
SERVER_CPU, CLIENT_CPU = "0", "1"
# Seconds for everything; what does not fit any more is left out, and said.
BUDGET, QUICK_BUDGET = 13 * 60, 100
START_SECONDS, CLIENT_SECONDS = 20, 60
# CPUs that others may keep busy. With more, servers fall behind, and those that then write several
# messages at once look cheaper than those that never do: such a run decides nothing.
OTHERS_CPUS_MAX = 0.25


@dataclass
class Case:
    """What is measured: so many subscribers, at a rate that all but the slow keep up with."""

    name: str
    subscribers: int
    rate: float
    # For the CPU: read every 5 ms, so that the server is not disturbed. For latency: at once.
    naps: bool = True
    stalled: int = 0
    # Who takes part; all if nobody is named.
    servers: tuple = ()


CASES = [
    Case("publish 1000/s", 0, 1000, servers=("raw", "changecast")),
    Case("publish 50/s", 0, 50, servers=("raw", "changecast")),
    Case("publish 5/s", 0, 5, servers=("raw", "changecast")),
    Case("100", 100, 1000),
    Case("1,000", 1000, 50),
    Case("10,000", 10000, 5),
    Case("latency", 1000, 100, naps=False),
    Case("stalled", 1000, 100, naps=False, stalled=1000, servers=("changecast",)),
]
QUICK_CASES = [case for case in CASES if case.naps and case.subscribers]
# What a case's messages cost before anybody is delivered them: a request, and a durable write.
PUBLISHING = {"100": "publish 1000/s", "1,000": "publish 50/s", "10,000": "publish 5/s"}


@dataclass
class Server:
    """How a server is started: a command for a port and a folder, and where to subscribe."""

    name: str
    command: callable
    paths: dict
    publish_path: str = None
    # It is not fast enough for the common rate: CPU per delivery is the same at a lower one.
    rate_divisor: int = 1
    # The process that serves is a child of the one that is started.
    has_worker: bool = False


def servers(given):
    both = {"sse": "/events", "websocket": "/ws"}

    def changecast(port, folder, _):
        return [given.changecast, f"--port={port}", f"--data={folder}", "--publish", "--logging=error"]

    def raw(port, _, delivery_bytes):
        return [given.raw, str(port), str(delivery_bytes)]

    def tornadose(port, *_):
        return [given.python, str(PEERS / "tornadose_server.py"), str(port)]

    def nchan(port, folder, _):
        values = {"port": port, "folder": folder, "descriptors": descriptors(), "modules": given.nginx_modules}
        (folder / "nginx.conf").write_text((PEERS / "nchan.conf").read_text().format(**values))
        return [given.nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]

    def pocketbase(port, folder, _):
        for kind, name in [("migrations", "pocketbase_collection.js"), ("hooks", "pocketbase_subscribe.pb.js")]:
            (folder / kind).mkdir()
            shutil.copy(PEERS / name, folder / kind / f"1_{name}")
        folders = [f"--dir={folder}/data", f"--migrationsDir={folder}/migrations", f"--hooksDir={folder}/hooks"]
        return [given.pocketbase, "serve", f"--http=127.0.0.1:{port}", *folders]

    records = "/api/collections/messages/records"
    return [
        Server("raw", raw, both),
        Server("changecast", changecast, both),
        Server("nchan", nchan, both, has_worker=True),
        Server("tornadose", tornadose, both, rate_divisor=5),
        Server("pocketbase", pocketbase, {"sse": "/api/realtime"}, publish_path=records, rate_divisor=5),
    ]


def descriptors():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


class Running:
    """A server, from its start until it is ended."""

    def __init__(self, server, delivery_bytes):
        self.folder = Path(tempfile.mkdtemp(prefix="fanout-", dir=scratch))
        self.port = free_port()
        command = ["taskset", "-c", SERVER_CPU, *server.command(self.port, self.folder, delivery_bytes)]
        self.log = open(self.folder / "output", "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        try:
            self.wait_until_it_listens(server.name)
            # taskset becomes the command itself.
            self.pid = child_of(self.process.pid) if server.has_worker else self.process.pid
        except BaseException:
            self.end()
            raise

    def wait_until_it_listens(self, name):
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        said = (self.folder / "output").read_text(errors="replace")[-1000:]
        raise Failed(f"{name} does not start: {said}")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Failed(Exception):
    pass


def free_port():
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        return candidate.getsockname()[1]


def child_of(pid):
    until = time.monotonic() + 5
    while time.monotonic() < until:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.02)
    raise Failed(f"process {pid} has no worker")


def busy_seconds():
    """CPU time that the whole machine has used."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _, _, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def used_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    ours = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return ours + children.ru_utime + children.ru_stime


def client(server, running, transport, case, seconds):
    rate = case.rate / (server.rate_divisor if case.subscribers else 1)
    # A few messages at least, however slow.
    seconds = max(seconds, 4 / rate)
    arguments = [
        "taskset", "-c", CLIENT_CPU, given.changecast, "bench", "--json",
        f"http://127.0.0.1:{running.port}{server.paths[transport]}", f"--transport={transport}",
        f"--subscribers={case.subscribers}", f"--stalled={case.stalled}", f"--rate={rate}",
        f"--duration={round(seconds * 1000)}ms", f"--payload-bytes={PAYLOAD_BYTES}", f"--pid={running.pid}",
    ]
    arguments += ["--nap=5ms"] if case.naps else []
    arguments += [f"--publish-path={server.publish_path}"] if server.publish_path else []
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=CLIENT_SECONDS)
    if not done.stdout:
        raise Failed(done.stderr.strip() or f"the client ended with {done.returncode}")
    found = json.loads(done.stdout)
    said = done.stderr.strip() or None
    if min(found["stuck"]) < case.stalled:
        said = f"{found['stuck']} of {case.stalled} that never read are stuck, before and at the end"
    return found | {"complaint": said}


def measure(server, transport, case, seconds, delivery_bytes):
    """One run of a fresh server: what the client found, or why it could not."""
    result = {"server": server.name, "transport": transport, "case": case.name}
    try:
        running = Running(server, delivery_bytes)
    except Failed as failed:
        return result | {"error": str(failed)}
    try:
        began, busy, ours = time.monotonic(), busy_seconds(), used_seconds(running.pid)
        found = client(server, running, transport, case, seconds)
        others = (busy_seconds() - busy) - (used_seconds(running.pid) - ours)
        return result | {"found": found, "others_cpus": round(others / (time.monotonic() - began), 2)}
    except subprocess.TimeoutExpired:
        return result | {"error": f"not done after {CLIENT_SECONDS} s"}
    except (Failed, OSError) as error:
        return result | {"error": str(error)}
    finally:
        running.end()


def delivery_bytes(transport):
    """How many bytes one delivery of changecast is, so that the raw loop writes as many."""
    changecast = next(server for server in servers(given) if server.name == "changecast")
    case = Case("bytes", 1, 100)
    result = measure(changecast, transport, case, 0.5, 0)
    if "error" in result:
        raise Failed(result["error"])
    return round(result["found"]["bytes_per_delivery"])


def campaign(all_servers):
    cases = QUICK_CASES if given.quick else CASES
    rounds, seconds, budget = (1, 1, QUICK_BUDGET) if given.quick else (3, 3, BUDGET)
    rounds = given.rounds or rounds
    until = time.monotonic() + budget
    sizes = {transport: delivery_bytes(transport) for transport in given.transports}
    results, left_out = [], 0
    for number in range(rounds):
        for transport in given.transports:
            for case in cases:
                taking_part = [
                    server for server in all_servers
                    if transport in server.paths and (not case.servers or server.name in case.servers)
                ]
                # Nobody is always the first.
                turn = number % len(taking_part)
                for server in taking_part[turn:] + taking_part[:turn]:
                    if time.monotonic() > until:
                        left_out += 1
                        continue
                    result = measure(server, transport, case, seconds, sizes[transport])
                    results.append(result | {"round": number})
                    progress(result)
    return {"delivery_bytes": sizes, "results": results, "left_out": left_out}


def progress(result):
    said = complaint(result)
    if said is None:
        cpu = result["found"]["server"]
        micros = cpu["cpu_us_per_delivery"] or cpu["cpu_us_per_message"]
        said = f"{micros:.2f} µs, p99 {result['found']['latency_us']['p99'] / 1000:.2f} ms"
    print(f"  {result['transport']} {result['case']}: {result['server']}: {said}", file=sys.stderr)


# ── What it says ─────────────────────────────────────────────────────────────────────────────────


@dataclass
class Figures:
    """One server's figures in one case, by round."""

    rounds: dict = field(default_factory=dict)

    def median(self, read):
        values = [value for found in self.rounds.values() if (value := read(found)) is not None]
        return statistics.median(values) if values else None

    def ratio(self, base, read):
        """The median of the ratios of each round."""
        both = self.rounds.keys() & base.rounds.keys()
        pairs = [(read(self.rounds[number]), read(base.rounds[number])) for number in both]
        ratios = [mine / other for mine, other in pairs if mine and other]
        return statistics.median(ratios) if ratios else None


def cpu(found):
    return found["server"]["cpu_us_per_delivery"]


def cpu_of_message(found):
    return found["server"]["cpu_us_per_message"]


def cpu_of_delivering(publishing, subscribers):
    """The CPU of a delivery without that of publishing what is delivered, of the same server."""
    alone = publishing.median(cpu_of_message) or 0
    return lambda found: (cpu_of_message(found) - alone) / subscribers


def memory(found):
    return found["server"]["memory_kb_per_connection"]


def quantile(name):
    return lambda found: found["latency_us"][name] / 1000


def gather(results):
    figures = {}
    for result in results:
        # What lost messages has done less work: its figures are not comparable.
        if "found" in result and result["found"]["missed"] == 0:
            key = (result["transport"], result["case"], result["server"])
            figures.setdefault(key, Figures()).rounds[result["round"]] = result["found"]
    return figures


def number(value, digits=2):
    return "-" if value is None else f"{value:,.{digits}f}"


def show(all_servers, ran):
    figures = gather(ran["results"])
    kept_busy = [result["others_cpus"] for result in ran["results"] if "others_cpus" in result]
    others = statistics.median(kept_busy) if kept_busy else 0
    rounds = len({result["round"] for result in ran["results"]})
    print(f"{PAYLOAD_BYTES} bytes a message; medians of {rounds} round(s), ratios within a round;", end=" ")
    print(f"others kept {others:.2f} CPUs busy")
    for transport in given.transports:
        print(f"\n{transport}: {ran['delivery_bytes'][transport]} bytes a delivery on the wire")
        show_cases(transport, all_servers, figures)
    show_goals(figures, is_quiet=others <= OTHERS_CPUS_MAX)
    show_complaints(ran["results"])
    if ran["left_out"]:
        print(f"  {ran['left_out']} measurements were left out: the time was over")


def complaint(result):
    said = result.get("error") or result["found"]["complaint"]
    return said and said.strip().split("\n")[0]


def show_complaints(results):
    """What went wrong, the first of each kind."""
    seen = set()
    for result in results:
        where = f"{result['transport']} {result['case']}, {result['server']}"
        said = complaint(result)
        if said and where not in seen:
            seen.add(where)
            print(f"  {where}: {said}")


def show_cases(transport, all_servers, figures):
    head = ("µs/delivery", "of raw", "p50 ms", "p99 ms", "p99 of raw", "KB/conn", "connects/s", "publish p50 ms")
    print(f"{'':<26}" + "".join(f"{name:>15}" for name in head))
    for case in CASES:
        base = figures.get((transport, case.name, "raw"), Figures())
        for server in all_servers:
            mine = figures.get((transport, case.name, server.name))
            if mine is None:
                continue
            per = cpu if case.subscribers else cpu_of_message
            p50, p99 = quantile("p50"), quantile("p99")
            cells = [
                number(mine.median(per)), number(mine.ratio(base, per)),
                *([None] * 3 if case.naps else [mine.median(p50), mine.median(p99), mine.ratio(base, p99)]),
                number(mine.median(memory)),
                number(mine.median(lambda found: found["connects_per_second"]), 0),
                number(mine.median(lambda found: found["publish_us"]["p50"] / 1000)),
            ]
            cells = [cell if isinstance(cell, str) else number(cell) for cell in cells]
            print(f"{case.name + ' ' + server.name:<26}" + "".join(f"{cell:>15}" for cell in cells))


def show_goals(figures, is_quiet):
    print()

    def goal(what, value, sign, wanted):
        if value is None:
            return
        met = {"<=": value <= wanted, ">=": value >= wanted, ">": value > wanted}[sign]
        verdict = ("met" if met else "MISSED") if is_quiet else "not decided: the machine was not quiet"
        print(f"{what:<58}{value:>9.2f}   goal {sign} {wanted:<6} {verdict}")

    for transport in given.transports:
        def of(case, server):
            return figures.get((transport, case, server), Figures())

        for case in ("100", "1,000", "10,000"):
            mine = of(case, "changecast")
            goal(f"{transport} {case}: CPU per delivery of raw", mine.ratio(of(case, "raw"), cpu), "<=", 1.15)
            if of(PUBLISHING[case], "changecast").rounds:
                alone = delivering(of, case)
                goal(f"{transport} {case}: the same without publishing", alone, "<=", 1.15)
            for peer in ("nchan", "pocketbase"):
                goal(f"{transport} {case}: {peer}'s CPU per delivery of ours", of(case, peer).ratio(mine, cpu), ">", 1)
        ours = of("1,000", "changecast")
        goal(f"{transport} 1,000: tornadose's CPU of ours", of("1,000", "tornadose").ratio(ours, cpu), ">=", 10)
        goal(f"{transport} 10,000: KB a connection", of("10,000", "changecast").median(memory), "<=", 1)
        p99 = quantile("p99")
        latency = of("latency", "changecast")
        goal(f"{transport} 1,000 x 100/s: p99 of raw", latency.ratio(of("latency", "raw"), p99), "<=", 1.5)
        goal(f"{transport} 1,000 stalled: p99 of without", of("stalled", "changecast").ratio(latency, p99), "<=", 1.1)


def delivering(of, case):
    """changecast's CPU of a delivery beside raw's, each without that of publishing."""
    found = {}
    subscribers = next(known.subscribers for known in CASES if known.name == case)
    for server in ("changecast", "raw"):
        read = cpu_of_delivering(of(PUBLISHING[case], server), subscribers)
        found[server] = of(case, server).median(read)
    both = found["changecast"] and found["raw"]
    return found["changecast"] / found["raw"] if both else None


def record(ran, out):
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    now = datetime.now(timezone.utc)
    about = {
        "at": now.isoformat(timespec="seconds"),
        "command": "scripts/bench fanout " + " ".join(given.transports) + (" --quick" if given.quick else ""),
        "commit": commit,
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "payload_bytes": PAYLOAD_BYTES,
    }
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"fanout-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(about | ran, indent=1))
    print(f"\n{path}")


def read_arguments():
    parser = argparse.ArgumentParser()
    for program in ("changecast", "raw", "python", "pocketbase", "nginx", "nginx-modules"):
        parser.add_argument(f"--{program}", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", action="append", default=[], metavar="SERVER")
    parser.add_argument("transports", nargs="*", default=["sse", "websocket"])
    arguments = parser.parse_args()
    arguments.out = arguments.out.resolve()
    return arguments


def main():
    # All that is started inherits it.
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors(), descriptors()))
    all_servers = [server for server in servers(given) if not given.only or server.name in given.only]
    try:
        ran = campaign(all_servers)
    except Failed as failed:
        sys.exit(f"error: {failed}")
    show(all_servers, ran)
    record(ran, given.out)


# What this run was told, and where servers keep their files.
given = read_arguments()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
with tempfile.TemporaryDirectory(prefix="fanout-", dir=given.out.parent) as scratch:
    main()
