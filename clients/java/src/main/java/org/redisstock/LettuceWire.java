package org.redisstock;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisException;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.api.async.BaseRedisAsyncCommands;
import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.output.CommandOutput;
import io.lettuce.core.protocol.CommandArgs;
import io.lettuce.core.protocol.ProtocolKeyword;

/** Sends through Lettuce's asynchronous commands, which Spring's native connection is, too. */
final class LettuceWire {
    private LettuceWire() {}

    private static final Map<Command, ProtocolKeyword> NAMES = new EnumMap<>(Command.class);

    static {
        for (Command command : Command.values()) {
            NAMES.put(command, new Name(command));
        }
    }

    private record Name(Command command) implements ProtocolKeyword {
        @Override
        public byte[] getBytes() {
            return command.bytes();
        }

        @Override
        public String name() {
            return command.text();
        }

        @Override
        public String toString() {
            return command.text();
        }
    }

    static RedisFuture<Object> dispatch(BaseRedisAsyncCommands<byte[], byte[]> commands, Call<?> call) {
        CommandArgs<byte[], byte[]> arguments = new CommandArgs<>(ByteArrayCodec.INSTANCE);
        List<byte[]> words = call.words();
        for (int i = 0; i < words.size(); i++) {
            if (i == call.keyAt()) {
                // The slot is that of the first key: a cart's, too.
                arguments.addKey(words.get(i));
            } else {
                arguments.add(words.get(i));
            }
        }
        try {
            return commands.dispatch(NAMES.get(call.name()), new AnyOutput(), arguments);
        } catch (RedisException closed) {
            throw of(closed);
        }
    }

    /** The answer, or the exception. */
    static Object await(RedisFuture<Object> future, Duration answer) {
        try {
            return future.get(answer.toNanos(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException | CompletionException error) {
            throw of(error.getCause());
        } catch (TimeoutException late) {
            future.cancel(true);
            throw StockException.noAnswer(late);
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
            throw StockException.noAnswer(stop);
        }
    }

    static StockException of(Throwable error) {
        // TRYAGAIN, LOADING and others have classes of their own, all below this one.
        return error instanceof RedisCommandExecutionException && error.getMessage() != null
                ? StockException.ofReply(error.getMessage(), error)
                : StockException.noAnswer(error);
    }

    static List<Object> awaitAll(List<RedisFuture<Object>> futures, Duration answer) {
        List<Object> answers = new ArrayList<>(futures.size());
        for (RedisFuture<Object> future : futures) {
            try {
                answers.add(await(future, answer));
            } catch (StockException error) {
                answers.add(error);
            }
        }
        return answers;
    }

    /** Any answer: {@code byte[]}, {@code Long}, lists of them; a map is a flat list. */
    private static final class AnyOutput extends CommandOutput<byte[], byte[], Object> {
        private record Open(List<Object> items, int count) {}

        private final Deque<Open> open = new ArrayDeque<>(4);

        AnyOutput() {
            super(ByteArrayCodec.INSTANCE, null);
        }

        private void put(Object value) {
            if (open.isEmpty()) {
                output = value;
                return;
            }
            open.peek().items().add(value);
            while (!open.isEmpty() && open.peek().items().size() == open.peek().count()) {
                Object whole = open.pop().items();
                if (open.isEmpty()) {
                    output = whole;
                } else {
                    open.peek().items().add(whole);
                }
            }
        }

        @Override
        public void set(ByteBuffer bytes) {
            if (bytes == null) {
                put(null);
                return;
            }
            byte[] copy = new byte[bytes.remaining()];
            bytes.get(copy);
            put(copy);
        }

        @Override
        public void setSingle(ByteBuffer bytes) {
            set(bytes);
        }

        @Override
        public void set(long number) {
            put(number);
        }

        @Override
        public void set(boolean value) {
            put(value ? 1L : 0L);
        }

        /** An error within an array, of a batch, is one of its answers. */
        @Override
        public void setError(ByteBuffer bytes) {
            if (open.isEmpty()) {
                super.setError(bytes);
                return;
            }
            put(StockException.ofReply(java.nio.charset.StandardCharsets.UTF_8.decode(bytes).toString(), null));
        }

        @Override
        public void multi(int count) {
            if (count < 0) {
                put(null);
            } else if (count == 0) {
                put(List.of());
            } else {
                open.push(new Open(new ArrayList<>(count), count));
            }
        }
    }
}
