import calculateSlot from "cluster-key-slot";
import { Cluster, Command } from "ioredis";

/**
 * ioredis, `Redis` or `Cluster`, with `commandTimeout`. What only reads goes where the cluster's `scaleReads` says.
 * `binary`: keys, orders and values are answered as Buffers.
 */
export function ioredis(client, { binary = false } = {}) {
  const isCluster = client instanceof Cluster;
  const options = { replyEncoding: binary ? null : "utf8" };
  return {
    send({ words, key, reads }) {
      const command = new Command(words[0], words.slice(1), options);
      if (isCluster) {
        // ioredis sends a command that it does not know to any node, unless the command's slot is set.
        command.slot = calculateSlot(key);
        command.isReadOnly = reads;
      }
      return client.sendCommand(command);
    },
  };
}
