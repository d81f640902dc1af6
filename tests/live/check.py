# SPDX-License-Identifier: Apache-2.0
"""Compares events with what the client logged, and those of a thinned capture with those of the whole one.

    check.py compare PROTOCOL TRUTH EVENTS             every transaction is one event, and the other way round
    check.py thin CAPTURE WHOLE THINNED REMOVED        copies a capture, once whole, once without 3 % of its frames
    check.py thinned PROTOCOL WHOLE EVENTS REMOVED     judges the events of the thinned capture by those of the whole one

The last line printed is the judgement in short.
"""

import collections
import datetime
import json
import random
import struct
import sys

import client

SHARE, SEED = 0.03, 20
SLOWER, LONGEST_US = 20, 100_000
SHOWN = 8


def main():
    command, arguments = sys.argv[1], sys.argv[2:]
    {"compare": compare, "thin": thin, "thinned": judge_thinned}[command](*arguments)


def compare(protocol, truth_path, events_path):
    module = client.load(protocol)
    truth = collections.Counter(map(key, read(truth_path)))
    found = collections.Counter(described(module, merged(module, read(events_path))))
    for what, count in list((truth - found).items())[:SHOWN]:
        print(f"missing {count} x {what}")
    for what, count in list((found - truth).items())[:SHOWN]:
        print(f"invented {count} x {what}")
    right = sum((truth & found).values())
    print(f"{right} of {sum(truth.values())} transactions right, {sum((found - truth).values())} events that nobody caused")
    sys.exit(0 if truth == found and right else 1)


def described(module, events):
    return [key(what) for what in map(module.describe, events) if what is not None]


def key(what):
    return json.dumps(what, ensure_ascii=False)


def merged(module, events):
    """Of requests that were sent again, the one that was answered."""
    if not hasattr(module, "merge"):
        return events
    kept, groups = [], {}
    for event in events:
        group = module.merge(event)
        if group is None:
            kept.append(event)
        elif group not in groups or not is_answered(groups[group]):
            groups[group] = event
    return kept + list(groups.values())


def is_answered(event):
    return "error" not in event


def thin(source, whole_path, thinned_path, removed_path):
    """Both copies are in slow motion, so that the milliseconds of events tell which frame came before which."""
    chance = random.Random(SEED)
    last_us = now_us = None
    with open(source, "rb") as file, open(whole_path, "wb") as whole, open(thinned_path, "wb") as thinned, open(removed_path, "w") as removed:
        header = file.read(24)
        whole.write(header)
        thinned.write(header)
        while record := file.read(16):
            seconds, micros, length, original = struct.unpack("<IIII", record)
            frame = file.read(length)
            time_us = seconds * 1_000_000 + micros
            pause_us = max(0, time_us - (last_us or time_us))
            now_us = (now_us or time_us) + max(pause_us, min(pause_us * SLOWER, LONGEST_US))
            last_us = time_us
            copy = struct.pack("<IIII", *divmod(now_us, 1_000_000), length, original) + frame
            whole.write(copy)
            if chance.random() >= SHARE:
                thinned.write(copy)
                continue
            print(json.dumps({"time": now_us // 1000, **ends(frame)}), file=removed)


def ends(frame):
    """Ports and payload length of a frame; a later fragment has no ports and so may be of any connection."""
    if frame[12:14] != b"\x08\x00":
        return {"ports": None, "payload": 0}
    header = (frame[14] & 15) * 4
    total, fragment = struct.unpack(">H", frame[16:18])[0], struct.unpack(">H", frame[20:22])[0]
    at = 14 + header
    if fragment & 0x1FFF or frame[23] not in (6, 17):
        return {"ports": None, "payload": total - header}
    own = (frame[at + 12] >> 4) * 4 if frame[23] == 6 else 8
    return {"ports": sorted(struct.unpack(">HH", frame[at:at + 4])), "payload": total - header - own}


def judge_thinned(protocol, whole_path, events_path, removed_path):
    """No event without a mark says what did not happen. A transaction none of whose bytes were removed is there; few of
    them may be marked, where they depend on what was removed before (a prepared statement, say)."""
    module = client.load(protocol)
    whole = [event for event in read(whole_path) if module.describe(event) is not None]
    found = [event for event in read(events_path) if module.describe(event) is not None]
    removed = [frame for frame in read(removed_path) if frame["payload"] > 0]
    if not removed:
        print("no frame with data was removed")
        sys.exit(1)
    name = lambda event: f"{port(event)} {key(module.describe(event))}"
    possible = collections.Counter(map(name, whole))
    present = collections.Counter((started(event), name(event)) for event in found)
    marked = {(started(event), port(event)) for event in found if is_marked(event)}
    touched = absent = unsure = 0
    wrong = []
    for event in whole:
        is_there = present[started(event), name(event)] > 0
        present[started(event), name(event)] -= is_there
        if is_touched(event, whole, removed):
            touched += 1
            absent += not is_there
        elif not is_there and (started(event), port(event)) in marked:
            unsure += 1
        elif not is_there:
            wrong.append(f"lost: {started(event)} {name(event)}")
    untouched = len(whole) - touched
    for event in sorted(found, key=is_marked):
        if possible[name(event)] > 0:
            possible[name(event)] -= 1
        elif not is_marked(event):
            wrong.append(f"invented: {started(event)} {name(event)}")
    for line in wrong[:SHOWN]:
        print(line)
    print(f"{len(removed)} frames with data removed: {untouched} transactions untouched, {unsure} of them marked, {touched} touched, {absent} of them marked or counted, {len(wrong)} wrong")
    sys.exit(1 if wrong or unsure * 5 > untouched else 0)


def is_marked(event):
    """NO_REPLY is a mark of its own kind, of NFS."""
    return "error" in event or event["status"] == "NO_REPLY"


def port(event):
    return event["source"]["port"]


def is_touched(event, whole, removed):
    """As tests/mirror_loss.rs has it: a missing frame of its connection, behind the last answer before it and before the
    start of the one that began after its own answer."""
    mine = ports(event)
    frames = [frame for frame in removed if frame["ports"] is None or frame["ports"] == mine]
    if not frames:
        return False
    begin, end = started(event), ended(event)
    others = [other for other in whole if ports(other) == mine]
    last = max((ended(other) for other in others if ended(other) is not None and ended(other) < begin), default=None)
    after = min((started(other) for other in others if end is not None and started(other) > end), default=None)
    return any((last is None or frame["time"] >= last) and (after is None or frame["time"] <= after) for frame in frames)


def ports(event):
    return sorted((event["source"]["port"], event["destination"]["port"]))


def started(event):
    return milliseconds(event["event"].get("start") or event["@timestamp"])


def ended(event):
    end = event["event"].get("end")
    return milliseconds(end) if end else None


def milliseconds(text):
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def read(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


main()
