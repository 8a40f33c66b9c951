#!/bin/sh
# Lettuce, in a cluster: a call that has ended with RedisCommandTimeoutException goes on being sent
# each time that the connection breaks, without an end.
#
# Without a cluster a call that has timed out is cancelled, and left out when Lettuce connects anew
# and sends again what had no answer. A cluster's connection wraps the call, and the wrapping does
# not hear that it was cancelled. So where the server closes the connection in place of the answer
# (here since that is longer than `client-output-buffer-limit` allows; a proxy may do it, too), one
# call of a script that takes a unit takes ten each second, long after the buyer was told that it
# failed. A server that cannot be reached at all ends it.
#
# What helps is `disconnectedBehavior(REJECT_COMMANDS)` in the ClusterClientOptions: nothing is kept
# or repeated. Then the first call to each node is rejected, too, while its connection is made, so
# repeat calls of which it is safe. TimeoutOptions do not help. A maintainer says of calls that time
# out that they are cancelled: https://github.com/redis/lettuce/issues/1426
#
# Seen with lettuce-core 7.7.0.RELEASE, Java 17 and redis-server 7.0.15. Needs redis-server,
# redis-cli, a JDK and mvn, which fetches the library into a temporary folder.
set -eu
work=$(mktemp -d)
port=$((20000 + $$ % 20000))
server=""
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
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
cat >"$work/Sell.java" <<'JAVA'
import io.lettuce.core.*;
import io.lettuce.core.ClientOptions.DisconnectedBehavior;
import io.lettuce.core.cluster.*;
import io.lettuce.core.cluster.api.sync.RedisClusterCommands;
import java.time.Duration;

public class Sell {
    static final Duration LIMIT = Duration.ofMillis(200);

    static RedisClusterCommands<String, String> connect(RedisURI uri, String name) {
        if (name.equals("single")) {
            return RedisClient.create(uri).connect().sync();
        }
        RedisClusterClient client = RedisClusterClient.create(uri);
        if (name.endsWith("REJECT_COMMANDS")) {
            client.setOptions(ClusterClientOptions.builder()
                    .disconnectedBehavior(DisconnectedBehavior.REJECT_COMMANDS).build());
        }
        return client.connect().sync();
    }

    static String ends(Runnable call) {
        try {
            call.run();
            return "an answer";
        } catch (RedisException error) {
            return error.getClass().getSimpleName();
        }
    }

    public static void main(String[] arguments) throws Exception {
        String name = arguments[0];
        RedisURI uri = RedisURI.create("redis://127.0.0.1:" + arguments[1]);
        uri.setTimeout(LIMIT);
        var commands = connect(uri, name);
        var other = RedisClient.create(uri).connect().sync();
        while (!ends(() -> commands.get("taken")).equals("an answer")) {
            Thread.sleep(100);
        }
        String script = "redis.call('INCR', KEYS[1]) return string.rep('x', 100000)";
        String answer = ends(() -> commands.eval(script, ScriptOutputType.VALUE, "taken"));
        Thread.sleep(1000);
        int before = Integer.parseInt(other.get("taken"));
        Thread.sleep(5000);
        int more = Integer.parseInt(other.get("taken")) - before;
        System.out.println(name + ": " + answer + ", then it "
                + (more == 0 ? "is over" : more < 20 ? "goes on" : "is done 20 times and more"));
        System.exit(0);
    }
}
JAVA
for name in single cluster 'cluster, REJECT_COMMANDS'; do
    cluster=yes
    [ "$name" != single ] || cluster=no
    redis-server --port "$port" --dir "$work" --save '' --cluster-enabled "$cluster" \
        --client-output-buffer-limit 'normal 10kb 0 0' >"$work/log" 2>&1 &
    server=$!
    until redis-cli -p "$port" PING 2>"$work/ping" | grep -q PONG; do sleep 0.1; done
    if [ "$cluster" = yes ]; then
        [ -e "$work/slots" ] || redis-cli -p "$port" CLUSTER ADDSLOTSRANGE 0 16383 >"$work/slots"
        until redis-cli -p "$port" CLUSTER INFO | grep -q cluster_state:ok; do sleep 0.1; done
    fi
    timeout 60 java -cp "$work/jars/*" "$work/Sell.java" "$name" "$port" 2>"$work/errors" ||
        { cat "$work/errors"; exit 2; }
    kill "$server"
    wait "$server" || true
    server=""
done >"$work/seen"
cat "$work/seen"
cat >"$work/expected" <<'TEXT'
single: RedisCommandTimeoutException, then it is over
cluster: RedisCommandTimeoutException, then it is done 20 times and more
cluster, REJECT_COMMANDS: RedisException, then it is over
TEXT
diff "$work/expected" "$work/seen"
echo "Lettuce's cluster connection still sends a call that has timed out"
