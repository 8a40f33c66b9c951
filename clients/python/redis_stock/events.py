"""Entries of event streams, as fields or packed (policy `"events_format": "packed"`)."""

import base64
import json

#: The version of packed entries that is read.
VERSION = 1


def fields(entry):
    """The fields of an entry, by name, as texts: those of a packed entry, too. Names and `event` may be bytes."""
    packed = entry.get("event") or entry.get(b"event")
    if packed is None:
        return entry
    event = json.loads(packed)
    if event.pop("v") != VERSION:
        raise ValueError("an entry of another version: a newer reader is needed")
    return {name: _text(name, value) for name, value in event.items()}


def _text(name, value):
    if value is None:
        return ""
    if name == "for":
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, dict):
        return base64.b64decode(value["base64"]).decode("utf-8", "surrogateescape")
    return str(value)
