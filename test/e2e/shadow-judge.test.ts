/** Does a route's webhook judge what is compared, blindly, and is what was said word for word kept only where it may be? */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { after, describe, test } from "node:test";
import { DEFAULT_SETTINGS } from "../../proxy/settings.ts";
import { Redacted } from "../../routing/secrets.ts";
import { AZURE_KEY, object } from "../proxy/harness.ts";
import { azureProvider, client, openaiProvider } from "./over-simulators.ts";
import { ask, type Setting, until, type World, world } from "./shadow-world.ts";

interface Question {
  readonly id: string;
  readonly route: string;
  readonly operation: string;
  readonly request: Readonly<Record<string, unknown>>;
  readonly answers: Readonly<Record<"a" | "b", { readonly texts: readonly string[] }>>;
}

interface Asked {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly question: Question;
}

interface Played {
  readonly url: string;
  readonly asked: Asked[];
  /** Ends those that wait, where it answers nothing by itself. */
  release(): void;
}

type Answer =
  | { readonly status?: number; readonly body?: string; readonly headers?: Record<string, string> }
  | undefined;

/** A webhook; undefined for an answer: it lets the question wait. */
async function playJudge(answer: (question: Question) => Answer): Promise<Played> {
  const asked: Asked[] = [];
  const waiting: (() => void)[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const question = JSON.parse(text || "{}") as Question;
    asked.push({ headers: request.headers, text, question });
    const said = answer(question);
    const end = ({ status = 200, body = '{"verdict":"tie"}', headers = {} }: NonNullable<Answer>) => {
      response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
    };
    if (said) end(said);
    else waiting.push(() => end({}));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/compare`, asked, release: () => void waiting.splice(0).map((end) => end()) };
}

const INSIDE = { ...DEFAULT_SETTINGS, egress: { ...DEFAULT_SETTINGS.egress, allowedCIDRs: ["127.0.0.0/8"] } };
const LIVE = "live words";
const COPY = "copied words";
const SAID = { openai: { says: LIVE }, azure: { says: COPY } };

function judgedWorld(judge: object, setting: Setting = {}): Promise<World> {
  return world({
    own: SAID,
    ...setting,
    shadow: { judge, ...setting.shadow },
    gateway: { settings: INSIDE, ...setting.gateway },
  });
}

const judged = (result: string) => `tandem_shadow_judged_total{route="ai/chat",result="${result}"}`;
const counts = async (one: World) => (await one.day()) as unknown as { wins: number; ties: number; losses: number };

async function untilJudged(one: World, result: string, count: number): Promise<void> {
  await until(`${count} ${result}`, async () => (await one.count(judged(result))) >= count);
  assert.equal(await one.count(judged(result)), count);
}

const likes =
  (text: string) =>
  ({ answers }: Question) => ({
    body: JSON.stringify({ verdict: answers.a.texts[0]?.includes(text) ? "a" : "b" }),
  });

describe("a judge", () => {
  test("finds the copy better wherever it stands, and is not told where", async () => {
    const judge = await playJudge(likes(COPY));
    const one = await judgedWorld({ url: judge.url });
    const requests = 24;
    for (let n = 1; n <= requests; n++) {
      await ask(one, { user: "alice@example.com", metadata: { team: "secret-team" } });
      await untilJudged(one, "win", n);
    }
    const { wins, ties, losses } = await counts(one);
    assert.deepEqual([wins, ties, losses], [requests, 0, 0]);
    const first = judge.asked.filter(({ question }) => question.answers.a.texts[0] === COPY).length;
    assert.ok(first > 0 && first < requests, `the copy stood first ${first} times of ${requests}`);
    for (const { text, question, headers } of judge.asked) {
      assert.deepEqual(Object.keys(question.answers), ["a", "b"]);
      assert.equal(question.route, "ai/chat");
      assert.deepEqual(question.request.messages, [{ role: "user", content: "Hi" }]);
      assert.doesNotMatch(text, /chatcmpl|azure|openai|chat-prod|"copy"|"live"|alice|secret-team/i);
      assert.equal(headers.authorization, undefined);
    }
  });

  test("finds what the caller got better, of streams too, and ties", async () => {
    const judge = await playJudge((question) => (question.request.stream ? likes(LIVE)(question) : {}));
    const one = await judgedWorld({ url: judge.url });
    await ask(one, { stream: true });
    await untilJudged(one, "loss", 1);
    await ask(one);
    await untilJudged(one, "tie", 1);
    const { wins, ties, losses } = await counts(one);
    assert.deepEqual([wins, ties, losses], [0, 1, 1]);
  });

  test("gets its token, and the table only a version of it", async () => {
    const judge = await playJudge(() => ({}));
    const one = await judgedWorld({ url: judge.url, secretRef: { name: "keys", key: "azure" } });
    await ask(one);
    await untilJudged(one, "tie", 1);
    assert.equal(judge.asked[0]?.headers.authorization, `Bearer ${AZURE_KEY}`);
    assert.doesNotMatch(JSON.stringify(await one.harness.status()), new RegExp(AZURE_KEY));
  });

  test("judges the copies of a rollout, and none of a form that its spec does not name any more", async () => {
    const judge = await playJudge(likes(COPY));
    const one = await world({ own: SAID, gateway: { settings: INSIDE } });
    const route = (weight: number, more: object = {}) =>
      object("AIRoute", "chat", {
        models: ["gpt-4o"],
        backends: [
          { name: "live", providerRef: { name: "openai" } },
          { name: "copy", providerRef: { name: "azure" } },
        ],
        rollout: {
          stable: "live",
          candidate: "copy",
          steps: [{ setShadow: 100 }, { setWeight: weight }],
          shadow: { judge: { url: judge.url } },
        },
        ...more,
      });
    const rollouts = new Map([["ai/chat", { weight: 0, shadowPercent: 100 }]]);
    const others = [openaiProvider(), azureProvider("2025-04-01-preview"), client()];
    one.harness.apply([...others, route(100)], undefined, rollouts);
    await ask(one);
    await untilJudged(one, "win", 1);
    one.harness.apply([...others, route(100, { strategy: "Latency" })], undefined, rollouts);
    await ask(one);
    await until("copied", async () => one.copies().length === 2);
    await one.settled(2);
    assert.equal(judge.asked.length, 1, "its spec is broken: the former form copies, and nobody judges");
  });

  const silent: readonly (readonly [string, Answer])[] = [
    ["an error", { status: 500 }],
    ["a redirect", { status: 302, headers: { location: "/elsewhere" } }],
    ["no JSON", { body: "a" }],
    ["another verdict", { body: '{"verdict":"c"}' }],
    ["too much", { body: `{"verdict":"a","why":"${"x".repeat(70_000)}"}` }],
  ];
  for (const [what, answer] of silent) {
    test(`that answers with ${what} said nothing`, async () => {
      const judge = await playJudge(() => answer);
      const one = await judgedWorld({ url: judge.url });
      await ask(one);
      await untilJudged(one, "failed", 1);
      assert.equal(judge.asked.length, 1);
      const { wins, ties, losses } = await counts(one);
      assert.deepEqual([wins, ties, losses], [0, 0, 0]);
    });
  }

  test("inside is not reached unless egress allows it", async () => {
    const judge = await playJudge(() => ({}));
    const one = await judgedWorld({ url: judge.url }, { gateway: { settings: DEFAULT_SETTINGS } });
    await ask(one);
    await untilJudged(one, "failed", 1);
    assert.equal(judge.asked.length, 0);
  });

  test("has at most four pairs at once, and nobody waits for it", async () => {
    const judge = await playJudge(() => undefined);
    const one = await judgedWorld({ url: judge.url });
    for (let n = 1; n <= 6; n++) {
      await ask(one);
      await one.settled(n);
    }
    await untilJudged(one, "dropped", 2);
    await until("four asked", async () => judge.asked.length === 4);
    judge.release();
    await untilJudged(one, "tie", 4);
  });

  test("never hears of callers who belong somewhere, nor is anything of theirs kept", async () => {
    const judge = await playJudge(() => ({}));
    const one = await judgedWorld(
      { url: judge.url },
      {
        client: { residency: "EU" },
        openai: { residency: ["EU"] },
        azure: {
          region: "swedencentral",
          models: [{ name: "gpt-4o", deployment: "chat-prod", deploymentType: "Standard" }],
        },
        route: { models: ["gpt-4o"] },
        shadow: { records: { bodies: "Keep" } },
      },
    );
    await ask(one);
    await one.settled(1);
    assert.equal(one.copies().length, 1, "it was copied and compared");
    await untilJudged(one, "residency", 1);
    assert.equal(judge.asked.length, 0);
    assert.deepEqual((await comparisons(one)).comparisons, []);
  });

  test("whose token is missing is told of and not asked", async () => {
    const judge = await playJudge(() => ({}));
    const one = await judgedWorld({ url: judge.url, secretRef: { name: "keys", key: "none" } });
    await ask(one);
    await one.settled(1);
    assert.equal(judge.asked.length, 0);
    const route = object("AIRoute", "chat", {
      models: ["gpt-4o"],
      backends: [{ name: "azure", providerRef: { name: "azure" } }],
      shadow: { backend: "azure", percent: 1, judge: { url: judge.url, secretRef: { name: "keys", key: "none" } } },
    });
    const told = one.harness.apply([azureProvider("v1"), route, client()]).find(({ kind }) => kind === "AIRoute");
    assert.match(JSON.stringify(told), /spec\.shadow\.judge\.secretRef: there is no key none of Secret keys/);
  });
});

interface Kept {
  readonly comparisons: readonly {
    readonly request: { readonly body: string };
    readonly live: { readonly body: string };
    readonly copy: { readonly body: string };
  }[];
}

async function comparisons(one: World, headers: Record<string, string> = {}): Promise<Kept> {
  const response = await fetch(`${one.harness.gateway.adminUrl}/status/comparisons?route=ai/chat`, { headers });
  assert.equal(response.status, 200);
  return (await response.json()) as Kept;
}

describe("what was said", () => {
  test("is kept where the route asks for it, for a time, and shown at its own path", async () => {
    let now = Date.now();
    const one = await world({
      own: SAID,
      shadow: { records: { bodies: "Keep", retention: "1m" } },
      gateway: { clock: () => now },
    });
    for (let n = 1; n <= 52; n++) {
      await ask(one, { messages: [{ role: "user", content: `question ${n}` }] });
      await one.settled(n);
    }
    const { comparisons: kept } = await comparisons(one);
    assert.equal(kept.length, 50);
    assert.match(kept[0]?.request.body ?? "", /question 3"/);
    assert.ok(kept.every(({ live, copy }) => live.body.includes(LIVE) && copy.body.includes(COPY)));
    assert.doesNotMatch(JSON.stringify(await one.harness.status()), /question|live words|copied words/);
    now += 60_000;
    assert.deepEqual((await comparisons(one)).comparisons, []);
  });

  test("is not kept unless the route asks for it", async () => {
    const one = await world({ own: SAID });
    await ask(one);
    await one.settled(1);
    assert.deepEqual((await comparisons(one)).comparisons, []);
  });

  test("is for holders of the admin token, over loopback too", async () => {
    const one = await world({
      own: SAID,
      shadow: { records: { bodies: "Keep" } },
      gateway: { adminToken: () => new Redacted("the-token") },
    });
    await ask(one);
    await one.settled(1);
    const refused = await fetch(`${one.harness.gateway.adminUrl}/status/comparisons?route=ai/chat`);
    assert.equal(refused.status, 401);
    assert.doesNotMatch(await refused.text(), /words/);
    assert.equal((await comparisons(one, { authorization: "Bearer the-token" })).comparisons.length, 1);
  });
});
