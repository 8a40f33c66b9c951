package org.redisstock;

/** The answer of a command that decides something. */
public sealed interface Outcome<T> {
    /** It is done now. */
    record Done<T>(T value) implements Outcome<T> {}

    /** The same call was made before, and nothing was done twice. For {@code add}, {@code quantity} is the delta. */
    record Exists<T>(String key, OrderState state, long quantity, long returned, long deadlineMs) implements Outcome<T> {}

    /** The pool said no. */
    record Refused<T>(Refusal refusal) implements Outcome<T> {}

    /** Whether it is done, by this call or by the same one before. */
    default boolean isDone() {
        return !(this instanceof Refused);
    }

    /** After {@code reserve}: whether the units are held, so that the buyer may be asked for payment. */
    default boolean isHeld() {
        return this instanceof Done || this instanceof Exists<T> known && known.state() == OrderState.RESERVED;
    }

    /** What was done; throws where the call was refused, or was made before. */
    default T value() {
        if (this instanceof Done<T> done) {
            return done.value();
        }
        throw new IllegalStateException("not done by this call: " + this);
    }
}
