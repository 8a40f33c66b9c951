// What all pages share. Text from outside goes into pages as text only, never as HTML.
export const byId = (id) => document.getElementById(id);
export const say = (id, text) => { const at = byId(id); if (at.textContent !== text) at.textContent = text; };

// A change: with the page's token. No answer: the same again, which the shop knows to be the same. `again` is what is
// added to the body then.
export async function post(path, body, again = {}) {
  for (let attempt = 0; ; attempt++) {
    try {
      const answer = await fetch(path, {
        method: "POST",
        headers: { "content-type": "application/json", "x-token": document.body.dataset.token },
        body: JSON.stringify(attempt ? { ...body, ...again } : body),
      });
      if (answer.status !== 503 || attempt === 5) return { ok: answer.ok, ...(await answer.json()) };
    } catch (error) {
      if (attempt === 5) return { ok: false, error: "The shop does not answer." };
    }
    await new Promise((wake) => setTimeout(wake, 500));
  }
}

// Push, and polling where push is not there. Returns how to stop.
export function follow(path, pollPath, show) {
  let last = 0, over = false;
  const take = (text) => { last = Date.now(); show(JSON.parse(text)); };
  const source = new EventSource(path);
  source.onmessage = (event) => take(event.data);
  const poll = setInterval(async () => {
    if (source.readyState === EventSource.OPEN || !pollPath || Date.now() - last < 900) return;
    try {
      const answer = await fetch(pollPath);
      if (answer.ok && !over) take(await answer.text());
    } catch { /* The next one may come through. */ }
  }, 1000);
  return () => { over = true; clearInterval(poll); source.close(); };
}

// The shop's clock, as far as this page knows it.
let ahead = 0;
export const setClock = (now_ms) => { ahead = now_ms - Date.now(); };
export const until = (ms) => Math.max(0, Math.ceil((ms - Date.now() - ahead) / 1000));
export const span = (seconds) => {
  const two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  return minutes >= 60 ? `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
};

// Why something was refused, for people.
export function reason(word, left) {
  const known = {
    SOLDOUT: "Sold out.",
    LIMITED: "You have reached the limit for each buyer.",
    SUSPENDED: "The sale is paused. Please try again in a moment.",
    EARLY: "The sale has not started yet.",
    ENDED: "The sale is over.",
    EXPIRED: "The time to pay is over.",
    CLOSED: "This order is over. You can buy again.",
    CONFIRMED: "This order is paid. You can return it.",
    RESERVED: "This order is not paid yet.",
    NOORDER: "The shop does not know this order.",
  };
  return left > 0 ? `Only ${left} left.` : known[word] || `Refused: ${word}.`;
}
