package org.redisstock;

import java.time.Duration;
import java.time.Instant;

/** How long units are held. */
public record Hold(String option, long value) {
    /** From the server's now. */
    public static Hold of(Duration duration) {
        return new Hold("PX", duration.toMillis());
    }

    public static Hold seconds(long seconds) {
        return new Hold("EX", seconds);
    }

    public static Hold until(Instant time) {
        return new Hold("PXAT", time.toEpochMilli());
    }
}
