#!/usr/bin/env python3
"""Which servers exchange pools: replication, DUMP and RESTORE, MIGRATE and RDB files, for every pair of servers, each run.

    python3 scripts/exchange.py MODULE NAME=SERVER [NAME=SERVER ...]

Starts every server of each pair on loopback in a fresh directory, with the module, and prints a Markdown table: rows send,
columns receive. `ok`: the digests of the data sets (or of the key) are equal afterwards."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

WAIT_S = 8


class Reply(Exception):
    """An error reply."""


class Server:
    def __init__(self, binary, module, *args):
        self.dir = tempfile.mkdtemp(prefix="stock-exchange-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start(binary, module, *args)

    def start(self, binary, module, *args):
        words = [binary, "--port", self.port, "--bind", "127.0.0.1", "--dir", self.dir, "--save", "", "--loadmodule", module]
        words += ["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", "--logfile", self.dir + "/log", *args]
        self.process = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.time() + 20
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=20)
                self.file = self.socket.makefile("rb")
                if self("PING") == b"PONG":
                    return
            except (OSError, Reply):
                pass
            if self.process.poll() is not None or time.time() > end:
                raise OSError("the server does not start")
            time.sleep(0.05)

    def __call__(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        return self.read()

    def read(self):
        line = self.file.readline()
        if not line:
            raise OSError("the connection is closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Reply(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        return rest

    def info(self, section):
        return dict(line.split(":", 1) for line in self("INFO", section).decode().split("\r\n") if ":" in line)

    def fill(self):
        self("STOCK.SET", "a", 10)
        self("STOCK.LIMIT", "a", "user", 5, "PER", "DAY")
        self("STOCK.RESERVE", "a", "o1", 2, "FOR", "user", "u")
        self("STOCK.RESERVE", "a", "o2", 1, "EX", 900, "FOR", "user", "v")
        self("STOCK.CONFIRM", "a", "o1")

    def stop(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


def until(condition):
    end = time.time() + WAIT_S
    while time.time() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def replicates(source, target):
    target("SET", "old", 1)
    target("REPLICAOF", "127.0.0.1", source.port)
    if not until(lambda: target.info("replication")["master_link_status"] == "up"):
        log = open(target.dir + "/log", errors="replace").read()
        return "no, %d keys left%s" % (target("DBSIZE"), ", RDB version" if re.search("RDB (format )?version", log) else "")
    source("STOCK.RESERVE", "a", "o3", 1, "FOR", "user", "w")
    return "ok" if until(lambda: source("DEBUG", "DIGEST") == target("DEBUG", "DIGEST")) else "differs"


def restores(source, target):
    try:
        target("RESTORE", "a", 0, source("DUMP", "a"))
    except Reply as error:
        return "no" if "version" in str(error) or "Bad data" in str(error) else str(error)
    return "ok" if source("DEBUG", "DIGEST-VALUE", "a") == target("DEBUG", "DIGEST-VALUE", "a") else "differs"


def migrates(source, target):
    before = source("DEBUG", "DIGEST-VALUE", "a")
    try:
        source("MIGRATE", "127.0.0.1", target.port, "a", 0, 5000)
    except Reply as error:
        return "no, the key stays" if source("EXISTS", "a") == 1 else "LOST: %s" % error
    return "ok" if target("DEBUG", "DIGEST-VALUE", "a") == before else "differs"


def loads(source, target, binary, module, args):
    digest = source("DEBUG", "DIGEST")
    source("SAVE")
    target.stop()
    shutil.copy(source.dir + "/dump.rdb", target.dir + "/dump.rdb")
    try:
        target.start(binary, module, *args)
    except OSError:
        return "no, it does not start"
    return "ok" if target("DEBUG", "DIGEST") == digest else "differs"


def pair(module, sending, receiving, args=()):
    cells = []
    for way in (replicates, restores, migrates, loads):
        source, target = Server(sending, module), Server(receiving, module, *args)
        try:
            source.fill()
            cells.append(way(source, target, *((receiving, module, args) if way is loads else ())))
        finally:
            source.end()
            target.end()
    return cells


def main():
    module, servers = os.path.abspath(sys.argv[1]), [word.split("=", 1) for word in sys.argv[2:]]
    print("| from | to | replication | DUMP, RESTORE | MIGRATE | RDB file |\n|---|---|---|---|---|---|")
    for sender, sending in servers:
        for receiver, receiving in servers:
            print("| %s | %s | %s |" % (sender, receiver, " | ".join(pair(module, sending, receiving))), flush=True)
            if "alkey" in receiver and "alkey" not in sender and "7.0" not in sender:
                cells = pair(module, sending, receiving, ("--rdb-version-check", "relaxed"))
                print("| %s | %s, `rdb-version-check relaxed` | %s |" % (sender, receiver, " | ".join(cells)), flush=True)


main()
