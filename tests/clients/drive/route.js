// Sends what it reads, one JSON list a line, through a cluster client: node route.js EXAMPLES PORT LIBRARY with|without
// MARK tells that the warm-up is over.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const [examples, port, library, how] = process.argv.slice(2);
const { connect } = await import(pathToFileURL(join(examples, "connect.js")));
const { call, client, end } = await connect(library, Number(port), true, 20_000);
const send = how === "with" ? call : (key, ...words) => client.call(...words);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
for (;;) {
  const { value: line, done } = await lines.next();
  if (done) break;
  if (line === "MARK") {
    console.log("warm");
    await lines.next();
    continue;
  }
  // The arguments are of no interest here.
  await send(...JSON.parse(line)).catch((error) => {
    if (!/^[A-Z]+ /.test(error.message)) throw error;
  });
}
console.log("done");
end();
