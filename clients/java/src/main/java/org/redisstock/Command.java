package org.redisstock;

import java.nio.charset.StandardCharsets;

/** The commands of an application. */
public enum Command {
    RESERVE, CONFIRM, RESERVEBATCH, CONFIRMBATCH, RELEASE, AMEND, EXTEND, RETURN, MRESERVE, MCONFIRM, MRELEASE, MEXTEND, MRETURN,
    SPLIT, MSPLIT, SET, ADD, TRANSFER, RECONCILE, SUSPEND, RESUME, SETPOLICY, SCHEDULE, SHIFT, SHIFTS(true), SWEEP, LIMIT, UNLIMIT, LIMITS(true), USAGE(true), GET(true),
    AVAILABLE(true), CHECK(true), ORDER(true), ORDERS(true), POLICY(true), VERIFY(true), EXPLAIN(true),
    /** What the node that answers has counted: asked of the primary. */
    STATS;

    private final boolean read;
    private final String text = "STOCK." + name();
    private final byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);

    Command() {
        this(false);
    }

    Command(boolean read) {
        this.read = read;
    }

    /** Whether it changes nothing: a replica may answer it. */
    public boolean isRead() {
        return read;
    }

    /** Its whole name. */
    public String text() {
        return text;
    }

    byte[] bytes() {
        return bytes;
    }
}
