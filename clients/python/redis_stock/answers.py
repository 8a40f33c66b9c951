"""What the server answers, as values. Whatever is not `Done` is `Refused`: something to tell the buyer, not a fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from .repeat import code_of


# Not `frozen`: that makes a value of three fields twice as dear. Do not change them.
_answer = dataclass(slots=True, unsafe_hash=True)


class Answer:
    """The answer of a command that decides something. `word` is its status word."""

    __slots__ = ()
    word = "OK"


class Done(Answer):
    """It is done: now, or by the same call before (`Exists`)."""

    __slots__ = ()


class Refused(Answer):
    """The pool said no, and nothing has changed. `key` is the pool that refused."""

    __slots__ = ()
    key: Any


@_answer
class Reserved(Done):
    """RESERVE: `quantity` units are held until `deadline_ms`. CHECK: they would be."""

    quantity: int
    available: int
    deadline_ms: int


@_answer
class Confirmed(Done):
    """CONFIRM: `quantity` units are sold; `sold` in all."""

    quantity: int
    sold: int


@_answer
class Released(Done):
    """RELEASE: `quantity` units came back."""

    quantity: int
    available: int


@_answer
class Amended(Done):
    """AMEND: the hold's new total."""

    quantity: int
    available: int


@_answer
class Split(Done):
    """SPLIT: `quantity` units went over, `left` stay with the order; both until `deadline_ms`."""

    quantity: int
    left: int
    deadline_ms: int


@_answer
class Extended(Done):
    """EXTEND: the deadline, never an earlier one."""

    deadline_ms: int


@_answer
class Returned(Done):
    """RETURN: `quantity` units came back; `sold` are sold in all."""

    quantity: int
    available: int
    sold: int


@_answer
class CartReserved(Done):
    """MRESERVE: everything is held until `deadline_ms`."""

    deadline_ms: int


@_answer
class CartDone(Done):
    """MCONFIRM, MRELEASE, MEXTEND, MSPLIT, MRETURN: done in every pool."""


@_answer
class Added(Done):
    """ADD: what is on hand now."""

    on_hand: int
    available: int


@_answer
class Transferred(Done):
    """TRANSFER: what is in the pool that the units came from, and in the one that they went to."""

    on_hand: int
    available: int
    to_on_hand: int
    to_available: int


@_answer
class Reconciled(Done):
    """RECONCILE: the shelf was wrong by `drift`."""

    drift: int
    on_hand: int
    available: int


@_answer
class Exists(Done):
    """This call was made before, and nothing was done twice. `state` says where the order stands: `reserved`, `confirmed`,
    `returned`, `released`, `expired`; after ADD it is `added`, and `quantity` the delta; after
    TRANSFER `transferred`."""

    key: Any
    state: str
    quantity: int
    returned: int
    deadline_ms: int
    word = "EXISTS"


@_answer
class SoldOut(Refused):
    """Not enough units; a quantity of `available` may fit."""

    key: Any
    available: int
    word = "SOLDOUT"


@_answer
class Limited(Refused):
    """A purchase limit is reached: `used` of `max` by `value`, until `resets_ms` (0: never)."""

    key: Any
    limit: str
    value: tuple
    used: int
    max: int
    resets_ms: int
    word = "LIMITED"


@_answer
class Closed(Refused):
    """The order is over: `released`, `expired` or `returned`. Buy again under a new order id."""

    key: Any
    state: str
    word = "CLOSED"


@_answer
class Expired(Refused):
    """The hold is over. If money came in: confirm with `late=True`."""

    key: Any
    word = "EXPIRED"


@_answer
class AlreadyConfirmed(Refused):
    """RELEASE, AMEND, EXTEND or SPLIT of a paid order, or `replaces` of one: return it instead."""

    key: Any
    word = "CONFIRMED"


@_answer
class StillReserved(Refused):
    """RETURN of an order that is not paid: release it instead."""

    key: Any
    word = "RESERVED"


@_answer
class Suspended(Refused):
    """The pool takes no orders now."""

    key: Any
    word = "SUSPENDED"


@_answer
class NoOrder(Refused):
    """The pool does not know the order, or no longer."""

    key: Any
    word = "NOORDER"


@_answer
class NoPool(Refused):
    """No such pool."""

    key: Any
    word = "NOPOOL"


@_answer
class UnknownEpoch(Refused):
    """RECONCILE: the pool does not know this epoch. Read the stream anew, or reconcile without `after` in a quiet moment."""

    key: Any
    word = "UNKNOWN"


@_answer
class Early(Refused):
    """The sale has not begun: it does at `from_ms`."""

    key: Any
    from_ms: int
    word = "EARLY"


@_answer
class Ended(Refused):
    """The sale is over, since `until_ms`."""

    key: Any
    until_ms: int
    word = "ENDED"


@_answer
class OtherRefusal(Refused):
    """A refusal of a newer server; `word` says which."""

    key: Any
    word: str


@_answer
class OrderView:
    """ORDER: where an order stands. `attributes` are those that limits counted, and those that the policy's `remember` names."""

    state: str
    quantity: int
    returned: int
    deadline_ms: int
    attributes: dict


@_answer
class Usage:
    """USAGE: what is used of one limit. `values`, with `top`: by whom."""

    limit: str
    used: int
    max: int
    remaining: int
    resets_ms: int
    values: Optional[tuple] = None


@_answer
class Limit:
    """LIMITS: one limit; `max` -1 is unlimited; `overrides` are pairs of values and max."""

    limit: str
    max: int
    tz: str
    missing: str
    overrides: tuple


class StockError(Exception):
    """An error reply: a bug of the caller, or a server that takes no such call now. Nothing of what was asked was done.
    `code` is its first word: CONFLICT, NODIM, ERR, WRONGTYPE, OOM, NOREPLICAS, NOPERM, ..."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class Unanswered(Exception):
    """No answer within the time limit. The call may have been done: make the same call again, or RELEASE the order. `code` is that
    of the last error reply (TRYAGAIN, CLUSTERDOWN, ...), None where no answer came."""

    def __init__(self, code: Optional[str], message: str):
        super().__init__(message)
        self.code = code


def text(value: Any) -> str:
    """Words of the server, whatever the client makes of bulk strings."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _limited(key, limit, value, used, most, resets_ms):
    return Limited(key, text(limit), tuple(value), used, most, resets_ms)


def _exists(key, state, quantity, returned, deadline_ms):
    return Exists(key, text(state), quantity, returned, deadline_ms)


_OTHERS = {
    "EXISTS": _exists,
    "SOLDOUT": SoldOut,
    "LIMITED": _limited,
    "CLOSED": lambda key, state: Closed(key, text(state)),
    "EXPIRED": Expired,
    "CONFIRMED": AlreadyConfirmed,
    "RESERVED": StillReserved,
    "SUSPENDED": Suspended,
    "NOORDER": NoOrder,
    "NOPOOL": NoPool,
    "UNKNOWN": UnknownEpoch,
    "EARLY": Early,
    "ENDED": Ended,
}
_OTHERS.update({word.encode(): make for word, make in list(_OTHERS.items())})


def decision(done):
    """A parser: `done` makes the value of OK, the rest is the same for all commands."""

    makers = {**_OTHERS, "OK": done, b"OK": done}

    def parse(reply):
        word, *rest = reply
        make = makers.get(word)
        return make(*rest) if make else OtherRefusal(rest[0], text(word))

    return parse


def batch(one):
    """A parser of an array of answers. An error reply among them is a StockError in its place."""

    def parse(reply):
        return [StockError(code_of(str(r)), str(r)) if isinstance(r, Exception) else one(r) for r in reply]

    return parse


def mapping(reply: Any) -> dict:
    """A map: RESP3 has maps, RESP2 flat arrays."""
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2])
    return {text(name): value for name, value in pairs}


def done_or_not(reply: Any) -> bool:
    """SET: False where NX or XX forbade it."""
    return reply is not None


def order_view(reply: Any) -> Optional[OrderView]:
    if reply is None:
        return None
    view = mapping(reply)
    return OrderView(
        text(view["state"]), view["qty"], view["returned"], view["deadline_ms"], mapping(view["for"] or {})
    )


def pool_view(reply: Any) -> Optional[dict]:
    """GET: a dict by the names of the README; `orders` is a dict, too."""
    if reply is None:
        return None
    view = mapping(reply)
    for name in ("orders", "returning"):
        if name in view:
            view[name] = mapping(view[name])
    for name in ("epoch", "events"):
        view[name] = text(view[name])
    return view


def usages(reply: Any) -> Optional[list]:
    if reply is None:
        return None
    rows = [mapping(row) for row in reply]
    return [
        Usage(
            text(r["limit"]), r["used"], r["max"], r["remaining"], r["resets_ms"],
            tuple(r["values"]) if "values" in r else None,
        )
        for r in rows
    ]


def limits(reply: Any) -> Optional[list]:
    if reply is None:
        return None
    rows = [mapping(row) for row in reply]
    return [
        Limit(
            text(r["limit"]),
            r["max"],
            text(r["tz"]),
            text(r["missing"]),
            tuple((tuple(value), most) for value, most in r["overrides"]),
        )
        for r in rows
    ]


def order_page(reply: Any) -> Optional[tuple]:
    """ORDERS: the next cursor (0: the end) and pairs of order and state, or of order and view."""
    if reply is None:
        return None
    cursor, flat = reply
    pairs = zip(flat[::2], flat[1::2])
    return int(cursor), [(order, order_view(to) if isinstance(to, (dict, list)) else text(to)) for order, to in pairs]


def explained(reply: Any, answer: Any) -> dict:
    """EXPLAIN: the steps of a decision by their names; `answer` is what `reserve` would return. Of a key that is not there
    `exists` and `answer` alone."""
    view = mapping(reply)
    code = text(view["answer"][0])
    if code in ("CONFLICT", "NODIM", "ERR"):
        # An error is shown as its code and its text.
        view["answer"] = StockError(code, f"{code} {text(view['answer'][1])}")
    else:
        view["answer"] = answer(view["answer"])
    if "limits" in view:
        view["missing"] = [text(name) for name in view["missing"]]
        view["stock"], view["returning"] = mapping(view["stock"]), mapping(view["returning"])
        view["limits"] = [mapping(limit) for limit in view["limits"]]
        for limit in view["limits"]:
            limit["limit"], limit["verdict"] = text(limit["limit"]), text(limit["verdict"])
            limit["missing"] = [text(name) for name in limit["missing"]]
    return view


def verified(reply: Any) -> Optional[list]:
    """VERIFY: the differences; none is right."""
    if reply is None:
        return None
    return [text(line) for line in reply] if isinstance(reply, list) else [] if text(reply) == "OK" else [text(reply)]


def optional_text(reply: Any) -> Optional[str]:
    return None if reply is None else text(reply)


def as_is(reply: Any) -> Any:
    return reply
