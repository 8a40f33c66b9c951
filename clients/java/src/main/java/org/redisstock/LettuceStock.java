package org.redisstock;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

import io.lettuce.core.ClientOptions;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.async.BaseRedisAsyncCommands;
import io.lettuce.core.cluster.ClusterClientOptions;
import io.lettuce.core.cluster.ClusterTopologyRefreshOptions;
import io.lettuce.core.cluster.api.StatefulRedisClusterConnection;

/** {@link Stock} over a Lettuce connection, which threads may share. */
public final class LettuceStock extends Stock {
    /** How long one answer may take, where nothing else is said. */
    public static final Duration ANSWER = Duration.ofMillis(500);

    public LettuceStock(StatefulRedisConnection<byte[], byte[]> connection) {
        this(connection.async(), new Calls(), PATIENCE, ANSWER);
    }

    public LettuceStock(StatefulRedisClusterConnection<byte[], byte[]> connection) {
        this(connection.async(), new Calls(), PATIENCE, ANSWER);
    }

    public LettuceStock(BaseRedisAsyncCommands<byte[], byte[]> commands, Calls calls, Duration patience, Duration answer) {
        super(new Wire(commands, answer), calls, patience);
    }

    /**
     * What a client of a cluster needs: it learns of slots that have moved, and knows which of our commands a replica may answer (with
     * {@code connection.setReadFrom(ReadFrom.REPLICA)}). And it keeps no call whose connection is gone: Lettuce 7.7 would send it again after
     * it has failed, as often as the connection breaks. The library repeats what was rejected.
     */
    public static ClusterClientOptions.Builder clusterOptions() {
        return ClusterClientOptions.builder()
                .topologyRefreshOptions(ClusterTopologyRefreshOptions.builder().enableAllAdaptiveRefreshTriggers().build())
                .disconnectedBehavior(ClientOptions.DisconnectedBehavior.REJECT_COMMANDS)
                .readOnlyCommands(command -> isRead(command.getType().toString()));
    }

    private static boolean isRead(String name) {
        for (Command command : Command.values()) {
            if (command.isRead() && command.text().equals(name)) {
                return true;
            }
        }
        return false;
    }

    private record Wire(BaseRedisAsyncCommands<byte[], byte[]> commands, Duration answer) implements Transport {
        @Override
        public Object send(Call<?> call) {
            return LettuceWire.await(LettuceWire.dispatch(commands, call), answer);
        }

        @Override
        public List<Object> sendAll(List<? extends Call<?>> calls) {
            List<RedisFuture<Object>> futures = new ArrayList<>(calls.size());
            calls.forEach(call -> futures.add(LettuceWire.dispatch(commands, call)));
            return LettuceWire.awaitAll(futures, answer);
        }
    }
}
