package org.redisstock;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import io.lettuce.core.ReadFrom;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import io.lettuce.core.ClientOptions;
import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.cluster.RedisClusterClient;
import io.lettuce.core.protocol.ProtocolVersion;
import org.springframework.data.redis.connection.RedisClusterConfiguration;
import org.springframework.data.redis.connection.RedisStandaloneConfiguration;
import org.springframework.data.redis.connection.lettuce.LettuceClientConfiguration;
import org.springframework.data.redis.connection.lettuce.LettuceConnectionFactory;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.RedisProtocol;
import redis.clients.jedis.UnifiedJedis;

/** What the tests ask of every client library, LIBRARY being jedis, lettuce or spring: clients/README.md. */
public final class Drive {
    // Ids are any bytes in the tests.
    private static final Calls CALLS = new Calls(StandardCharsets.ISO_8859_1);
    private static final ObjectMapper JSON = new ObjectMapper();

    private final int port;
    private final boolean cluster;
    private final boolean resp3;
    private final boolean replicas;
    private final Duration answer = Duration.ofMillis((long) (1000 * Double.parseDouble(environment("STOCK_TIMEOUT", "0.5"))));
    private final Duration patience = Duration.ofMillis(Long.parseLong(environment("STOCK_PATIENCE_MS", "10000")));

    private Drive(int port, Set<String> flags) {
        this.port = port;
        cluster = flags.contains("--cluster");
        resp3 = flags.contains("--resp3");
        replicas = flags.contains("--replicas");
    }

    private static String environment(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    public static void main(String[] words) throws Exception {
        List<String> plain = Arrays.stream(words).filter(word -> !word.startsWith("--")).toList();
        Set<String> flags = Set.copyOf(Arrays.stream(words).filter(word -> word.startsWith("--")).toList());
        Drive drive = new Drive(Integer.parseInt(plain.get(1)), flags);
        Stock stock = drive.connect(plain.get(0));
        switch (plain.get(2)) {
            case "shop" -> new Shop(stock, System.out).run();
            case "lines" -> drive.lines(stock);
            case "carts" -> carts(stock, plain.get(3), Integer.parseInt(plain.get(4)));
            case "driver" -> driver(stock);
            case "collect" -> collect(stock, Integer.parseInt(plain.get(3)));
            case "bench" -> drive.bench(plain.get(0), stock, plain.size() > 3 ? Integer.parseInt(plain.get(3)) : 20_000);
            default -> throw new IllegalArgumentException(plain.get(2));
        }
        System.out.flush();
        // The threads of the clients go with the process.
        Runtime.getRuntime().halt(0);
    }

    private Stock connect(String library) {
        return switch (library) {
            case "jedis" -> new JedisStock(jedis(), CALLS, patience, replicas);
            case "lettuce" -> lettuce();
            case "spring" -> new StockTemplate(spring(), CALLS, patience, answer);
            default -> throw new IllegalArgumentException(library);
        };
    }

    private UnifiedJedis jedis() {
        DefaultJedisClientConfig.Builder config = DefaultJedisClientConfig.builder().socketTimeoutMillis((int) answer.toMillis())
                .protocol(resp3 ? RedisProtocol.RESP3 : RedisProtocol.RESP2);
        HostAndPort node = new HostAndPort("127.0.0.1", port);
        if (!cluster) {
            return redis.clients.jedis.RedisClient.builder().hostAndPort(node).clientConfig(config.build()).build();
        }
        if (replicas) {
            config.readOnlyForRedisClusterReplicas();
        }
        return redis.clients.jedis.RedisClusterClient.builder().nodes(Set.of(node)).clientConfig(config.build()).build();
    }

    private ProtocolVersion protocol() {
        return resp3 ? ProtocolVersion.RESP3 : ProtocolVersion.RESP2;
    }

    private Stock lettuce() {
        RedisURI uri = RedisURI.create("127.0.0.1", port);
        if (!cluster) {
            RedisClient client = RedisClient.create(uri);
            client.setOptions(ClientOptions.builder().protocolVersion(protocol()).build());
            return new LettuceStock(client.connect(ByteArrayCodec.INSTANCE).async(), CALLS, patience, answer);
        }
        RedisClusterClient client = RedisClusterClient.create(uri);
        client.setOptions(LettuceStock.clusterOptions().protocolVersion(protocol()).build());
        var connection = client.connect(ByteArrayCodec.INSTANCE);
        if (replicas) {
            connection.setReadFrom(ReadFrom.REPLICA);
        }
        return new LettuceStock(connection.async(), CALLS, patience, answer);
    }

    private LettuceConnectionFactory spring() {
        LettuceClientConfiguration.LettuceClientConfigurationBuilder client = LettuceClientConfiguration.builder();
        if (replicas) {
            client.readFrom(ReadFrom.REPLICA);
        }
        LettuceConnectionFactory factory;
        if (cluster) {
            client.clientOptions(LettuceStock.clusterOptions().protocolVersion(protocol()).build());
            factory = new LettuceConnectionFactory(new RedisClusterConfiguration(List.of("127.0.0.1:" + port)), client.build());
        } else {
            client.clientOptions(ClientOptions.builder().protocolVersion(protocol()).build());
            factory = new LettuceConnectionFactory(new RedisStandaloneConfiguration("127.0.0.1", port), client.build());
        }
        factory.afterPropertiesSet();
        factory.start();
        return factory;
    }

    private static BufferedReader input() {
        return new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    }

    /** Sends what it reads, one JSON list a line: the key, and the words. MARK tells that the warm-up is over. */
    private void lines(Stock stock) throws IOException {
        BufferedReader input = input();
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            if (line.equals("MARK")) {
                System.out.println("warm");
                input.readLine();
                continue;
            }
            JsonNode words = JSON.readTree(line);
            List<byte[]> arguments = new ArrayList<>();
            for (int i = 2; i < words.size(); i++) {
                arguments.add(words.get(i).textValue().getBytes(StandardCharsets.UTF_8));
            }
            Command command = command(words.get(1).textValue());
            int keyAt = command == Command.MSPLIT ? 3 : command.text().startsWith("STOCK.M") ? 2 : 0;
            try {
                stock.run(new Call<>(command, arguments, keyAt, replicas, reply -> reply));
            } catch (StockException error) {
                // The arguments are of no interest here.
            }
        }
        System.out.println("done");
    }

    private static Command command(String text) {
        return Arrays.stream(Command.values()).filter(one -> one.text().equals(text)).findFirst().orElseThrow();
    }

    /** Reserves carts of two pools: the word of each answer. */
    private static void carts(Stock stock, String tag, int count) {
        for (int n = 0; n < count; n++) {
            Map<String, Long> lines = new LinkedHashMap<>();
            lines.put("{" + tag + "}a", 1L);
            lines.put("{" + tag + "}b", 1L);
            Outcome<Results.Deadline> outcome = stock.reserveCart("order-" + n, lines, null, Map.of());
            System.out.println(outcome instanceof Outcome.Done ? "OK" : outcome instanceof Outcome.Exists ? "EXISTS" : outcome.toString());
            System.out.flush();
        }
    }

    /** So many buyers ask at once, one unit each, two of them with what the server refuses: the answer of each, then the payments. */
    private static void collect(Stock stock, int count) throws InterruptedException {
        Collector shop = new Collector(stock, 32, Duration.ofMillis(20));
        List<Thread> buyers = new ArrayList<>();
        for (int n = 0; n < count; n++) {
            int buyer = n;
            buyers.add(new Thread(() -> buy(shop, buyer, count)));
        }
        buyers.forEach(Thread::start);
        for (Thread buyer : buyers) {
            buyer.join();
        }
    }

    private static void buy(Collector shop, int n, int count) {
        String order = "o" + n;
        try {
            // The last but one has no dimension that the limit needs; the last one asks for nothing.
            Map<String, String> attributes = n == count - 2 ? Map.of() : Map.of("user", Integer.toString(n / 2));
            Outcome<Results.Held> answer = shop.reserve("k", order, n == count - 1 ? 0 : 1, Hold.seconds(900), attributes);
            System.out.println(order + " " + (answer instanceof Outcome.Done ? "OK"
                    : answer instanceof Outcome.Refused<?> no ? no.refusal().word() : "EXISTS"));
            if (answer instanceof Outcome.Done) {
                System.out.println("paid " + order + " " + (shop.confirm("k", order) instanceof Outcome.Done ? "OK" : "no"));
            }
        } catch (StockException error) {
            System.out.println(order + " " + error.code());
        }
    }

    /** Makes typed calls, a line each. */
    private static void driver(Stock stock) throws IOException {
        BufferedReader input = input();
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            JsonNode asked = JSON.readTree(line);
            if (asked.has("bucket")) {
                byte[] value = asked.get("bucket").textValue().getBytes(StandardCharsets.ISO_8859_1);
                System.out.println(Buckets.of(value, asked.get("count").intValue()));
            } else if (asked.has("ask")) {
                JsonNode ask = asked.get("ask");
                JsonNode refused = asked.get("refused");
                List<String> values = new ArrayList<>();
                refused.path("value").forEach(value -> values.add(value.textValue()));
                Refusal refusal = switch (refused.get("word").textValue()) {
                    case "SOLDOUT" -> new Refusal.SoldOut("k", 0);
                    case "LIMITED" -> new Refusal.Limited("k", refused.get("limit").textValue(), values, 1, 1, 0);
                    default -> new Refusal.Other(refused.get("word").textValue(), "k");
                };
                byte[] text = Buckets.ask(refusal, ask.get("order").textValue(), ask.get("bucket").intValue(),
                        ask.get("quantity").longValue(), ask.get("by").textValue()).orElse("null").getBytes(StandardCharsets.UTF_8);
                System.out.write(text, 0, text.length);
                System.out.println();
            } else if (asked.isArray()) {
                List<Call<?>> calls = new ArrayList<>();
                asked.forEach(one -> calls.add(TypedCall.of(CALLS, one.get("method").textValue(), one.get("args"))));
                var results = JSON.createArrayNode();
                List<Object> values = stock.pipeline(calls);
                for (int i = 0; i < values.size(); i++) {
                    results.add(TypedCall.result(asked.get(i).get("method").textValue(), values.get(i)));
                }
                System.out.println(results);
            } else {
                String method = asked.get("method").textValue();
                Object value;
                try {
                    value = stock.run(TypedCall.of(CALLS, method, asked.get("args")));
                } catch (StockException error) {
                    value = error;
                }
                System.out.println(TypedCall.result(method, value));
            }
            System.out.flush();
        }
    }

    private void bench(String library, Stock stock, int count) {
        Bench.run(library, stock, Bench.bare(library, library.equals("jedis") ? jedis() : library.equals("spring") ? spring() : port), count);
    }
}
