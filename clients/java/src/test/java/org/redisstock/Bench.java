package org.redisstock;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.IntConsumer;

import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import io.lettuce.core.api.async.BaseRedisAsyncCommands;
import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.output.ArrayOutput;
import io.lettuce.core.protocol.CommandArgs;
import io.lettuce.core.protocol.ProtocolKeyword;
import org.springframework.data.redis.connection.RedisConnection;
import org.springframework.data.redis.connection.RedisConnectionFactory;
import redis.clients.jedis.UnifiedJedis;
import redis.clients.jedis.commands.ProtocolCommand;

/** What the library costs over its bare call: single calls in turn, and the lower quarter of each. */
final class Bench {
    private Bench() {}

    private static final byte[] RESERVE = "STOCK.RESERVE".getBytes(StandardCharsets.US_ASCII);

    /** RESERVE as it is written without the library. */
    static IntConsumer bare(String library, Object client) {
        if (client instanceof UnifiedJedis jedis) {
            ProtocolCommand reserve = () -> RESERVE;
            return n -> jedis.sendCommand("bench", reserve, "bench", "b" + n, "1", "EX", "900", "FOR", "user", Integer.toString(n));
        }
        if (client instanceof RedisConnectionFactory factory) {
            return n -> {
                RedisConnection connection = factory.getConnection();
                try {
                    lettuce(connection.getNativeConnection(), n);
                } finally {
                    connection.close();
                }
            };
        }
        var connection = RedisClient.create(RedisURI.create("127.0.0.1", (Integer) client)).connect(ByteArrayCodec.INSTANCE);
        return n -> lettuce(connection.async(), n);
    }

    private static final ProtocolKeyword NAME = new ProtocolKeyword() {
        @Override
        public byte[] getBytes() {
            return RESERVE;
        }

        @Override
        public String name() {
            return "STOCK.RESERVE";
        }
    };

    @SuppressWarnings("unchecked")
    private static void lettuce(Object commands, int n) {
        var codec = ByteArrayCodec.INSTANCE;
        CommandArgs<byte[], byte[]> arguments = new CommandArgs<>(codec).addKey("bench".getBytes(StandardCharsets.UTF_8)).add("b" + n)
                .add(1).add("EX").add(900).add("FOR").add("user").add(n);
        try {
            ((BaseRedisAsyncCommands<byte[], byte[]>) commands).dispatch(NAME, new ArrayOutput<>(codec), arguments)
                    .get(500, java.util.concurrent.TimeUnit.MILLISECONDS);
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    private static void reserve(Stock stock, int n) {
        stock.reserve("bench", "a" + n, 1, Hold.seconds(900), Options.attributes("user", Integer.toString(n)));
    }

    static void run(String library, Stock stock, IntConsumer bare, int count) {
        stock.createUnlimited("bench");
        int warm = count / 2;
        long[] with = new long[count];
        long[] without = new long[count];
        for (int n = -warm; n < count; n++) {
            // Which of the two comes first changes: the second finds the connection's threads awake.
            boolean first = (n & 1) == 0;
            long start = System.nanoTime();
            if (first) {
                reserve(stock, n);
            } else {
                bare.accept(n);
            }
            long middle = System.nanoTime();
            if (first) {
                bare.accept(n);
            } else {
                reserve(stock, n);
            }
            long end = System.nanoTime();
            if (n >= 0) {
                with[n] = first ? middle - start : end - middle;
                without[n] = first ? end - middle : middle - start;
            }
        }
        Arrays.sort(with);
        Arrays.sort(without);
        double call = without[count / 4];
        double ours = with[count / 4];
        System.out.printf("%s: a bare call takes %.0f us, the library %+.1f %%%n", library, call / 1000, 100 * (ours / call - 1));
    }
}
