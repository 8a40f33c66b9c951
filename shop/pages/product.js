import { byId, follow, post, reason, say, setClock, span, until } from "./common.js";

let state = JSON.parse(document.body.dataset.state);
let busy = false;
setClock(Number(document.body.dataset.now));

const most = Number(byId("limit").dataset.limit);
for (let n = 1; n <= Math.min(most, 10); n++) byId("qty").add(new Option(n, n));

function draw() {
  const opens = until(state.opens_ms), ends = until(state.ends_ms);
  const over = state.ends_ms !== 0 && ends === 0;
  const gone = state.sold_out || state.available <= 0;
  say("left", over ? "The sale is over" : gone ? "Sold out" : `${state.available} left`);
  say("clock", opens > 0 ? `Starts in ${span(opens)}` : over ? "" : state.ends_ms ? `Ends in ${span(ends)}` : "");
  say("queue", state.online ? (state.queue ? `${state.queue} entries are in the order queue.` : "") : "One moment, please: the shop is catching its breath.");
  const buy = byId("buy");
  buy.disabled = busy || opens > 0 || over || gone || state.suspended;
  say("buy", busy ? "…" : over ? "Over" : gone ? "Sold out" : opens > 0 ? "Not yet" : state.suspended ? "Paused" : "Buy");
}

async function limits() {
  const answer = await fetch("/api/limits");
  if (!answer.ok) return;
  const mine = (await answer.json()).limits.find((limit) => limit.limit.startsWith("user/"));
  if (mine) say("limit", `At most ${mine.max} for each buyer; you have ${mine.used}.`);
}

byId("buy").addEventListener("click", async () => {
  busy = true;
  draw();
  const order = { checkout: document.body.dataset.checkout, qty: Number(byId("qty").value) };
  const answer = await post("/api/buy", order, { again: true });
  if (answer.order) return location.assign(`/order/${answer.order}`);
  busy = false;
  say("answer", answer.refused ? reason(answer.refused, answer.left) : answer.error);
  draw();
});

// A page that comes back from the browser's memory would buy under the old checkout id.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// One tab of this browser listens and tells the others: browsers open six connections, not more.
const tabs = new BroadcastChannel("product");
const show = (next) => { state = next; draw(); };
tabs.onmessage = (event) => show(event.data);
navigator.locks.request("product", () => new Promise(() => {
  follow("/api/product/events", "/api/product", (next) => { tabs.postMessage(next); show(next); });
}));

setInterval(draw, 250);
draw();
limits();
