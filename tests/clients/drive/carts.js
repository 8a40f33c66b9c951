// Reserves COUNT carts of two pools, and prints the first word of each answer: node carts.js EXAMPLES PORT TAG COUNT LIBRARY

import { pathToFileURL } from "node:url";
import { join } from "node:path";

const [examples, port, tag, count, library] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(join(examples, name)));
const [{ connect }, { cart }] = [await load("connect.js"), await load("stock.js")];
const { call, end } = await connect(library, Number(port), true);
for (let n = 0; n < Number(count); n += 1) {
  const answer = await call(...cart("MRESERVE", `order-${n}`, [`{${tag}}a`, `{${tag}}b`], "QTY", 1, 1));
  console.log(answer[0]);
}
end();
