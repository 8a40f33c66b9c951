package org.redisstock;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

import org.springframework.data.redis.connection.RedisConnection;
import org.springframework.data.redis.connection.RedisConnectionFactory;

import io.lettuce.core.RedisFuture;
import io.lettuce.core.api.async.BaseRedisAsyncCommands;

/**
 * {@link Stock} over Spring Data Redis with Lettuce, Spring's default. It goes through the native connection: {@code execute} of
 * {@code RedisConnection} takes every argument for a key, and cannot read integers.
 *
 * <p>For a cluster, give the factory {@link LettuceStock#clusterOptions} as its client options.
 */
public final class StockTemplate extends Stock {
    public StockTemplate(RedisConnectionFactory factory) {
        this(factory, new Calls(), PATIENCE, LettuceStock.ANSWER);
    }

    public StockTemplate(RedisConnectionFactory factory, Calls calls, Duration patience, Duration answer) {
        super(new Wire(factory, answer), calls, patience);
    }

    private record Wire(RedisConnectionFactory factory, Duration answer) implements Transport {
        @SuppressWarnings("unchecked")
        private <R> R with(Function<BaseRedisAsyncCommands<byte[], byte[]>, R> action) {
            RedisConnection connection;
            Object commands;
            try {
                connection = factory.getConnection();
            } catch (RuntimeException none) {
                throw StockException.noAnswer(none);
            }
            try {
                try {
                    commands = connection.getNativeConnection();
                } catch (RuntimeException none) {
                    throw StockException.noAnswer(none);
                }
                if (!(commands instanceof BaseRedisAsyncCommands)) {
                    throw new IllegalStateException("StockTemplate needs Lettuce; over Jedis use JedisStock");
                }
                return action.apply((BaseRedisAsyncCommands<byte[], byte[]>) commands);
            } finally {
                connection.close();
            }
        }

        @Override
        public Object send(Call<?> call) {
            return with(commands -> LettuceWire.await(LettuceWire.dispatch(commands, call), answer));
        }

        @Override
        public List<Object> sendAll(List<? extends Call<?>> calls) {
            return with(commands -> {
                List<RedisFuture<Object>> futures = new ArrayList<>(calls.size());
                calls.forEach(call -> futures.add(LettuceWire.dispatch(commands, call)));
                return LettuceWire.awaitAll(futures, answer);
            });
        }
    }
}
