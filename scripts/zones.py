#!/usr/bin/env python3
"""Writes the offsets of some time zones as Python's zoneinfo knows them: what the tests compare ours with.

    pip download --no-deps tzdata==2026.6 && unzip tzdata-*.whl -d tz
    PYTHONTZPATH=tz/tzdata/zoneinfo scripts/zones.py > testkit/src/reference/zones.txt

One line a zone: its name, then each offset in minutes behind the Unix second from which it holds. Of the zones that
the generator uses the table reaches as far as its clock goes, of the others to 2031.
"""

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

FAR = ["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Africa/Casablanca", "America/Havana"]
NEAR = ["America/New_York", "Pacific/Apia", "Asia/Beirut", "Africa/Cairo", "Antarctica/Troll", "Pacific/Chatham",
        "America/St_Johns", "America/Scoresbysund", "America/Asuncion", "Asia/Kathmandu", "Asia/Gaza"]
STEP_S = 900


def second(year):
    return int(datetime(year, 1, 1, tzinfo=timezone.utc).timestamp())


def offset_min(zone, at):
    return int(datetime.fromtimestamp(at, zone).utcoffset().total_seconds()) // 60


def line(name, until):
    zone = ZoneInfo(name)
    words, last = [name], None
    for at in range(second(2023), second(until), STEP_S):
        now = offset_min(zone, at)
        if now != last:
            words += [str(at), str(now)]
            last = now
    return " ".join(words)


for zone_name in FAR:
    print(line(zone_name, 2120))
for zone_name in NEAR:
    print(line(zone_name, 2032))
