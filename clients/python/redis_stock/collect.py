"""Collects the calls of many buyers into one: STOCK.RESERVEBATCH and STOCK.CONFIRMBATCH.

    shop = Collector(AsyncStock(redis.asyncio.Redis(...)))
    answer = await shop.reserve("sku:618", "order-6", 2, ex=900, attributes={"user": 43})

What many tasks ask for within a millisecond goes to the server as one call for each pool, and each task gets the answer of
its own order. That costs a buyer up to `wait` seconds and spares the server most of a call's cost.
"""

from __future__ import annotations

import asyncio

from . import calls
from .answers import StockError

#: The most orders that the server takes in one call.
MOST = 128


class _Batch:
    __slots__ = ("orders", "futures", "timer")

    def __init__(self, timer):
        self.orders = []
        self.futures = []
        self.timer = timer


class Collector:
    """Through an `AsyncStock`. A batch is sent when it has `most` orders, or `wait` seconds after its first."""

    def __init__(self, shop, most: int = 64, wait: float = 0.001):
        if not 1 <= most <= MOST:
            raise ValueError(f"1 to {MOST} orders")
        self._shop = shop
        self._most = most
        self._wait = wait
        self._open = {}
        self._sending = set()

    async def reserve(self, key, order, quantity, *, ex=None, px=None, pxat=None, attributes=None):
        """As `calls.reserve`."""
        hold = {"ex": ex, "px": px, "pxat": pxat}
        group = ("reserve", key, *hold.values(), *sorted(attributes or {}, key=str))
        return await self._join(
            group, (order, quantity, attributes), lambda orders: calls.reserve_batch(key, orders, **hold),
            lambda one: calls.reserve(key, one[0], one[1], attributes=one[2], **hold),
        )

    async def confirm(self, key, order):
        """As `calls.confirm` without options."""
        return await self._join(
            ("confirm", key), order, lambda orders: calls.confirm_batch(key, orders), lambda one: calls.confirm(key, one)
        )

    async def _join(self, group, order, together, alone):
        loop = asyncio.get_running_loop()
        batch = self._open.get(group)
        if batch is None:
            timer = loop.call_later(self._wait, self._send, group, together, alone)
            batch = self._open[group] = _Batch(timer)
        future = loop.create_future()
        batch.orders.append(order)
        batch.futures.append(future)
        if len(batch.orders) >= self._most:
            self._send(group, together, alone)
        return await future

    def _send(self, group, together, alone):
        batch = self._open.pop(group)
        batch.timer.cancel()
        task = asyncio.ensure_future(self._answer(batch, together, alone))
        # Whoever asked may go away: the batch is sent for the others.
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _answer(self, batch, together, alone):
        try:
            try:
                answers = await self._shop.do(together(batch.orders))
            except StockError as error:
                if error.code != "ERR":
                    raise
                # One order has arguments that the server refuses, and with it the whole call: it must not harm the others.
                answers = await self._shop.pipeline([alone(order) for order in batch.orders])
        except Exception as error:
            answers = [error] * len(batch.orders)
        for future, answer in zip(batch.futures, answers):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
