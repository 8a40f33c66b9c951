"""The commands. Each function makes a `Call`, which a `Stock` or `AsyncStock` carries out, alone or in a pipeline.

A call carries an order id or a token, so the same call again changes nothing. `attributes` are what limits count by:
`{"user": 42}`. A time to hold is one of `ex` (seconds), `px` (milliseconds), `pxat` (Unix time in milliseconds).
"""

from __future__ import annotations

from typing import Any, Generic, Iterable, Mapping, Optional, Sequence, TypeVar, Union

from . import answers as a

T = TypeVar("T")
Bytes = Union[str, bytes, int]
Attributes = Optional[Mapping[str, Bytes]]


class Call(Generic[T]):
    """A command that has not been sent: its words, the pool that decides where it goes, and how its reply is read."""

    __slots__ = ("words", "key", "parse", "reads", "each")

    def __init__(self, words, key, parse, reads=False, each=None):
        self.words = words
        self.key = key
        self.parse = parse
        self.reads = reads
        #: Of a batch: makes the call of each of its orders.
        self.each = each

    def __repr__(self):
        return f"Call({self.words!r})"


def _until(words, ex, px, pxat):
    if ex is not None:
        words += ("EX", ex)
    if px is not None:
        words += ("PX", px)
    if pxat is not None:
        words += ("PXAT", pxat)


def _replaces(words, replaces):
    if replaces is not None:
        words += ("REPLACES", replaces)


def _note(words, note):
    if note is not None:
        words += ("NOTE", note)


def _for(words, attributes):
    if attributes:
        words.append("FOR")
        for pair in attributes.items():
            words += pair


_reserved = a.decision(a.Reserved)
_confirmed = a.decision(a.Confirmed)
_reserved_batch = a.batch(_reserved)
_confirmed_batch = a.batch(_confirmed)
_released = a.decision(a.Released)
_amended = a.decision(a.Amended)
_split = a.decision(a.Split)
_extended = a.decision(a.Extended)
_returned = a.decision(a.Returned)
_cart_reserved = a.decision(a.CartReserved)
_cart_done = a.decision(a.CartDone)
_added = a.decision(a.Added)
_transferred = a.decision(a.Transferred)
_reconciled = a.decision(a.Reconciled)


def reserve(
    key: Bytes, order: Bytes, quantity: int, *, ex: Optional[int] = None, px: Optional[int] = None,
    pxat: Optional[int] = None, partial: bool = False, replaces: Optional[Bytes] = None, attributes: Attributes = None,
) -> Call[a.Reserved | a.Exists | a.Refused]:
    """Holds units, if stock and every limit allow it. `partial` takes as many as they allow, at least 1. `replaces` names
    an order whose hold is given up in the same step; it is kept where this one is refused."""
    words = ["STOCK.RESERVE", key, order, quantity]
    _until(words, ex, px, pxat)
    if partial:
        words.append("PARTIAL")
    _replaces(words, replaces)
    _for(words, attributes)
    return Call(words, key, _reserved)


def check(key: Bytes, quantity: int, *, attributes: Attributes = None) -> Call[a.Reserved | a.Refused]:
    """What `reserve` of a new order would answer."""
    words = ["STOCK.CHECK", key, quantity]
    _for(words, attributes)
    return Call(words, key, _reserved, True)


def confirm(
    key: Bytes, order: Bytes, *, quantity: Optional[int] = None, late: bool = False, since_ms: Optional[int] = None,
    attributes: Attributes = None,
) -> Call[a.Confirmed | a.Exists | a.Refused]:
    """Turns a hold into a sale. `late`: also one that has expired, if stock and limits still allow it."""
    words = ["STOCK.CONFIRM", key, order]
    if quantity is not None:
        words += ("QTY", quantity)
    if late:
        words.append("LATE")
    if since_ms is not None:
        words += ("SINCE", since_ms)
    _for(words, attributes)
    return Call(words, key, _confirmed)


def reserve_batch(
    key: Bytes, orders: Sequence[tuple[Bytes, int, Attributes]], *, ex: Optional[int] = None, px: Optional[int] = None,
    pxat: Optional[int] = None,
) -> Call[list[a.Reserved | a.Exists | a.Refused | a.StockError]]:
    """RESERVEBATCH: up to 128 orders, (order, quantity, attributes) each, all with the same dimensions. Each is judged as by
    a `reserve` of its own; a list of their answers, with a StockError in the place of an error reply."""
    dims = sorted(orders[0][2] or {}, key=str)
    words = ["STOCK.RESERVEBATCH", key]
    _until(words, ex, px, pxat)
    if dims:
        words += ("DIMS", len(dims), *dims)
    words += ("ORDERS", len(orders))
    for order, quantity, attributes in orders:
        if sorted(attributes or {}, key=str) != dims:
            raise ValueError("the orders of a batch have the same dimensions")
        words += (order, quantity)
        words += (attributes[dim] for dim in dims)

    def each():
        return [reserve(key, order, n, ex=ex, px=px, pxat=pxat, attributes=given) for order, n, given in orders]

    return Call(words, key, _reserved_batch, each=each)


def confirm_batch(key: Bytes, orders: Sequence[Bytes]) -> Call[list[a.Confirmed | a.Exists | a.Refused | a.StockError]]:
    """CONFIRMBATCH: up to 128 orders, each judged as by a `confirm` of its own."""
    words = ["STOCK.CONFIRMBATCH", key, "ORDERS", len(orders), *orders]
    return Call(words, key, _confirmed_batch, each=lambda: [confirm(key, order) for order in orders])


def release(key: Bytes, order: Bytes) -> Call[a.Released | a.Exists | a.Refused]:
    """Gives up a hold. `NoOrder` is remembered: a `reserve` that arrives later takes nothing."""
    return Call(["STOCK.RELEASE", key, order], key, _released)


def amend(key: Bytes, order: Bytes, quantity: int) -> Call[a.Amended | a.Exists | a.Refused]:
    """The hold's new total."""
    return Call(["STOCK.AMEND", key, order, quantity], key, _amended)


def split(key: Bytes, order: Bytes, part: Bytes, quantity: int) -> Call[a.Split | a.Exists | a.Refused]:
    """Some units of a hold become an order of their own, with the same deadline."""
    return Call(["STOCK.SPLIT", key, order, part, quantity], key, _split)


def extend(
    key: Bytes, order: Bytes, *, ex: Optional[int] = None, px: Optional[int] = None, pxat: Optional[int] = None
) -> Call[a.Extended | a.Refused]:
    """Moves the deadline of a hold, never to an earlier time."""
    words = ["STOCK.EXTEND", key, order]
    _until(words, ex, px, pxat)
    return Call(words, key, _extended)


def refund(
    key: Bytes, order: Bytes, *, quantity: Optional[int] = None, token: Optional[Bytes] = None, late: bool = False,
    keep_usage: bool = False, no_restock: bool = False, attributes: Attributes = None,
) -> Call[a.Returned | a.Exists | a.Refused]:
    """RETURN: all that is left, or `quantity` of it under a `token` that makes the refund repeatable. `late`: also of an order
    that is forgotten; with `attributes` its buyer's limits get the units back, too."""
    if (quantity is None) != (token is None):
        raise ValueError("a part needs quantity and token")
    words = ["STOCK.RETURN", key, order]
    if quantity is not None:
        words += ("QTY", quantity, "TOKEN", token)
    if late:
        words.append("LATE")
    if keep_usage:
        words.append("KEEPUSAGE")
    if no_restock:
        words.append("NORESTOCK")
    _for(words, attributes)
    return Call(words, key, _returned)


def _cart(verb, order, keys):
    keys = list(keys)
    return [verb, order, len(keys), *keys], keys[0]


def reserve_cart(
    order: Bytes, lines: Mapping[Bytes, int], *, ex: Optional[int] = None, px: Optional[int] = None,
    pxat: Optional[int] = None, replaces: Optional[Bytes] = None, attributes: Attributes = None,
) -> Call[a.CartReserved | a.Exists | a.Refused]:
    """MRESERVE: `lines` is {pool: quantity}. All of it, or nothing. In a cluster the pools share a hash tag. `replaces` names
    a cart whose holds in these pools are given up in the same step; a pool in which only that one has units has quantity 0."""
    words, key = _cart("STOCK.MRESERVE", order, lines)
    words.append("QTY")
    words += lines.values()
    _until(words, ex, px, pxat)
    _replaces(words, replaces)
    _for(words, attributes)
    return Call(words, key, _cart_reserved)


def confirm_cart(
    order: Bytes, keys: Iterable[Bytes] | Mapping[Bytes, int], *, late: bool = False
) -> Call[a.CartDone | a.Exists | a.Refused]:
    """MCONFIRM: the pools, or {pool: quantity} to sell less than is held and release the rest."""
    words, key = _cart("STOCK.MCONFIRM", order, keys)
    if isinstance(keys, Mapping):
        words += ("QTY", *keys.values())
    if late:
        words.append("LATE")
    return Call(words, key, _cart_done)


def split_cart(order: Bytes, part: Bytes, lines: Mapping[Bytes, int]) -> Call[a.CartDone | a.Exists | a.Refused]:
    """MSPLIT: `lines` is {pool: quantity}, what goes over to `part`. In all pools or in none."""
    words, key = _cart("STOCK.MSPLIT", order, lines)
    words.insert(2, part)
    words.append("QTY")
    words += lines.values()
    return Call(words, key, _cart_done)


def release_cart(order: Bytes, keys: Iterable[Bytes]) -> Call[a.CartDone | a.Exists | a.Refused]:
    words, key = _cart("STOCK.MRELEASE", order, keys)
    return Call(words, key, _cart_done)


def extend_cart(
    order: Bytes, keys: Iterable[Bytes], *, ex: Optional[int] = None, px: Optional[int] = None,
    pxat: Optional[int] = None,
) -> Call[a.CartDone | a.Refused]:
    words, key = _cart("STOCK.MEXTEND", order, keys)
    _until(words, ex, px, pxat)
    return Call(words, key, _cart_done)


def refund_cart(
    order: Bytes, keys: Iterable[Bytes], *, keep_usage: bool = False, no_restock: bool = False
) -> Call[a.CartDone | a.Exists | a.Refused]:
    """MRETURN: all that is left, in all pools or in none."""
    words, key = _cart("STOCK.MRETURN", order, keys)
    if keep_usage:
        words.append("KEEPUSAGE")
    if no_restock:
        words.append("NORESTOCK")
    return Call(words, key, _cart_done)


# `note` says who and why: it is published with the change, in the pool's event stream, and kept nowhere else.


def set_stock(
    key: Bytes, on_hand: int | str, *, nx: bool = False, xx: bool = False, policy: Optional[str] = None,
    note: Optional[Bytes] = None,
) -> Call[bool]:
    """Creates the pool, or corrects what is on hand ("UNLIMITED" too). False where NX or XX forbade it; after a lost answer
    NX may have been the call's own doing. With NX, `policy` (JSON) is the pool's from its first moment on."""
    words = ["STOCK.SET", key, on_hand]
    if nx:
        words.append("NX")
    if xx:
        words.append("XX")
    if policy is not None:
        words += ("POLICY", policy)
    _note(words, note)
    return Call(words, key, a.done_or_not)


def add(
    key: Bytes, delta: int, token: Bytes, *, note: Optional[Bytes] = None
) -> Call[a.Added | a.Exists | a.Refused]:
    """A restock, or a write-off (negative). The token, the delivery's number say, makes it repeatable."""
    words = ["STOCK.ADD", key, delta, "TOKEN", token]
    _note(words, note)
    return Call(words, key, _added)


def transfer(
    from_: Bytes, to: Bytes, quantity: int, token: Bytes, *, note: Optional[Bytes] = None
) -> Call[a.Transferred | a.Exists | a.Refused]:
    """Moves free units to another pool of the same slot. The token, the movement's number say, makes it repeatable."""
    words = ["STOCK.TRANSFER", from_, to, quantity, "TOKEN", token]
    _note(words, note)
    return Call(words, from_, _transferred)


def reconcile(
    key: Bytes, on_hand: int, *, after: Optional[Sequence[Bytes]] = None, dry_run: bool = False,
    note: Optional[Bytes] = None,
) -> Call[a.Reconciled | a.Refused]:
    """Corrects what is on hand. `after` is (epoch, seq, out) of the last event that the database has followed."""
    words = ["STOCK.RECONCILE", key, on_hand]
    if after is not None:
        words += ("AFTER", *after)
    if dry_run:
        words.append("DRYRUN")
    _note(words, note)
    return Call(words, key, _reconciled)


def suspend(key: Bytes, *, note: Optional[Bytes] = None) -> Call[bool | a.Refused]:
    words = ["STOCK.SUSPEND", key]
    _note(words, note)
    return Call(words, key, _switched)


def resume(key: Bytes, *, note: Optional[Bytes] = None) -> Call[bool | a.Refused]:
    words = ["STOCK.RESUME", key]
    _note(words, note)
    return Call(words, key, _switched)


def set_policy(key: Bytes, json: str, *, merge: bool = False, note: Optional[Bytes] = None) -> Call[bool | a.Refused]:
    """Replaces the whole policy; with `merge` (a JSON merge patch) only what it names."""
    words = ["STOCK.SETPOLICY", key, json]
    if merge:
        words.append("MERGE")
    _note(words, note)
    return Call(words, key, _switched)


def schedule(
    key: Bytes, *, from_ms: Optional[int | str] = None, until_ms: Optional[int | str] = None,
    note: Optional[Bytes] = None,
) -> Call[bool | a.Refused]:
    """Sets from when and until when the pool sells, in Unix ms; "NONE" removes a bound, None leaves it."""
    words = ["STOCK.SCHEDULE", key]
    for name, at_ms in (("FROM", from_ms), ("UNTIL", until_ms)):
        if at_ms is not None:
            words += (name, at_ms)
    _note(words, note)
    return Call(words, key, _switched)


def _window(words, per, rolling):
    if per is not None:
        words += ("PER", per)
    if rolling:
        words.append("ROLLING")


def limit(
    key: Bytes, by: str, max: int | str, *, per: Optional[Bytes] = None, rolling: bool = False, tz: Optional[str] = None,
    count: Optional[str] = None, missing: Optional[str] = None, note: Optional[Bytes] = None,
    override: Sequence[Bytes] = (),
) -> Call[bool | a.Refused]:
    """Sets a limit, or for the values of `override` another maximum. `rolling`: the last `per` seconds, whenever one looks."""
    words = ["STOCK.LIMIT", key, by, max]
    _window(words, per, rolling)
    for name, value in (("TZ", tz), ("COUNT", count), ("MISSING", missing), ("NOTE", note)):
        if value is not None:
            words += (name, value)
    if override:
        words += ("FOR", *override)
    return Call(words, key, _switched)


def unlimit(
    key: Bytes, by: str, *, per: Optional[Bytes] = None, rolling: bool = False, count: Optional[str] = None,
    note: Optional[Bytes] = None, override: Sequence[Bytes] = (),
) -> Call[int | a.Refused]:
    """Removes a limit with its usage, or one override: how many were removed."""
    words = ["STOCK.UNLIMIT", key, by]
    _window(words, per, rolling)
    for name, value in (("COUNT", count), ("NOTE", note)):
        if value is not None:
            words += (name, value)
    if override:
        words += ("FOR", *override)
    return Call(words, key, _number)


def sweep(key: Bytes, count: Optional[int] = None) -> Call[int | a.Refused]:
    """Returns due holds now: how many."""
    words = ["STOCK.SWEEP", key]
    if count is not None:
        words += ("COUNT", count)
    return Call(words, key, _number)


def available(*keys: Bytes) -> Call[list[Optional[int]]]:
    """What can be reserved now, in each pool: -1 unlimited, None no pool. In a cluster the pools share a hash tag."""
    return Call(["STOCK.AVAILABLE", *keys], keys[0], a.as_is, True)


def explain(key: Bytes, quantity: Optional[int] = None, *, attributes: Attributes = None) -> Call[dict]:
    """Why `reserve` of a new order (of one unit, if not said) would be answered as it would, step by step; `answer` is what it
    would return, a StockError where it would raise one."""
    words = ["STOCK.EXPLAIN", key]
    if quantity is not None:
        words.append(quantity)
    _for(words, attributes)
    return Call(words, key, _explained, True)


def order(key: Bytes, order: Bytes) -> Call[Optional[a.OrderView]]:
    return Call(["STOCK.ORDER", key, order], key, a.order_view, True)


def orders(
    key: Bytes, cursor: Bytes = 0, *, state: Optional[str] = None, details: bool = False, count: Optional[int] = None,
    attributes: Attributes = None,
) -> Call[Optional[tuple[int, list[tuple[Any, str | a.OrderView]]]]]:
    """A page of the orders: the next cursor (0: the end), and pairs of order and state; with `details` of order and
    `OrderView`. `attributes`: those of a buyer, as far as limits or the policy's `remember` name them."""
    words = ["STOCK.ORDERS", key, cursor]
    if state is not None:
        words += ("STATE", state)
    if details:
        words.append("DETAILS")
    if count is not None:
        words += ("COUNT", count)
    _for(words, attributes)
    return Call(words, key, a.order_page, True)


def get(key: Bytes, *, returning: bool = False) -> Call[Optional[dict]]:
    """Everything about a pool, by the names of the README; with `returning` also when held units come back if nobody pays."""
    return Call(["STOCK.GET", key, "RETURNING"] if returning else ["STOCK.GET", key], key, a.pool_view, True)


def usage(key: Bytes, *, top: Optional[int] = None, attributes: Attributes = None) -> Call[Optional[list[a.Usage]]]:
    """What each limit has counted for these attributes; `top`: for those that used most."""
    words = ["STOCK.USAGE", key]
    if top is not None:
        words += ("TOP", top)
    _for(words, attributes)
    return Call(words, key, a.usages, True)


def limits(key: Bytes) -> Call[Optional[list[a.Limit]]]:
    return Call(["STOCK.LIMITS", key], key, a.limits, True)


def policy(key: Bytes) -> Call[Optional[str]]:
    """The policy, as JSON that `set_policy` takes."""
    return Call(["STOCK.POLICY", key], key, a.optional_text, True)


def verify(key: Bytes) -> Call[Optional[list[str]]]:
    """Recomputes every sum of the pool: the differences, none where all is right. Slow."""
    return Call(["STOCK.VERIFY", key], key, a.verified, True)


def _explained(reply):
    return a.explained(reply, _reserved)


def _switched(reply):
    return True if not isinstance(reply, list) else a.decision(lambda: True)(reply)


def _number(reply):
    return reply if isinstance(reply, int) else a.decision(lambda n=0: n)(reply)
