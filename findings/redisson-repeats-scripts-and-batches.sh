#!/bin/sh
# Redisson: an INCR without an answer is not sent again, the same INCR in a batch or in a script is.
#
# Redisson keeps a list of commands that must not be done twice, and gives up at once where one of
# them gets no answer. But it does not look into an RBatch, nor does it know what a script does:
# both are repeated `retryAttempts` times, which is 4. So a shop whose script takes one unit takes
# five while the server does not answer for a moment (here it is stopped for seconds), and its
# counters in a batch count five.
#
# What helps: an order id that the script looks up first, or `setRetryAttempts(0)`. A maintainer has
# named the lists: https://github.com/redisson/redisson/issues/5277
#
# Seen with redisson 4.6.1, Java 17 and redis-server 7.0.15. Needs redis-server, redis-cli, a JDK
# and mvn, which fetches the library into a temporary folder.
set -eu
work=$(mktemp -d)
port=$((20000 + $$ % 20000))
redis-server --port "$port" --save '' --dir "$work" --daemonize no >"$work/log" 2>&1 &
server=$!
trap 'kill -CONT "$server"; kill "$server"; rm -rf "$work"' EXIT
cat >"$work/pom.xml" <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId>
  <artifactId>finding</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.redisson</groupId><artifactId>redisson</artifactId><version>4.6.1</version>
    </dependency>
  </dependencies>
</project>
XML
mvn -q -B -f "$work/pom.xml" -Dmaven.repo.local="$work/m2" dependency:copy-dependencies \
    -DoutputDirectory="$work/jars" >"$work/mvn" 2>&1 || { cat "$work/mvn"; exit 2; }
until redis-cli -p "$port" PING 2>"$work/ping" | grep -q PONG; do sleep 0.1; done
cat >"$work/Count.java" <<'JAVA'
import java.util.List;
import java.util.concurrent.Callable;
import org.redisson.Redisson;
import org.redisson.api.*;
import org.redisson.client.codec.StringCodec;
import org.redisson.config.Config;

public class Count {
    static RedissonClient client;

    // Calls while the server is stopped, and counts how often it was done when the server goes on.
    static void count(String server, String name, Callable<?> call) throws Exception {
        client.getAtomicLong("n").set(0);
        new ProcessBuilder("kill", "-STOP", server).start().waitFor();
        String answer = "an answer";
        try {
            call.call();
        } catch (Exception error) {
            answer = "no answer";
        }
        new ProcessBuilder("kill", "-CONT", server).start().waitFor();
        Thread.sleep(1000);
        long done = client.getAtomicLong("n").get();
        System.out.println(name + ": " + answer + ", done " + done + " times");
    }

    public static void main(String[] arguments) throws Exception {
        Config config = new Config();
        config.useSingleServer().setAddress("redis://127.0.0.1:" + arguments[0]).setTimeout(200);
        client = Redisson.create(config);
        RScript script = client.getScript(StringCodec.INSTANCE);
        String take = "return redis.call('INCR', KEYS[1])";
        script.scriptLoad(take); // Calls name its hash, which the server knows after the first.
        count(arguments[1], "INCR", () -> client.getAtomicLong("n").incrementAndGet());
        count(arguments[1], "script", () -> script.eval(RScript.Mode.READ_WRITE, take,
                RScript.ReturnType.LONG, List.of("n")));
        RBatch batch = client.createBatch();
        batch.getAtomicLong("n").incrementAndGetAsync();
        count(arguments[1], "batch", batch::execute);
        System.exit(0);
    }
}
JAVA
timeout 100 java -cp "$work/jars/*" "$work/Count.java" "$port" "$server" \
    >"$work/seen" 2>"$work/errors"
cat "$work/seen"
cat >"$work/expected" <<'TEXT'
INCR: no answer, done 1 times
script: no answer, done 5 times
batch: no answer, done 5 times
TEXT
diff "$work/expected" "$work/seen"
echo "Redisson still repeats scripts and batches, whatever is in them"
