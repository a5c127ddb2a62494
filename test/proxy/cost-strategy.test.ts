/** Is the cheapest backend asked first, by prices and by what requests turn out to use? */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { used } from "../fakes/priced.ts";
import { chatAnswer, errorAnswer, FakeProvider, json } from "../fakes/provider.ts";
import { errorOf, type Harness, objects, startHarness } from "./harness.ts";

const openai = await new FakeProvider().start();
const azure = await new FakeProvider().start();

beforeEach(() => {
  openai.seen.length = 0;
  azure.seen.length = 0;
  openai.answer = used(10, 10);
  azure.answer = used(10, 10);
});

type Price = Readonly<Record<string, unknown>> | undefined;

interface Setup {
  readonly openai?: Price;
  readonly azure?: Price;
  readonly route?: object;
  readonly backends?: readonly object[];
}

const BACKENDS = [
  { name: "openai", providerRef: { name: "openai" } },
  { name: "azure", providerRef: { name: "azure-sweden" } },
];

/** A gateway of its own each time: what one has learned is no business of another. Unpriced where no price is given. */
function cost({ route, backends = BACKENDS, ...prices }: Setup): Promise<Harness> {
  const model = (price: Price) => ({ name: "gpt-4o", baseModel: "nobody-knows-it", ...(price && { price }) });
  return startHarness({
    openai: openai.url,
    azure: azure.url,
    objects: objects({
      openai: { models: [model(prices.openai)] },
      azure: { models: [{ ...model(prices.azure), deployment: "gpt-4o-prod" }] },
      route: { models: ["gpt-4o"], strategy: "Cost", backends, ...route },
    }),
  });
}

/** Which backends answered, one letter each, and why the last was chosen. */
async function ask(harness: Harness, times = 1, body: object = {}): Promise<string> {
  let answered = "";
  let decision = "";
  for (let i = 0; i < times; i++) {
    const response = await harness.chat(body);
    await response.text();
    answered += response.headers.get("x-tandem-backend")?.[0] ?? "-";
    decision = response.headers.get("x-tandem-decision") ?? "";
  }
  return `${answered} ${decision}`;
}

const said = (letters: number) => ({ messages: [{ role: "user", content: "x".repeat(letters) }] });

test("the cheaper backend answers, wherever it stands and whatever it weighs", async () => {
  const harness = await cost({
    openai: { input: "2.50", output: "10.00" },
    azure: { input: "2.40", output: "9.00" },
    backends: [{ ...BACKENDS[0], weight: 100 }, BACKENDS[1] as object],
  });
  assert.equal(await ask(harness, 5), "aaaaa cost");
  const metrics = await (await fetch(`${harness.gateway.adminUrl}/metrics`)).text();
  assert.match(metrics, /tandem_routing_decisions_total\{route="ai\/chat",backend="azure",reason="cost"\} 5/);
});

test("prices order a tier, not the tiers", async () => {
  const [first, second] = BACKENDS as [object, object];
  const harness = await cost({
    openai: { input: "2.50", output: "10.00" },
    azure: { input: "0.01", output: "0.01" },
    backends: [first, { ...second, priority: 2 }],
  });
  assert.equal(await ask(harness, 3), "ooo priority");
});

test("a long request goes where input is cheap, a short one where output is", async () => {
  const harness = await cost({
    openai: { input: "1.00", output: "20.00" },
    azure: { input: "3.00", output: "10.00" },
  });
  assert.equal(await ask(harness, 1, said(10)), "a cost");
  assert.equal(await ask(harness, 1, said(100_000)), "o cost");
});

test("how long answers are is learned, and changes the choice", async () => {
  const harness = await cost({
    openai: { input: "1.00", output: "20.00" },
    azure: { input: "3.00", output: "10.00" },
  });
  azure.answer = used(500, 1);
  openai.answer = used(500, 1);
  assert.equal(await ask(harness, 3, said(2000)), "aoo cost");
  openai.answer = used(500, 5000);
  assert.equal(await ask(harness, 3, said(2000)), "oaa cost");
});

test("how many tokens a byte is, is learned too", async () => {
  const harness = await cost({
    openai: { input: "1.00", output: "20.00" },
    azure: { input: "3.00", output: "10.00" },
  });
  // A language of which a byte is a token: four times as many as at first thought.
  for (const provider of [openai, azure]) provider.answer = used(3000, 250);
  assert.equal(await ask(harness, 2, said(3000)), "ao cost");
});

test("a bound on the answer is believed", async () => {
  for (const bound of [{ max_tokens: 5 }, { max_completion_tokens: 5, n: 2 }]) {
    const harness = await cost({
      openai: { input: "1.00", output: "20.00" },
      azure: { input: "3.00", output: "10.00" },
    });
    assert.equal(await ask(harness, 1, { ...said(400), ...bound }), "o cost");
  }
});

test("above a size of context another may be cheaper", async () => {
  const harness = await cost({
    openai: { input: "1.00", output: "1.00", steps: [{ aboveContextTokens: 1000, input: "4.00" }] },
    azure: { input: "2.00", output: "2.00" },
  });
  assert.equal(await ask(harness, 1, said(100)), "o cost");
  assert.equal(await ask(harness, 1, said(40_000)), "a cost");
});

test("at equal price the weights share, and a conversation stays", async () => {
  const price = { input: "2.50", output: "10.00" };
  const route = { sticky: { by: [{ header: "x-session-id" }] } };
  const harness = await cost({ openai: price, azure: { ...price, input: "2.5" }, route });
  const drawn = await ask(harness, 40);
  assert.match(drawn, /^(?=.*a)(?=.*o)[ao]{40} cost$/);
  const stayed = new Set<string | null>();
  for (let i = 0; i < 10; i++) {
    const response = await harness.chat({}, { "x-session-id": "ann" });
    await response.text();
    stayed.add(response.headers.get("x-tandem-backend"));
  }
  assert.equal(stayed.size, 1);
});

test("when the cheapest fails, the next cheapest answers", async () => {
  openai.answer = errorAnswer(503, "server_error");
  const harness = await cost({ openai: { input: "1", output: "1" }, azure: { input: "2", output: "2" } });
  assert.equal(await ask(harness), "a failover:server_error");
  assert.equal(openai.calls.length, 1);
});

test("an unpriced backend is never taken to be free: it comes last", async () => {
  const harness = await cost({ azure: { input: "900", output: "900" } });
  assert.equal(await ask(harness, 5), "aaaaa cost");
  azure.answer = errorAnswer(503, "server_error");
  assert.equal(await ask(harness), "o failover:server_error");
});

test("where all are unpriced, the answer says so", async () => {
  const harness = await cost({});
  assert.match(await ask(harness, 20), /^(?=.*a)(?=.*o)[ao]{20} cost:unpriced$/);
});

test("a price that leaves out what every answer has is no price", async () => {
  const harness = await cost({ openai: { input: "0.01" }, azure: { input: "5", output: "20" } });
  assert.equal(await ask(harness, 3), "aaa cost");
});

test("with unpriced: Exclude an unpriced backend is not asked, and told as ruled out", async () => {
  const harness = await cost({ azure: { input: "5", output: "20" }, route: { cost: { unpriced: "Exclude" } } });
  azure.answer = errorAnswer(503, "server_error");
  const response = await harness.chat();
  assert.equal(response.status, 503);
  await response.text();
  assert.equal(openai.calls.length, 0);
  const metrics = await (await fetch(`${harness.gateway.adminUrl}/metrics`)).text();
  assert.match(metrics, /tandem_exclusions_total\{route="ai\/chat",backend="openai",reason="Unpriced"\} 1/);
});

test("with unpriced: Exclude and no price at all, the refusal says what is missing", async () => {
  const harness = await cost({ route: { cost: { unpriced: "Exclude" } } });
  const error = await errorOf(await harness.chat());
  assert.equal(error.code, "no_backend_available");
  assert.match(error.message, /openai: AIProvider ai\/openai has no price for model gpt-4o, nor has the shipped list/);
});

test("embeddings are compared by their input alone", async () => {
  const embedding = json(200, {
    object: "list",
    model: "embed",
    data: [{ object: "embedding", index: 0, embedding: [0.1] }],
    usage: { prompt_tokens: 3, total_tokens: 3 },
  });
  openai.answer = embedding;
  azure.answer = embedding;
  const harness = await startHarness({
    openai: openai.url,
    azure: azure.url,
    objects: objects({
      openai: { models: [{ name: "embed", price: { input: "0.02" } }] },
      azure: { models: [{ name: "embed", price: { input: "0.01" } }] },
      route: { models: ["embed"], strategy: "Cost", backends: BACKENDS },
    }),
  });
  const response = await harness.post("/v1/embeddings", { model: "embed", input: "Hello" });
  await response.text();
  assert.equal(response.headers.get("x-tandem-backend"), "azure");
});

test("backends of one route may ask for other models: each is expected to answer as it does", async () => {
  const models = [
    { name: "terse", price: { input: "1", output: "10" } },
    { name: "wordy", price: { input: "1", output: "9" } },
  ];
  openai.answer = (response, request) => {
    const { model } = JSON.parse(request.body) as { model: string };
    return used(10, model === "wordy" ? 900 : 100)(response, request);
  };
  const harness = await startHarness({
    openai: openai.url,
    azure: azure.url,
    objects: objects({
      openai: { models },
      route: {
        models: ["small"],
        strategy: "Cost",
        backends: models.map(({ name }) => ({ name, providerRef: { name: "openai" }, model: name })),
      },
    }),
  });
  // Per token the wordy one is cheaper; per answer, once that is known, the terse one.
  assert.equal(await ask(harness, 3, { model: "small" }), "wtt cost");
});

test("an answer of nobody teaches nothing", async () => {
  const harness = await cost({ openai: { input: "1.00", output: "20.00" }, azure: { input: "3.00", output: "10.00" } });
  for (const provider of [openai, azure]) provider.answer = errorAnswer(400, "invalid_request_error");
  await ask(harness, 3);
  for (const provider of [openai, azure]) provider.answer = chatAnswer("well");
  assert.equal(await ask(harness, 1, said(10)), "a cost");
});

test("a route under another strategy does not look at prices", async () => {
  const harness = await cost({
    openai: { input: "900", output: "900" },
    azure: { input: "1", output: "1" },
    route: { strategy: "Weighted" },
    backends: [
      { ...BACKENDS[0], weight: 100 },
      { ...BACKENDS[1], weight: 0 },
    ],
  });
  assert.equal(await ask(harness, 3), "ooo weighted");
});

test("with a shadow's or a candidate's failover: Never, the cheapest is drawn first and never takes over", async () => {
  const harness = await cost({
    openai: { input: "1", output: "1" },
    azure: { input: "2", output: "2" },
    backends: [BACKENDS[0] as object, { ...BACKENDS[1], failover: "Never" }],
  });
  openai.answer = errorAnswer(503, "server_error");
  assert.equal((await ask(harness)).split(" ")[0], "o");
  assert.equal(azure.calls.length, 0);
});
