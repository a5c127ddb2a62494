/** Does the book of budgets never hand out more than there is, and lose nothing of it? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Book } from "../../routing/budgets/book.ts";
import type { Said } from "../../routing/budgets/entry.ts";
import { endOfMonth, monthOf, usdText } from "../../routing/budgets/money.ts";

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 26);
const CLIENT = "ai/app";

function bookOf(usdPerMonth: string, onExceeded?: "Warn"): Book {
  const book = new Book();
  book.setBudgets([
    {
      key: CLIENT,
      namespace: "ai",
      name: "app",
      keys: [],
      budget: { usdPerMonth, ...(onExceeded && { onExceeded }) },
    },
  ]);
  return book;
}

/** A proxy as the book sees it. */
class Played {
  readonly instance: string;
  spent = 0;
  granted: number | null = null;
  isLast = false;
  need = 0;

  constructor(instance: string) {
    this.instance = instance;
  }

  said(month: string): Said {
    const { spent: nanoUsd, granted, isLast, need } = this;
    return { client: CLIENT, month, nanoUsd, requests: 1, tokens: 1, reserved: 0, granted, need, isLast };
  }

  /** One question and its answer. */
  talk(book: Book, now = NOW): string[] {
    const grants = book.grantsFor(this.instance);
    book.sent(this.instance, grants);
    for (const { upTo, isLast } of grants) {
      this.granted = Math.max(upTo, this.spent);
      this.isLast = isLast;
    }
    book.take(this.instance, `pod-of-${this.instance}`, [this.said(monthOf(now))], now);
    return remember(book, now);
  }
}

function remember(book: Book, now = NOW): string[] {
  book.divide(now);
  const pages = book.pages();
  book.written(pages);
  return pages.flatMap(({ text }) => text ?? []);
}

test("months are those of the calendar", () => {
  for (let at = Date.UTC(1999, 0, 1, 12); at < Date.UTC(2105, 0, 1); at += DAY) {
    const date = new Date(at);
    assert.equal(monthOf(at), date.toISOString().slice(0, 7));
    assert.equal(endOfMonth(at), Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1));
  }
});

test("money is shown to the cent at least", () => {
  assert.deepEqual([0, 1_000_000_000, 1_234_567_890, 10_000].map(usdText), ["0.00", "1.00", "1.234568", "0.00001"]);
});

test("proxies that spend at random never spend more together than there is, and all but a request of it", () => {
  for (let seed = 1; seed <= 20; seed++) {
    let state = seed;
    const random = () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state / 2 ** 32;
    };
    const book = bookOf("1");
    const proxies = Array.from({ length: 4 }, (_, n) => new Played(`p${n}`));
    const cost = 1_000_000 + Math.floor(random() * 20_000_000);
    for (let step = 0; step < 5_000 && !proxies.every(({ isLast }) => isLast); step++) {
      const proxy = proxies[Math.floor(random() * proxies.length)] as Played;
      const times = random() < 0.2 ? 20 : 1;
      for (let n = 0; n < times; n++) {
        if (proxy.spent + cost > (proxy.granted ?? 0)) {
          proxy.need = proxy.isLast ? 0 : cost;
          break;
        }
        proxy.spent += cost;
        proxy.need = 0;
      }
      proxy.talk(book, NOW + step * 50);
    }
    const spent = proxies.reduce((sum, proxy) => sum + proxy.spent, 0);
    assert.ok(spent <= 1e9, `seed ${seed}: ${spent} were spent`);
    assert.ok(spent > 1e9 - cost, `seed ${seed}: ${spent} were spent at ${cost} each`);
  }
});

test("what was told and not answered to counts as given", () => {
  const book = bookOf("1");
  const [lost, other] = [new Played("lost"), new Played("other")];
  lost.need = 100;
  lost.talk(book);
  const grants = book.grantsFor("lost");
  assert.equal(grants.length, 1);
  book.sent("lost", grants);
  const mayHave = grants[0]?.upTo ?? 0;
  book.end("lost", false);
  other.need = 1e9 - mayHave + 1;
  for (let n = 0; n < 3; n++) other.talk(book);
  assert.ok(other.isLast);
  other.need = 1e9 - mayHave;
  for (let n = 0; n < 3; n++) other.talk(book);
  assert.equal(other.granted, 1e9 - mayHave);
});

test("nothing is told before it is remembered", () => {
  const book = bookOf("1");
  book.take("p", "pod", [{ ...new Played("p").said("2026-11"), need: 5 }], NOW);
  assert.equal(book.divide(NOW), true);
  assert.deepEqual(book.grantsFor("p"), []);
  const pages = book.pages();
  assert.deepEqual(book.grantsFor("p"), []);
  book.written(pages);
  assert.equal(book.grantsFor("p").length, 1);
});

test("a book that is read again goes on where it was, and counts nothing twice", () => {
  const book = bookOf("1");
  const proxy = new Played("p");
  proxy.talk(book);
  proxy.spent = 7;
  const texts = proxy.talk(book);
  const again = bookOf("1");
  again.read(texts, NOW);
  assert.equal(again.usage()[0]?.nanoUsd, 7);
  proxy.talk(again);
  assert.equal(again.usage()[0]?.nanoUsd, 7);
  assert.deepEqual([...again.pods], [["p", "pod-of-p"]]);
  again.end("p", true);
  assert.equal(again.usage()[0]?.nanoUsd, 7);
});

test("a new month begins with nothing, and what was said of the old one comes too late", () => {
  const book = bookOf("1");
  const proxy = new Played("p");
  proxy.spent = 400;
  proxy.talk(book);
  const december = Date.UTC(2026, 11, 1, 0, 0, 1);
  proxy.spent = 3;
  proxy.granted = null;
  proxy.talk(book, december);
  assert.equal(book.usage()[0]?.month, "2026-12");
  assert.equal(book.usage()[0]?.nanoUsd, 3);
  book.take("q", "pod-q", [{ ...new Played("q").said("2026-11"), nanoUsd: 99 }], december);
  assert.equal(book.usage()[0]?.nanoUsd, 3);
  book.take("q", "pod-q", [{ ...new Played("q").said("2031-01"), nanoUsd: 99 }], december);
  assert.equal(book.usage()[0]?.month, "2026-12");
});

test("who has only a warning is counted and given nothing", () => {
  const book = bookOf("1", "Warn");
  const proxy = new Played("p");
  proxy.spent = 5e9;
  proxy.talk(book);
  assert.deepEqual(book.grantsFor("p"), []);
  assert.equal(book.usage()[0]?.nanoUsd, 5e9);
});
