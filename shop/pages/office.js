import { byId, follow, post, say } from "./common.js";

let state = null;
const SVG = "http://www.w3.org/2000/svg";

// Areas on top of each other: sold, held, on the shelf; and a line of what was returned.
function chart(history) {
  const svg = byId("chart");
  const most = Math.max(1, ...history.map((at) => at.shelf + at.held + at.sold));
  const wide = 240 / Math.max(1, history.length - 1);
  const x = (n) => n * wide;
  const y = (units) => 100 - (units / most) * 96;
  const area = (name, from, to) => {
    const up = history.map((at, n) => `${x(n)},${y(to(at))}`);
    const down = history.map((at, n) => `${x(n)},${y(from(at))}`).reverse();
    const path = document.createElementNS(SVG, "polygon");
    path.setAttribute("points", [...up, ...down].join(" "));
    path.setAttribute("class", name);
    return path;
  };
  const parts = [
    area("sold", () => 0, (at) => at.sold),
    area("held", (at) => at.sold, (at) => at.sold + at.held),
    area("shelf", (at) => at.sold + at.held, (at) => at.sold + at.held + at.shelf),
    area("back", (at) => Math.max(0, at.returned - most / 120), (at) => at.returned),
  ];
  history.forEach((at, n) => {
    if (at.up) return;
    const gap = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ x: x(n) - wide / 2, y: 0, width: wide, height: 100, class: "down" })) gap.setAttribute(name, value);
    parts.push(gap);
  });
  svg.replaceChildren(...parts);
}

function table(id, head, rows) {
  const line = (cells, kind) => {
    const row = document.createElement("tr");
    for (const cell of cells) row.appendChild(document.createElement(kind)).textContent = cell ?? "?";
    return row;
  };
  byId(id).replaceChildren(...(head ? [line(head, "th")] : []), ...rows.map((row) => line(row, "td")));
}

function show(next) {
  if (!next.history) return;
  state = next;
  chart(state.history);
  const last = state.history.at(-1);
  for (const name of ["shelf", "held", "sold", "returned"]) say(`n-${name}`, String(last[name]));
  const { redis, database } = state;
  table("sides", ["", "Redis", "database"], [
    ["on the shelf, not paid", redis?.on_hand, database.on_hand],
    ["events", redis?.changes, redis && database.behind != null ? `${database.behind} behind` : "?"],
    ["orders made by workers", "", database.made],
    ["entries in the queue", state.queue, ""],
    ["incidents", "", database.incidents],
  ]);
  say("drift", database.drift == null ? "?" : String(database.drift));
  byId("drift").className = database.drift === 0 ? "good" : "bad";
  const refusals = Object.entries(state.refusals);
  table("refusals", null, [...refusals, ["of these without a call to Redis", state.from_memory]]);
  table("hottest", ["", "asked", "got"], state.hottest.map(([name, buyer]) => [name, buyer.asked, buyer.held]));
  say("processes", Object.entries(state.processes).map(([name, up]) => `${name} ${up ? "runs" : "is down"}`).join(" · "));
  byId("log").replaceChildren(...state.log.map(([at, text]) => {
    const line = document.createElement("li");
    line.textContent = `${new Date(at).toLocaleTimeString()}  ${text}`;
    return line;
  }));
  const { crowd } = state;
  say("crowd-line", crowd.buyers ? `Crowd: ${crowd.done} of ${crowd.buyers} were here, ${crowd.held} held, ${crowd.paid} paid, ${crowd.abandoned} abandoned, ${crowd.refused} refused, ${crowd.broken} connections broke, ${crowd.twice} clicked twice; wrong answers ${crowd.wrong}, without an answer ${crowd.unserved}.` : "");
  byId("crowd").disabled = crowd.running;
  say("ledger", state.processes.ledger ? "Stop the ledger" : "Start the ledger");
  say("suspend", state.board.suspended ? "Resume" : "Suspend");
}

const buttons = {
  crowd: () => ["crowd", { number: Number(byId("buyers").value) }],
  "kill-redis": () => ["kill", { what: "redis" }],
  "kill-workers": () => ["kill", { what: "workers" }],
  ledger: () => ["ledger", { on: !state.processes.ledger }],
  suspend: () => ["suspend", { on: !state.board.suspended }],
  restock: () => ["restock", { number: 50 }],
  end: () => ["sale", { opens_in: 0, ends_in: 10 }],
  open: () => ["sale", { opens_in: 0, ends_in: 3600 }],
  audit: () => ["audit", {}],
};
for (const [id, call] of Object.entries(buttons)) {
  byId(id).addEventListener("click", async () => {
    const [route, body] = call();
    const answer = await post(`/api/office/${route}`, body);
    say("answer", answer.ok ? "" : answer.error);
  });
}

follow("/api/office/events", null, show);
