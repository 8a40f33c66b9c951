package org.redisstock;

import java.util.Set;

/** An error: never a refusal, which is a value. {@link #code} is the code of the server, null where no answer came. */
public abstract sealed class StockException extends RuntimeException {
    private static final Set<String> UNSURE =
            Set.of("TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY", "BUSY", "MOVED", "ASK");
    private static final Set<String> UNAVAILABLE = Set.of("NOREPLICAS", "OOM", "MISCONF");

    private final String code;

    private StockException(String code, String message, Throwable cause) {
        super(message, cause);
        this.code = code;
    }

    public String code() {
        return code;
    }

    /** Nobody knows whether the call was done, or the node could not serve it. The same call again is safe, also later. */
    public static final class Unsure extends StockException {
        Unsure(String code, String message, Throwable cause) {
            super(code, message, cause);
        }
    }

    /** The server takes no such call now, and has done nothing: raise an alarm, and try later. */
    public static final class Unavailable extends StockException {
        Unavailable(String code, String message, Throwable cause) {
            super(code, message, cause);
        }
    }

    /** A bug of the caller, or of the configuration: never repeat it. */
    public static final class Bug extends StockException {
        Bug(String code, String message, Throwable cause) {
            super(code, message, cause);
        }
    }

    /** No answer: a time-out, or a connection that broke or was not made. */
    static StockException noAnswer(Throwable cause) {
        return new Unsure(null, "no answer: " + cause.getMessage(), cause);
    }

    /** The server's error reply. */
    static StockException ofReply(String text, Throwable cause) {
        int blank = text.indexOf(' ');
        String code = blank < 0 ? text : text.substring(0, blank);
        if (UNSURE.contains(code)) {
            return new Unsure(code, text, cause);
        }
        return UNAVAILABLE.contains(code) ? new Unavailable(code, text, cause) : new Bug(code, text, cause);
    }
}
