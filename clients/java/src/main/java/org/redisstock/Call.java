package org.redisstock;

import java.util.List;
import java.util.function.Function;

/**
 * A call that is ready to be sent: {@link Calls} makes it.
 *
 * @param name the command
 * @param words its arguments
 * @param keyAt where the first key stands among the words: it decides about the slot
 * @param read whether a replica may answer
 */
public record Call<T>(Command name, List<byte[]> words, int keyAt, boolean read, Function<Object, T> decode) {}
