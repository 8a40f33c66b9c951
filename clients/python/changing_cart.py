"""A cart that changes between basket and payment: python changing_cart.py redis://127.0.0.1:6379

Each version of the cart is an order of its own, which takes the place of the one before it.
"""

import sys

import redis

from redis_stock import AlreadyConfirmed, Refused, Stock, calls

# One hash tag: the pools of a cart share a slot.
TEA, SMALL, LARGE = "{7}tea", "{7}cup:small", "{7}cup:large"


class Cart:
    """What a buyer has in the basket, held in Redis."""

    def __init__(self, shop, name):
        self.shop, self.name = shop, name
        self.version, self.lines = 0, {}

    @property
    def order(self):
        return f"{self.name}-{self.version}"

    def change(self, lines, attributes):
        """Holds these lines in the place of those before. A refusal leaves the old ones held."""
        new = f"{self.name}-{self.version + 1}"
        # Every pool of the old cart is named: with 0 where the new one takes nothing.
        wanted = {pool: 0 for pool in self.lines} | lines
        old = self.order if self.version else None
        answer = self.shop.do(calls.reserve_cart(new, wanted, ex=900, replaces=old, attributes=attributes))
        if not isinstance(answer, Refused):
            self.version, self.lines = self.version + 1, lines
        return answer


def main(client):
    shop = Stock(client)
    shop.pipeline([
        calls.set_stock(TEA, 10, nx=True),
        calls.set_stock(SMALL, 1, nx=True),
        calls.set_stock(LARGE, 1, nx=True),
        calls.limit(TEA, "user", 3, per="DAY"),
    ])
    left = lambda: shop.do(calls.available(TEA, SMALL, LARGE))  # noqa: E731

    cart = Cart(shop, "basket")
    cart.change({TEA: 2, SMALL: 1}, {"user": "guest"})
    print("held:", *left())
    cart.change({TEA: 2, LARGE: 1}, {"user": "guest"})
    print("another size:", *left())
    no = cart.change({TEA: 2, LARGE: 2}, {"user": "guest"})
    print("refused:", no.word, no.key, *left())
    cart.change({TEA: 2}, {"user": "guest"})
    print("a line less:", *left())

    # The guest logs in: the order counts for the user, and for the guest no more.
    cart.change({TEA: 3}, {"user": 42})
    print("logged in:", cart.order, *left())

    # Two of three are ready to be shipped.
    shop.do(calls.split(TEA, cart.order, "shipment-1", 2))
    paid = shop.do(calls.confirm(TEA, "shipment-1"))
    print("paid:", paid.quantity, "of the tea,", shop.do(calls.order(TEA, cart.order)).quantity, "held")

    # The rest is paid meanwhile: it is not replaced any more.
    shop.do(calls.confirm_cart(cart.order, {TEA: 1}))
    late = cart.change({SMALL: 1}, {"user": 42})
    print("too late:", isinstance(late, AlreadyConfirmed), *left())


if __name__ == "__main__":
    main(redis.Redis.from_url(sys.argv[1], decode_responses=True))
