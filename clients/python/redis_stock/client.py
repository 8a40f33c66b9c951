"""Carries calls out through redis-py: `redis.Redis`, `redis.RedisCluster`, and both of `redis.asyncio`."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Optional, Sequence

import redis
import redis.asyncio

from .answers import StockError, Unanswered
from .calls import Call, T
from .repeat import PASSES, WITHIN, code_of, pauses

# Nobody knows whether the call was done, or no node serves the slot just now.
_UNSURE = (
    redis.ConnectionError,
    redis.TimeoutError,
    # "TTL exhausted": RedisCluster repeats TRYAGAIN by itself, and gives up after 0.4 s.
    redis.exceptions.ClusterError,
    redis.exceptions.RedisClusterException,
    OSError,
)
# These are connection errors to redis-py, but repeating does not help.
_FINAL = (redis.exceptions.AuthenticationError, redis.exceptions.CrossSlotTransactionError)
_CAUGHT = (redis.RedisError, redis.exceptions.RedisClusterException, OSError)
# redis-py takes the code off these messages.
_CODES = {
    redis.exceptions.NoPermissionError: "NOPERM",
    redis.exceptions.OutOfMemoryError: "OOM",
    redis.exceptions.ClusterCrossSlotError: "CROSSSLOT",
    redis.exceptions.ReadOnlyError: "READONLY",
    redis.exceptions.TryAgainError: "TRYAGAIN",
    redis.exceptions.MovedError: "MOVED",
    redis.exceptions.AskError: "ASK",
}


# More that pass, but whose code the type tells.
_CODES.update({
    redis.exceptions.ClusterDownError: "CLUSTERDOWN",
    redis.exceptions.MasterDownError: "MASTERDOWN",
    redis.exceptions.BusyLoadingError: "LOADING",
    redis.exceptions.ClusterError: "TRYAGAIN",
})


def _code(error: Exception) -> Optional[str]:
    """The code of an error reply; None for an error of the client's own."""
    code = _CODES.get(type(error))
    return code or (code_of(str(error)) if isinstance(error, redis.ResponseError) else None)


def _judge(error: Exception) -> Optional[StockError]:
    """The error that the caller gets, or None: the same call again may succeed."""
    if isinstance(error, _FINAL):
        raise error
    if isinstance(error, _UNSURE):
        return None
    if not isinstance(error, redis.ResponseError):
        raise error
    code = _code(error)
    return None if code in PASSES else StockError(code, str(error))


class Pauses:
    """The time that is left for one call."""

    def __init__(self, within: float, code_of=_code):
        self._end = time.monotonic() + within
        self._pauses = pauses()
        self._code_of = code_of

    def next(self, error: Exception) -> float:
        pause = next(self._pauses)
        if time.monotonic() + pause > self._end:
            raise Unanswered(self._code_of(error), f"no answer within the time limit: {error!r}") from error
        return pause


class _Base:
    def __init__(self, client: Any, replica: Any = None, within: float = WITHIN):
        self._client = client
        self._replica = replica or client
        self._within = within
        self._cluster = isinstance(client, (redis.RedisCluster, redis.asyncio.RedisCluster))

    def _target(self, call: Call) -> Any:
        """The node of the cluster that gets the call. Looked up anew each time: the slot may have a new owner."""
        client = self._client
        if call.reads and (client.read_from_replicas or client.load_balancing_strategy):
            return client.nodes_manager.get_node_from_slot(
                client.keyslot(call.key), client.read_from_replicas, client.load_balancing_strategy
            )
        return client.get_node_from_key(call.key)

    def _fill(self, pipe: Any, calls: Sequence[Call], todo: Sequence[int]) -> None:
        for n in todo:
            call = calls[n]
            if self._cluster:
                pipe.execute_command(*call.words, target_nodes=self._target(call))
            else:
                pipe.execute_command(*call.words)


def _sort(calls, todo, replies, answers):
    """Puts the replies of a pipeline in their places: those to send again, and the last error of one."""
    again, last = [], None
    for n, reply in zip(todo, replies):
        if isinstance(reply, Exception):
            error = _judge(reply)
            if error is None:
                again.append(n)
                last = reply
                continue
            answers[n] = error
        else:
            answers[n] = calls[n].parse(reply)
    return again, last


class Stock(_Base):
    """Sells through `redis.Redis` or `redis.RedisCluster`. Give the client a `socket_timeout`.

    `within`: seconds in which a call is repeated with the same order id until there is an answer.
    `replica`: a `redis.Redis` of a replica, for what only reads; with a cluster use its `read_from_replicas`.
    """

    def do(self, call: Call[T]) -> T:
        """Carries a call out. Raises StockError for an error reply, Unanswered when the time is over."""
        left = None
        while True:
            try:
                if self._cluster:
                    return call.parse(self._client.execute_command(*call.words, target_nodes=self._target(call)))
                client = self._replica if call.reads else self._client
                return call.parse(client.execute_command(*call.words))
            except _CAUGHT as caught:
                error = caught
            final = _judge(error)
            if final is not None:
                raise final from error
            left = left or Pauses(self._within)
            time.sleep(left.next(error))

    def pipeline(self, calls: Sequence[Call]) -> list:
        """All calls in one go to each node: their answers in order, a StockError in the place of an error reply."""
        answers: list = [None] * len(calls)
        todo: Sequence[int] = range(len(calls))
        left = Pauses(self._within)
        while todo:
            try:
                # No MULTI around them: each call stands for itself.
                pipe = self._client.pipeline() if self._cluster else self._client.pipeline(transaction=False)
                self._fill(pipe, calls, todo)
                todo, error = _sort(calls, todo, pipe.execute(raise_on_error=False), answers)
            except _CAUGHT as caught:
                if _judge(caught) is not None:
                    raise
                error = caught
            if todo:
                time.sleep(left.next(error))
        return answers


class AsyncStock(_Base):
    """As `Stock`, through `redis.asyncio.Redis` or `redis.asyncio.RedisCluster`."""

    async def do(self, call: Call[T]) -> T:
        left = None
        while True:
            try:
                if self._cluster:
                    # The slots are known only then; and after a failure the client forgets them.
                    if self._client._initialize:
                        await self._client.initialize()
                    return call.parse(await self._client.execute_command(*call.words, target_nodes=self._target(call)))
                client = self._replica if call.reads else self._client
                return call.parse(await client.execute_command(*call.words))
            except _CAUGHT as caught:
                error = caught
            final = _judge(error)
            if final is not None:
                raise final from error
            left = left or Pauses(self._within)
            await asyncio.sleep(left.next(error))

    async def pipeline(self, calls: Sequence[Call]) -> list:
        answers: list = [None] * len(calls)
        todo: Sequence[int] = range(len(calls))
        left = Pauses(self._within)
        while todo:
            try:
                if self._cluster:
                    if self._client._initialize:
                        await self._client.initialize()
                    pipe = self._client.pipeline()
                else:
                    pipe = self._client.pipeline(transaction=False)
                self._fill(pipe, calls, todo)
                todo, error = _sort(calls, todo, await pipe.execute(raise_on_error=False), answers)
            except _CAUGHT as caught:
                if _judge(caught) is not None:
                    raise
                error = caught
            if todo:
                await asyncio.sleep(left.next(error))
        return answers
