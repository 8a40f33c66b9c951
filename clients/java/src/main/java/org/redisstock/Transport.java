package org.redisstock;

import java.util.List;

/**
 * One attempt through a client library. An answer is null, a {@code byte[]}, a {@code Long} or a {@code List} of such, a map being flat
 * or a list of entries.
 */
interface Transport {
    /** @throws StockException what went wrong */
    Object send(Call<?> call);

    /** Sends all at once: an answer for each call, or a {@link StockException}. */
    List<Object> sendAll(List<? extends Call<?>> calls);
}
