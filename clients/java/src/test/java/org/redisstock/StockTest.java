package org.redisstock;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.junit.jupiter.api.Test;

/** What needs no server; the rest is run by `make clients CLIENT=java`. */
class StockTest {
    private static final Calls CALLS = new Calls(StandardCharsets.ISO_8859_1);

    /** Answers with what it is given, in turn; a {@link StockException} is thrown. */
    private static final class Given implements Transport {
        final List<Object> answers;
        int sent;

        Given(Object... answers) {
            this.answers = List.of(answers);
        }

        @Override
        public Object send(Call<?> call) {
            Object answer = answers.get(Math.min(sent++, answers.size() - 1));
            if (answer instanceof StockException error) {
                throw error;
            }
            return answer;
        }

        @Override
        public List<Object> sendAll(List<? extends Call<?>> calls) {
            List<Object> all = new ArrayList<>(answers.subList(0, calls.size()));
            sent = calls.size();
            return all;
        }
    }

    private static final List<Object> HELD = List.of("OK".getBytes(StandardCharsets.UTF_8), 1L, 9L, 5L);

    private static Outcome<Results.Held> reserve(Given given) {
        return new Stock(given, CALLS, Duration.ofMillis(200)).reserve("sku", "order", 1, null, Map.of());
    }

    @Test
    void theWordsOfEveryVector() throws IOException {
        JsonNode vectors = new ObjectMapper().readTree(new File("../vectors/vectors.json")).get("vectors");
        for (JsonNode vector : vectors) {
            Call<?> call = TypedCall.of(CALLS, vector.get("method").textValue(), vector.get("args"));
            List<String> words = new ArrayList<>(List.of(call.name().text()));
            call.words().forEach(word -> words.add(new String(word, StandardCharsets.ISO_8859_1)));
            List<String> expected = new ArrayList<>();
            vector.get("words").forEach(word -> expected.add(word.textValue()));
            assertEquals(expected, words, vector.get("name").textValue());
        }
    }

    @Test
    void anUnsureCallIsRepeatedAndABugIsNot() {
        StockException unsure = StockException.noAnswer(new IOException("gone"));
        Given given = new Given(unsure, StockException.ofReply("TRYAGAIN later", null), HELD);
        assertEquals(new Outcome.Done<>(new Results.Held(1, 9, 5)), reserve(given));
        assertEquals(3, given.sent);

        Given wrong = new Given(StockException.ofReply("CONFLICT the quantity differs", null), HELD);
        assertEquals("CONFLICT", assertThrows(StockException.Bug.class, () -> reserve(wrong)).code());
        assertEquals(1, wrong.sent);

        Given full = new Given(StockException.ofReply("OOM command not allowed", null), HELD);
        assertThrows(StockException.Unavailable.class, () -> reserve(full));
        assertEquals(1, full.sent);
    }

    @Test
    void patienceHasAnEnd() {
        Given given = new Given(StockException.ofReply("CLUSTERDOWN The cluster is down", null));
        long start = System.nanoTime();
        assertThrows(StockException.Unsure.class, () -> reserve(given));
        assertEquals(true, System.nanoTime() - start < 1_000_000_000L);
        assertEquals(true, given.sent > 2);
    }

    @Test
    void aPipelineRepeatsWhatGotNoAnswer() {
        Given given = new Given(HELD, StockException.noAnswer(new IOException("gone")), HELD);
        Call<?> call = CALLS.reserve("sku", "order", 1, null, Map.of());
        Object held = new Outcome.Done<>(new Results.Held(1, 9, 5));
        assertArrayEquals(new Object[] {held, held}, new Stock(given, CALLS, Duration.ofSeconds(1)).pipeline(List.of(call, call)).toArray());
        assertEquals(3, given.sent);
    }
}
