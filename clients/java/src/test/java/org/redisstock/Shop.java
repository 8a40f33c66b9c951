package org.redisstock;

import java.io.PrintStream;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A small shop: preload, limits, a sale, a cart, pay, cancel, poll, a payment that comes too late, a refund. */
final class Shop {
    // One hash tag: the pools of a cart share a slot.
    private static final String PEN = "{618}pen";
    private static final String INK = "{618}ink";
    private static final String CAP = "{618}cap";
    private static final Hold QUARTER = Hold.seconds(900);

    private final Stock stock;
    private final PrintStream out;

    Shop(Stock stock, PrintStream out) {
        this.stock = stock;
        this.out = out;
    }

    private static Map<String, String> user(int id) {
        return Options.attributes("user", Integer.toString(id));
    }

    void run() throws InterruptedException {
        // Before the sale. A second run does not put sold units back.
        stock.create(PEN, 10);
        stock.create(INK, 5);
        stock.createUnlimited(CAP);
        stock.limit(PEN, "user", 2, "DAY");
        stock.limit(CAP, "user", 4, null);
        out.println("preloaded");

        // One call per sale: it checks stock and limits, takes the units, and remembers the order.
        Results.Held held = stock.reserve(PEN, "order-1", 2, QUARTER, user(42)).value();
        out.println("held: " + held.quantity() + ", " + held.available() + " left");
        // Where an answer gets lost the library asks again: exists, in the state reserved.
        sell("order-lost", 43);
        sell("order-slow", 44);

        if (stock.reserve(PEN, "order-2", 1, null, user(42)) instanceof Outcome.Refused<?> no
                && no.refusal() instanceof Refusal.Limited limited) {
            out.println("refused: LIMITED " + limited.limit() + ", " + limited.used() + " of " + limited.max());
        }
        if (stock.reserve(INK, "order-3", 6, null, user(45)) instanceof Outcome.Refused<?> no
                && no.refusal() instanceof Refusal.SoldOut soldOut) {
            out.println("refused: SOLDOUT, " + soldOut.available() + " left");
        }

        // A cart: all of it, or nothing.
        Map<String, Long> cart = new LinkedHashMap<>();
        cart.put(PEN, 1L);
        cart.put(INK, 1L);
        cart.put(CAP, 2L);
        if (stock.reserveCart("order-cart", cart, QUARTER, user(45)).isHeld()) {
            out.println("cart held");
        }
        Map<String, Long> large = new LinkedHashMap<>();
        large.put(INK, 3L);
        large.put(CAP, 3L);
        if (stock.reserveCart("order-cart-2", large, null, user(45)) instanceof Outcome.Refused<?> no) {
            out.println("cart refused: " + no.refusal().word() + " " + no.refusal().key());
        }

        // Paid, cancelled, and the page that polls.
        Results.Confirmed paid = stock.confirm(PEN, "order-1").value();
        out.println("paid: " + paid.quantity() + " " + paid.sold());
        if (stock.confirmCart("order-cart", List.of(PEN, INK, CAP)).isDone()) {
            out.println("cart paid");
        }
        Results.Changed released = stock.release(PEN, "order-lost").value();
        out.println("cancelled: " + released.quantity() + " " + released.available());
        Results.Order order = stock.order(PEN, "order-1");
        out.println("poll: " + order.state().text() + " " + order.quantity());

        // The payment comes when the hold is over.
        stock.reserve(INK, "order-late", 1, Hold.of(Duration.ofMillis(1)), user(46));
        Thread.sleep(50);
        if (stock.confirm(INK, "order-late") instanceof Outcome.Refused<?> no) {
            out.println("too late: " + no.refusal().word());
            out.println("honoured: OK " + stock.confirmLate(INK, "order-late").value().quantity());
        }

        // One of the two pens comes back. The token makes the refund repeatable.
        Results.Returned returned = stock.returnPart(PEN, "order-1", 1, "refund-1").value();
        out.println("refunded: " + returned.quantity() + " " + returned.available() + " " + returned.sold());

        // Errors are bugs of the caller, and not caught by a shop.
        try {
            stock.reserve(PEN, "order-1", 1, null, user(42));
        } catch (StockException.Bug bug) {
            out.println("bug: " + bug.code());
        }
        try {
            stock.reserve(PEN, "order-4", 1, null, Map.of());
        } catch (StockException.Bug bug) {
            out.println("bug: " + bug.code());
        }

        List<Long> left = stock.available(List.of(PEN, INK));
        out.println("left: " + left.get(0) + " " + left.get(1));
    }

    private void sell(String order, int user) {
        if (stock.reserve(PEN, order, 1, QUARTER, user(user)).isHeld()) {
            out.println("held: " + order);
        }
    }
}
