import { byId, follow, post, reason, say, setClock, span, until } from "./common.js";

const { order } = document.body.dataset;
const path = `/api/order/${order}`;
const words = {
  queued: "Your units are held, your order is in the queue",
  held: "Held for you",
  paid: "Paid. Thank you!",
  given_up: "Given up",
  expired: "Expired: the time to pay is over",
  returned: "Returned. The money comes back.",
  unknown: "The shop does not know this order",
};
let view = null, stop = null;

function draw() {
  if (!view) return;
  const { step } = view;
  say("step", words[step]);
  say("qty", view.qty === 1 ? "1 unit" : `${view.qty} units`);
  const open = step === "queued" || step === "held";
  const place = step === "queued" && view.ahead > 0 ? `${view.ahead} orders before yours. ` : "";
  say("clock", open ? `${place}Pay within ${span(until(view.deadline_ms))}` : "");
  byId("step-queued").className = "on";
  byId("step-held").className = step === "queued" || step === "unknown" ? "" : "on";
  byId("step-end").className = step === "paid" || step === "returned" ? "on" : "";
  const shown = { pay: step === "held", cancel: open, late: step === "expired", return: step === "paid", again: !open };
  for (const [id, show] of Object.entries(shown)) byId(id).hidden = !show;
}

function listen() {
  stop?.();
  stop = follow(`${path}/events`, path, (next) => {
    view = next;
    setClock(view.now_ms);
    draw();
    // Nothing more happens by itself.
    if (view.step !== "queued" && view.step !== "held") stop();
  });
}

for (const deed of ["pay", "cancel", "late", "return"]) {
  byId(deed).addEventListener("click", async () => {
    byId(deed).disabled = true;
    const answer = await post(`${path}/${deed}`, {});
    byId(deed).disabled = false;
    const lost = deed === "late" && answer.refused ? " Your payment came too late: it goes back to you." : "";
    say("answer", answer.ok ? "" : (answer.refused ? reason(answer.refused, answer.left) : answer.error) + lost);
    listen();
  });
}

setInterval(draw, 250);
listen();
