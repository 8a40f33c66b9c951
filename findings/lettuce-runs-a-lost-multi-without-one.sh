#!/bin/sh
# Lettuce: where a connection breaks behind MULTI, later commands of the transaction run at once,
# one by one, and only EXEC reports an error.
#
# Lettuce reconnects by itself, and goes on as if it were inside the MULTI: a SET answers null, as
# queued commands do, while the server, which knows of no MULTI, has done it. Then EXEC throws `ERR
# EXEC without MULTI`. So a transaction that failed was done in part: here the order is missing,
# which came before the break, and the unit is taken, which came behind it. Who repeats it takes the
# unit twice. A WATCH is lost in the same way: EXEC is not discarded, and overwrites what another
# client has sold.
#
# What helps is a client for transactions with `autoReconnect(false)`: EXEC throws, too, but nothing
# was done. A maintainer has described what a break behind MULTI does:
# https://github.com/redis/lettuce/issues/695
#
# Seen with lettuce-core 7.7.0.RELEASE, Java 17 and redis-server 7.0.15. Needs redis-server,
# redis-cli, a JDK and mvn, which fetches the library into a temporary folder.
set -eu
work=$(mktemp -d)
port=$((20000 + $$ % 20000))
redis-server --port "$port" --save '' --dir "$work" --daemonize no >"$work/log" 2>&1 &
server=$!
trap 'kill "$server"; rm -rf "$work"' EXIT
cat >"$work/pom.xml" <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId>
  <artifactId>finding</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>io.lettuce</groupId>
      <artifactId>lettuce-core</artifactId>
      <version>7.7.0.RELEASE</version>
    </dependency>
  </dependencies>
</project>
XML
mvn -q -B -f "$work/pom.xml" -Dmaven.repo.local="$work/m2" dependency:copy-dependencies \
    -DoutputDirectory="$work/jars" >"$work/mvn" 2>&1 || { cat "$work/mvn"; exit 2; }
until redis-cli -p "$port" PING 2>"$work/ping" | grep -q PONG; do sleep 0.1; done
cat >"$work/Sell.java" <<'JAVA'
import io.lettuce.core.ClientOptions;
import io.lettuce.core.KillArgs;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisException;
import io.lettuce.core.api.sync.RedisCommands;

public class Sell {
    static RedisCommands<String, String> other;

    static RedisCommands<String, String> connect(String uri, boolean reconnect) {
        RedisClient client = RedisClient.create(uri);
        client.setOptions(ClientOptions.builder().autoReconnect(reconnect).build());
        return client.connect().sync();
    }

    static void cut(long id) throws InterruptedException {
        // Lettuce does not wait for QUEUED; what is not answered yet is sent again.
        Thread.sleep(500);
        other.clientKill(KillArgs.Builder.id(id));
        Thread.sleep(1000);
    }

    static void say(String name, String answer) {
        System.out.println(name + ": " + answer + "; stock " + other.get("stock") + ", order "
                + other.get("order"));
    }

    static void multi(String name, RedisCommands<String, String> seller) throws Exception {
        other.flushall();
        other.set("stock", "5");
        long id = seller.clientId();
        String answer = "";
        seller.multi();
        seller.set("order", "reserved");
        cut(id);
        try {
            answer = "DECR answers " + seller.decr("stock");
            seller.exec();
            answer += ", EXEC is done";
        } catch (RedisException error) {
            answer += ", EXEC throws " + error.getMessage().split("[.]")[0];
        }
        say(name, answer);
    }

    static void watch(String name, RedisCommands<String, String> seller, boolean breaks)
            throws Exception {
        other.flushall();
        other.set("stock", "5");
        long id = seller.clientId();
        seller.watch("stock");
        int left = Integer.parseInt(seller.get("stock"));
        other.set("stock", "0");
        if (breaks) {
            cut(id);
        }
        seller.multi();
        seller.set("stock", String.valueOf(left - 1));
        say(name, "EXEC is " + (seller.exec().wasDiscarded() ? "discarded" : "done"));
    }

    public static void main(String[] arguments) throws Exception {
        String uri = "redis://127.0.0.1:" + arguments[0];
        other = connect(uri, true);
        watch("WATCH, connected all the time", connect(uri, true), false);
        watch("WATCH, reconnected", connect(uri, true), true);
        multi("MULTI, reconnected", connect(uri, true));
        multi("MULTI, not to reconnect", connect(uri, false));
        System.exit(0);
    }
}
JAVA
java -cp "$work/jars/*" "$work/Sell.java" "$port" >"$work/seen" 2>"$work/errors"
cat "$work/seen"
cat >"$work/expected" <<'TEXT'
WATCH, connected all the time: EXEC is discarded; stock 0, order null
WATCH, reconnected: EXEC is done; stock 4, order null
MULTI, reconnected: DECR answers null, EXEC throws ERR EXEC without MULTI; stock 4, order null
MULTI, not to reconnect: DECR answers null, EXEC throws Currently not connected; stock 5, order null
TEXT
diff "$work/expected" "$work/seen"
echo "Lettuce still runs the rest of a lost MULTI without one"
