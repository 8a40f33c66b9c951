// Types of RESP: bulk and simple strings.
const REPLIES_AS_BUFFERS = { typeMapping: { 36: Buffer, 43: Buffer } };

/**
 * node-redis, `createClient`, `createClientPool` or `createCluster`. What only reads goes to replicas where the cluster has `useReplicas`.
 *
 * `timeoutMs` bounds one attempt: node-redis has a time limit for commands that wait to be sent, and none for those that
 * are. `binary`: keys, orders and values are answered as Buffers.
 */
export function nodeRedis(client, { timeoutMs = 500, binary = false } = {}) {
  const isCluster = "slots" in client;
  const inTime = within(timeoutMs);
  const options = binary ? REPLIES_AS_BUFFERS : undefined;
  return {
    send({ words, key, reads }) {
      const args = words.map((word) => (typeof word === "number" ? String(word) : word));
      const sent = isCluster ? client.sendCommand(key, reads, args, options) : client.sendCommand(args, options);
      return inTime(sent);
    },
  };
}

// One timer for all calls, which looks at the oldest: a timer for each would cost more than the library.
function within(timeoutMs) {
  const waiting = new Set();
  let timer;
  const look = () => {
    const now = performance.now();
    for (const call of waiting) {
      if (call.end > now) {
        timer = setTimeout(look, call.end - now + 1).unref();
        return;
      }
      waiting.delete(call);
      call.reject(new Error("no answer"));
    }
    timer = undefined;
  };
  return (sent) =>
    new Promise((resolve, reject) => {
      const call = { end: performance.now() + timeoutMs, reject };
      waiting.add(call);
      timer ??= setTimeout(look, timeoutMs + 1).unref();
      sent.then(
        (reply) => (waiting.delete(call), resolve(reply)),
        (error) => (waiting.delete(call), reject(error)),
      );
    });
}
