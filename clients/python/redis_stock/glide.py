"""Carries calls out through valkey-glide: `GlideClient` and `GlideClusterClient`."""

from __future__ import annotations

import asyncio
from typing import Any, Sequence

from glide import Batch, ClosingError, ClusterBatch, GlideClusterClient, RequestError, SlotKeyRoute, SlotType
from glide import ConnectionError as GlideConnectionError
from glide import TimeoutError as GlideTimeoutError

from .answers import StockError
from .calls import Call, T
from .client import Pauses
from .repeat import PASSES, WITHIN


def _words(call: Call) -> list:
    # glide sends texts and bytes only.
    return [str(word) if type(word) is int else word for word in call.words]


# glide rewrites error replies. A code that it knows becomes a word of its own behind this text; of others the code stays, with
# a colon (`CONFLICT: ...`). Everything else is the client's own, and nobody knows what was done.
_SIGNALLED = "An error was signalled by the server: - "
_KNOWN = {
    "ResponseError": "ERR",
    "PermissionDenied": "NOPERM",
    "CrossSlot": "CROSSSLOT",
    "TryAgain": "TRYAGAIN",
    "ReadOnly": "READONLY",
    "BusyLoadingError": "LOADING",
    "ClusterDown": "CLUSTERDOWN",
    "MasterDown": "MASTERDOWN",
}


def _reply(error: Exception) -> tuple:
    """Code and text of an error reply; the code is None for an error of the client's own."""
    message = str(error)
    if isinstance(error, (GlideConnectionError, GlideTimeoutError)):
        return None, message
    signalled = message.startswith(_SIGNALLED)
    word, colon, text = message.removeprefix(_SIGNALLED).partition(": ")
    code = _KNOWN.get(word) if signalled else word if colon and word.isupper() and word.isalpha() else None
    return code, text


def _judge(error: Exception):
    """The error that the caller gets, or None: the same call again may succeed."""
    code, text = _reply(error)
    return None if code is None or code in PASSES else StockError(code, text)


def _code(error: Exception):
    return _reply(error)[0]


def _is_of_one_order(call: Call, error: StockError) -> bool:
    """Where an order of a batch has an error, glide raises it and drops the other answers: the orders are then asked for one by
    one, and what the batch has just done is answered `Exists`. Of all errors only these two concern one order."""
    return call.each is not None and error.code in ("CONFLICT", "NODIM")


class GlideStock:
    """Sells through a `GlideClient` or `GlideClusterClient`. The client's `request_timeout` bounds one attempt.

    `replicas`: what only reads goes to replicas (of a cluster; else set `read_from` of the client).
    """

    def __init__(self, client: Any, within: float = WITHIN, replicas: bool = False):
        self._client = client
        self._within = within
        self._cluster = isinstance(client, GlideClusterClient)
        self._reads = SlotType.REPLICA if replicas else SlotType.PRIMARY

    async def do(self, call: Call[T]) -> T:
        """Carries a call out. Raises StockError for an error reply, Unanswered when the time is over."""
        left = None
        while True:
            try:
                if self._cluster:
                    # Without a route glide looks for the key in the first argument, which is the order of a cart.
                    return call.parse(await self._client.custom_command(_words(call), self._route(call)))
                return call.parse(await self._client.custom_command(_words(call)))
            except ClosingError:
                raise
            except RequestError as caught:
                error = caught
            final = _judge(error)
            if final is not None:
                if _is_of_one_order(call, final):
                    return await self.pipeline(call.each())
                raise final from error
            left = left or Pauses(self._within, _code)
            await asyncio.sleep(left.next(error))

    def _route(self, call: Call) -> SlotKeyRoute:
        key = call.key if isinstance(call.key, str) else call.key.decode("utf-8", "surrogateescape")
        return SlotKeyRoute(self._reads if call.reads else SlotType.PRIMARY, key)

    async def pipeline(self, calls: Sequence[Call]) -> list:
        """All calls in one go: their answers in order, a StockError in the place of an error reply.

        A batch of glide in a cluster cannot be told where a cart goes: carts are sent beside it.
        """
        answers: list = [None] * len(calls)
        todo = list(range(len(calls)))
        if self._cluster:
            carts = [n for n in todo if calls[n].words[1] != calls[n].key]
            todo = [n for n in todo if calls[n].words[1] == calls[n].key]
            for n, answer in zip(carts, await asyncio.gather(*(self._settled(calls[n]) for n in carts))):
                answers[n] = answer
        left = Pauses(self._within, _code)
        while todo:
            error: Any = None
            try:
                batch = ClusterBatch(is_atomic=False) if self._cluster else Batch(is_atomic=False)
                for n in todo:
                    batch.custom_command(_words(calls[n]))
                replies = await self._client.exec(batch, raise_on_error=False)
                again = []
                for n, reply in zip(todo, replies):
                    if not isinstance(reply, Exception):
                        answers[n] = calls[n].parse(reply)
                        continue
                    answers[n] = _judge(reply)
                    if answers[n] is None:
                        again.append(n)
                        error = reply
                todo = again
            except ClosingError:
                raise
            except RequestError as caught:
                if _judge(caught) is not None:
                    raise
                error = caught
            if todo:
                await asyncio.sleep(left.next(error))
        for n, answer in enumerate(answers):
            if isinstance(answer, StockError) and _is_of_one_order(calls[n], answer):
                answers[n] = await self.pipeline(calls[n].each())
        return answers

    async def _settled(self, call: Call) -> Any:
        try:
            return await self.do(call)
        except StockError as error:
            return error

