#!/usr/bin/env python3
"""What the counters behind STOCK.STATS and STOCK.TOP cost a RESERVE with three limits: instructions
by callgrind, of the lines of the sources that count. `python3 scripts/stats-cost.py MODULE`, with
the module of `make build`; given a second module, such as one whose counters were taken out, it also
says how many instructions a call takes with each. Needs valgrind. Half a minute a module."""

import glob
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

CALLS, WARM, PIPELINE = 3200, 480, 16
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def counting_lines():
    """By file: the lines that count. None: all of them."""
    text = open(os.path.join(ROOT, "src/redis/value.rs")).read().split("\n")
    lines = set()
    for name in ["count_answer", "hand_over"]:
        first = next(at for at, line in enumerate(text) if f"pub fn {name}(" in line)
        last = next(at for at in range(first, len(text)) if text[at] == "    }")
        lines.update(range(first + 1, last + 2))
    return {"command/pool_stats.rs": None, "command/hot_keys.rs": None, "redis/value.rs": lines}


def encode(*words):
    return b"".join([b"*%d\r\n" % len(words)] + [b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words])


class Server:
    def __init__(self, module, directory):
        self.directory = directory
        path = os.path.join(directory, "socket")
        self.process = subprocess.Popen(
            ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--compress-strings=no", "--compress-pos=no",
             "--callgrind-out-file=" + os.path.join(directory, "out"), os.environ.get("REDIS_SERVER", "redis-server"),
             "--port", "0", "--unixsocket", path, "--save", "", "--dir", directory,
             "--loadmodule", os.path.abspath(module)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(path)
                break
            except OSError:
                time.sleep(0.1)
        self.answers = self.socket.makefile("rb")

    def answer(self):
        line = self.answers.readline()
        if line[:1] == b"*":
            return [self.answer() for _ in range(int(line[1:]))]
        if line[:1] == b"$":
            return self.answers.read(int(line[1:]) + 2)[:-2]
        if line[:1] == b"-":
            raise SystemExit(line.decode())
        return line[1:-2]

    def run(self, calls):
        for at in range(0, len(calls), PIPELINE):
            part = calls[at:at + PIPELINE]
            self.socket.sendall(b"".join(part))
            for _ in part:
                answer = self.answer()
                if isinstance(answer, list) and answer[0] != b"OK":
                    raise SystemExit(f"not sold: {answer}")

    def control(self, *words):
        subprocess.run(["callgrind_control", *words, str(self.process.pid)], check=True, stdout=subprocess.DEVNULL,
                       stdin=subprocess.DEVNULL)

    def measure(self):
        self.run([encode("STOCK.SET", "sku:618", "1000000")]
                 + [encode("STOCK.LIMIT", "sku:618", by, limit, "PER", "DAY") for by, limit in
                    [("user", "5"), ("region", "1000000"), ("store", "1000000")]])

        def calls(first, count):
            return [encode("STOCK.RESERVE", "sku:618", f"order-{n:014}", "1", "FOR", "user", f"user-{n:05}",
                           "region", f"region-{n % 31}", "store", f"store-{n % 211}") for n in range(first, first + count)]
        self.run(calls(0, WARM))
        ready = calls(WARM, CALLS)
        self.control("-i", "on")
        self.run(ready)
        self.control("-i", "off")
        self.control("-d")
        self.process.terminate()
        self.process.wait()
        return max(glob.glob(os.path.join(self.directory, "out.*")), key=os.path.getsize)


def read(dump):
    """Instructions in all, and those of the lines that count, by file."""
    wanted, counted, total, file, skip = counting_lines(), {}, 0, "", False
    for line in open(dump, errors="replace"):
        if match := re.match(r"(?:fl|fi|fe)=(.*)", line):
            file = match[1].strip()
        elif line.startswith("calls="):
            # The next line is what the callee took.
            skip = True
        elif match := re.match(r"(\d+) (\d+)$", line):
            if skip:
                skip = False
                continue
            at, cost = int(match[1]), int(match[2])
            total += cost
            for name, lines in wanted.items():
                if file.endswith(name) and (lines is None or at in lines):
                    counted[name] = counted.get(name, 0) + cost
    return total, counted


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    for module in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as directory:
            total, counted = read(Server(module, directory).measure())
        print(f"{module}: {total / CALLS:.0f} instructions a call")
        for name, cost in counted.items():
            print(f"    {cost / CALLS:.1f} of them in {name}")
        print(f"    {sum(counted.values()) / CALLS:.1f} of them count")


main()
