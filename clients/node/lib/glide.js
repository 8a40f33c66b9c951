import { Decoder, GlideClusterClient } from "@valkey/valkey-glide";

const SIGNALLED = "An error was signalled by the server: - ";
const KNOWN = {
  ResponseError: "ERR", PermissionDenied: "NOPERM", CrossSlot: "CROSSSLOT", TryAgain: "TRYAGAIN", ReadOnly: "READONLY",
  BusyLoadingError: "LOADING", ClusterDown: "CLUSTERDOWN", MasterDown: "MASTERDOWN",
};

// glide rewrites error replies. A code that it knows becomes a word of its own behind a long text; of others the code stays, with a
// colon (`CONFLICT: ...`). Everything else is the client's own, and nobody knows what was done.
function errorReply(message) {
  const text = message.startsWith(SIGNALLED) ? message.slice(SIGNALLED.length) : message;
  const colon = text.indexOf(": ");
  if (colon < 0) return null;
  const word = text.slice(0, colon);
  const code = text === message ? word : KNOWN[word];
  return code && /^[A-Z]+$/.test(code) ? [code, text.slice(colon + 2)] : null;
}

/**
 * valkey-glide, `GlideClient` or `GlideClusterClient`; its `requestTimeout` bounds one attempt.
 * `replicas`: what only reads goes to the replicas of a cluster. `binary`: keys, orders and values are answered as Buffers.
 */
export function glide(client, { replicas = false, binary = false } = {}) {
  const isCluster = client instanceof GlideClusterClient;
  const decoder = binary ? Decoder.Bytes : Decoder.String;
  const single = { decoder };
  return {
    errorReply,
    send({ words, key, reads }) {
      const args = words.map((word) => (typeof word === "number" ? String(word) : word));
      // Without a route glide looks for the key in the first argument, which is the order of a cart.
      const type = replicas && reads ? "replicaSlotKey" : "primarySlotKey";
      const options = isCluster ? { decoder, route: { type, key: String(key) } } : single;
      return client.customCommand(args, options);
    },
  };
}
