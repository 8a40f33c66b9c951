"""The shop in a real browser: python browser.py URL CHROMIUM DIRECTORY-FOR-SCREENSHOTS

The shop at URL has one unit, and holds of eight seconds.
"""

import re
import sys
import time

from playwright.sync_api import expect, sync_playwright

BASE, CHROMIUM, SHOTS = sys.argv[1:]
faults = []
# The machine may be busy; how fast pages are, the load test says.
expect.set_options(timeout=20_000)


def buyer(browser, width=900, height=480):
    """A buyer with cookies of their own, on the product page. What the browser complains of is a fault."""
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(BASE)
    expect(page.locator("#left")).to_contain_text(re.compile("left|Sold out"))
    return page


def step(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


with sync_playwright() as tools:
    browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])

    step("two browsers want the last unit")
    one, two = buyer(browser), buyer(browser)
    for page in (one, two):
        expect(page.locator("#left")).to_have_text("1 left")
        expect(page.locator("#buy")).to_be_enabled()
    one.screenshot(path=f"{SHOTS}/shop-product.png")
    # Both click before either has an answer.
    for page in (one, two):
        page.evaluate("setTimeout(() => document.getElementById('buy').click(), 0)")
    two_won = False
    start = time.monotonic()
    while "/order/" not in one.url and "/order/" not in two.url:
        assert time.monotonic() - start < 10, "nobody got it"
        one.wait_for_timeout(20)
    if "/order/" in two.url:
        one, two, two_won = two, one, True
    expect(two.locator("#left")).to_have_text("Sold out", timeout=3000)
    expect(two.locator("#buy")).to_be_disabled()
    assert "/order/" not in two.url, "one of them only"

    step("the winner's order is held, and the unit comes back when nobody pays")
    expect(one.locator("#step")).to_have_text("Held for you")
    expect(one.locator("#clock")).to_contain_text("Pay within 0:0")
    one.screenshot(path=f"{SHOTS}/shop-order.png")
    expect(one.locator("#step")).to_contain_text("Expired", timeout=20_000)
    expect(two.locator("#buy")).to_be_enabled()
    expect(two.locator("#left")).to_have_text("1 left")

    step("the other one buys it, and the late payment comes too late")
    two.reload()
    two.click("#buy")
    two.click("#pay")
    expect(two.locator("#step")).to_have_text("Paid. Thank you!")
    paid = two.url
    one.click("#late")
    expect(one.locator("#answer")).to_contain_text("too late")

    step("the back office: units arrive, a crowd comes, and Redis is killed in the middle")
    office = buyer(browser, 1180, 800)
    office.goto(f"{BASE}/office")
    expect(office.locator("#drift")).to_have_text("0", timeout=20_000)
    watcher = buyer(browser)
    # More units than the button brings, so that the crowd takes a while.
    office.evaluate(
        "async () => { const { post } = await import('/static/common.js');"
        " for (let n = 0; n < 3; n++) await post('/api/office/restock', { number: 1000 }); }"
    )
    expect(watcher.locator("#left")).to_have_text("3000 left")
    office.fill("#buyers", "6000")
    # Both by the page itself: a crowd may be through in half a second, before this program has looked at it.
    office.evaluate(
        "async () => { document.querySelector('#crowd').click();"
        " await new Promise((done) => setTimeout(done, 150)); document.querySelector('#kill-redis').click(); }"
    )
    expect(office.locator("#crowd-line")).to_contain_text(re.compile(r"Crowd: [1-9]\d{2,} of"))
    expect(office.locator("#log")).to_contain_text("redis-server is back", timeout=20_000)
    expect(office.locator("#log")).to_contain_text("a crowd of 6000", timeout=60_000)
    lines = office.locator("#log li").all_text_contents()
    # The newest stands first: the crowd was there before the kill, and after it.
    crowd, killed = (next(n for n, line in enumerate(lines) if text in line) for text in ("a crowd of 6000", "kill -9"))
    assert crowd < killed, lines
    for line in lines:
        assert "lost: " not in line or "lost: 0." in line, line
        assert "wrong answers: " not in line or "wrong answers: 0." in line, line
    expect(office.locator("#crowd-line")).to_contain_text("wrong answers 0, without an answer 0.")
    # Abandoned carts end, and the database has all of it.
    expect(office.locator("#n-held")).to_have_text("0", timeout=20_000)
    expect(office.locator("#drift")).to_have_text("0", timeout=20_000)
    two.goto(paid)
    expect(two.locator("#step")).to_have_text("Paid. Thank you!")

    step("what was returned is sold again, to the last unit, and every page shows it")
    # More people each time: many of those before have reached their limit, and on a slow machine carts that they gave up come back
    # when the last of them have been there.
    for buyers in (9000, 12_000, 15_000, 18_000):
        office.fill("#buyers", str(buyers))
        office.click("#crowd")
        try:
            expect(watcher.locator("#left")).to_have_text("Sold out", timeout=15_000)
            break
        except AssertionError:
            expect(office.locator("#log")).to_contain_text(f"a crowd of {buyers}", timeout=40_000)
    expect(watcher.locator("#left")).to_have_text("Sold out", timeout=5_000)
    office.click("#audit")
    expect(office.locator("#log li").first).to_contain_text("lost: 0.", timeout=20_000)
    office.wait_for_timeout(600)
    office.screenshot(path=f"{SHOTS}/shop-office.png")

    step("a paid order is returned, and the page of somebody who waits gets its button back")
    expect(two.locator("#return")).to_be_visible()
    two.click("#return")
    expect(two.locator("#step")).to_contain_text("Returned")

    # A killed server breaks requests that the browser then speaks of; what the policy forbids is our fault.
    ours = [text for text in faults if "503" not in text and "409" not in text]
    assert not ours, ours
    browser.close()
step("done")
