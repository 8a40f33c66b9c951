package org.redisstock;

import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

import redis.clients.jedis.AbstractPipeline;
import redis.clients.jedis.BuilderFactory;
import redis.clients.jedis.CommandArguments;
import redis.clients.jedis.CommandObject;
import redis.clients.jedis.RedisClusterClient;
import redis.clients.jedis.Response;
import redis.clients.jedis.UnifiedJedis;
import redis.clients.jedis.commands.ProtocolCommand;
import redis.clients.jedis.exceptions.JedisConnectionException;
import redis.clients.jedis.exceptions.JedisDataException;
import redis.clients.jedis.exceptions.JedisException;

/** {@link Stock} over Jedis: over a {@code RedisClient}, or a {@code RedisClusterClient}. Set its socket timeout (500 ms). */
public final class JedisStock extends Stock {
    public JedisStock(UnifiedJedis client) {
        this(client, new Calls(), PATIENCE, false);
    }

    /** {@code replicas}: reads go to replicas of a cluster, whose client is {@code readOnlyForRedisClusterReplicas}. */
    public JedisStock(UnifiedJedis client, Calls calls, Duration patience, boolean replicas) {
        super(new Wire(client, replicas), calls, patience);
    }

    private static final Map<Command, ProtocolCommand> NAMES = new EnumMap<>(Command.class);

    static {
        for (Command command : Command.values()) {
            NAMES.put(command, command::bytes);
        }
    }

    private record Wire(UnifiedJedis client, boolean replicas) implements Transport {
        private static CommandObject<Object> object(Call<?> call) {
            CommandArguments arguments = new CommandArguments(NAMES.get(call.name()));
            List<byte[]> words = call.words();
            for (int i = 0; i < words.size(); i++) {
                if (i == call.keyAt()) {
                    // The slot is that of this key: a cart's first one, too.
                    arguments.key(words.get(i));
                } else {
                    arguments.add(words.get(i));
                }
            }
            return new CommandObject<>(arguments, BuilderFactory.RAW_OBJECT);
        }

        @Override
        public Object send(Call<?> call) {
            try {
                if (replicas && call.read() && client instanceof RedisClusterClient cluster) {
                    return cluster.executeCommandToReplica(object(call));
                }
                return client.executeCommand(object(call));
            } catch (JedisException error) {
                throw of(error);
            }
        }

        @Override
        public List<Object> sendAll(List<? extends Call<?>> calls) {
            List<Response<Object>> responses = new ArrayList<>(calls.size());
            List<Object> answers = new ArrayList<>(calls.size());
            JedisException broken = null;
            try (AbstractPipeline pipeline = client.pipelined()) {
                for (Call<?> call : calls) {
                    responses.add(pipeline.executeCommand(object(call)));
                }
                pipeline.sync();
            } catch (JedisException error) {
                broken = error;
            }
            for (int i = 0; i < calls.size(); i++) {
                try {
                    answers.add(responses.get(i).get());
                } catch (JedisDataException error) {
                    answers.add(of(error));
                } catch (IllegalStateException | IndexOutOfBoundsException | JedisException noAnswer) {
                    answers.add(StockException.noAnswer(broken == null ? noAnswer : broken));
                }
            }
            return answers;
        }

        private static StockException of(JedisException error) {
            if (error instanceof JedisConnectionException) {
                return StockException.noAnswer(error);
            }
            if (error instanceof JedisDataException) {
                return StockException.ofReply(error.getMessage(), error);
            }
            // No node, no connection in the pool, or too many attempts.
            for (Throwable cause : error.getSuppressed()) {
                if (cause instanceof JedisDataException) {
                    return StockException.ofReply(cause.getMessage(), error);
                }
            }
            return StockException.noAnswer(error);
        }
    }
}
