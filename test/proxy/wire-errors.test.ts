/**
 * What does a caller get of every error that was seen on the wire, and does another provider answer instead?
 *
 * The expected answers stand in test/golden/wire-errors.answers.json; `UPDATE_GOLDEN=1` writes them anew: read the
 * difference before it is committed.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import OpenAI, { APIError } from "openai";
import { type Answer, chatAnswer, FakeProvider } from "../fakes/provider.ts";
import { KEY, objects, startHarness } from "./harness.ts";

interface Sample {
  readonly provider: "openai" | "azure";
  readonly name: string;
  readonly status: number;
  /** Text goes as it is, as HTML. */
  readonly body: unknown;
}

const GOLDEN = new URL("../golden/wire-errors.answers.json", import.meta.url);
const UPDATE = process.env.UPDATE_GOLDEN === "1";

/** Of the same kinds, without a recorded body (protocol of both providers) or from what stands before them. */
const MORE: readonly Sample[] = [
  ...(["openai", "azure"] as const).flatMap((provider): Sample[] => [
    { provider, name: "503 of a proxy, HTML", status: 503, body: "<html><h1>503 Service Unavailable</h1></html>" },
    { provider, name: "502, empty", status: 502, body: "" },
    { provider, name: "404 of something else, HTML", status: 404, body: "<html><h1>Not Found</h1></html>" },
    { provider, name: "413, empty", status: 413, body: "" },
    {
      provider,
      name: "431",
      status: 431,
      body: { error: { code: "431", message: "Request Header Fields Too Large" } },
    },
    {
      provider,
      name: "409",
      status: 409,
      body: { error: { message: "Conflict.", type: null, param: null, code: null } },
    },
    { provider, name: "422", status: 422, body: { error: { message: "No.", code: "unprocessable" } } },
  ]),
  {
    provider: "azure",
    name: "400 capacity",
    status: 400,
    body: {
      error: {
        message: "The system is currently experiencing high demand.",
        type: "too_many_requests",
        code: "no_capacity",
      },
    },
  },
  {
    provider: "azure",
    name: "429 capacity (older)",
    status: 429,
    body: { error: { code: "NoCapacity", message: "No capacity." } },
  },
  {
    provider: "azure",
    name: "capacity inside a 200",
    status: 200,
    body: { error: { message: "The system is currently experiencing high demand.", code: "no_capacity" } },
  },
  {
    provider: "openai",
    name: "an error inside a 200",
    status: 200,
    body: { error: { message: "Broken.", code: null } },
  },
  {
    provider: "openai",
    name: "404 not a chat model",
    status: 404,
    body: {
      error: { message: "This is not a chat model.", type: "invalid_request_error", param: "model", code: null },
    },
  },
  {
    provider: "openai",
    name: "404 of a thing that the body names",
    status: 404,
    body: {
      error: {
        message: "Vector store with id [vs_1] not found.",
        type: "invalid_request_error",
        param: null,
        code: null,
      },
    },
  },
  {
    provider: "openai",
    name: "404 unknown path",
    status: 404,
    body: { error: { message: "Invalid URL (POST /v2/chat)", type: "invalid_request_error", param: null, code: null } },
  },
  {
    provider: "openai",
    name: "403 country",
    status: 403,
    body: {
      error: {
        message: "Country, region, or territory not supported",
        type: "request_forbidden",
        param: null,
        code: "unsupported_country_region_territory",
      },
    },
  },
];

const seen = JSON.parse(readFileSync(new URL("../golden/wire-errors.json", import.meta.url), "utf8")) as Sample[];
const samples = [...seen, ...MORE];

const failing = await new FakeProvider().start();
const healthy = await new FakeProvider(chatAnswer("from the other")).start();
const both = await startHarness({ openai: failing.url, azure: failing.url });
/** The one that fails first, a healthy one second. */
const overs = {
  openai: await startHarness({ openai: failing.url, azure: healthy.url }),
  azure: await startHarness({ openai: healthy.url, azure: failing.url }),
};

function only(provider: Sample["provider"]): object[] {
  const name = provider === "openai" ? "openai" : "azure-sweden";
  const backends = [{ name: provider, providerRef: { name } }];
  // Else Tandem would wait for rate limits to pass before it answers.
  const failover = { retrySameProvider: 0, maxAttempts: 1 };
  return objects({ route: { models: ["gpt-4o"], backends, failover } });
}

function answerOf({ status, body }: Sample): Answer {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const type = typeof body === "string" ? "text/html" : "application/json";
  return (response) => void response.writeHead(status, { "content-type": type }).end(text);
}

const expected = JSON.parse(readFileSync(GOLDEN, "utf8")) as Record<string, unknown>;
const actual: Record<string, unknown> = {};
after(() => {
  if (UPDATE) writeFileSync(GOLDEN, `${JSON.stringify(actual, null, 2)}\n`);
});

for (const sample of samples) {
  const title = `${sample.provider}: ${sample.name}`;
  test(title, async () => {
    failing.answer = answerOf(sample);
    const over = overs[sample.provider];
    // Applied anew, what is known of the providers' limits and breakers is forgotten with their objects.
    over.apply([]);
    over.apply(inOrder(sample.provider));
    const elsewhere = await over.chat();
    await elsewhere.text();
    const decision = elsewhere.headers.get("x-tandem-decision") as string;

    both.apply([]);
    both.apply(only(sample.provider));
    failing.seen.length = 0;
    const sdk = new OpenAI({ apiKey: KEY, baseURL: `${both.url}/v1`, maxRetries: 2, timeout: 20_000 });
    const refused = await refusal(sdk, sample);
    const { status, headers, error } = refused;
    const asks = headers.get("x-should-retry") !== "false";
    const wait = Number(headers.get("retry-after-ms") ?? Number.NaN);
    actual[title] = {
      fallsOver: decision.startsWith("failover:") ? decision.slice("failover:".length) : "no",
      status,
      class: refused.name,
      origin: headers.get("x-tandem-error-origin"),
      mayAskAgain: asks,
      ...(Number.isNaN(wait) ? {} : { waitSeconds: Math.ceil(wait / 1000) }),
      error,
    };
    if (!asks) assert.equal(failing.calls.length, 1, "the official client asked again");
    if (!UPDATE) assert.deepEqual(actual[title], expected[title]);
  });
}

test("no expected answer is left over", () => {
  if (!UPDATE) assert.deepEqual(Object.keys(expected), Object.keys(actual));
});

function inOrder(first: Sample["provider"]): object[] {
  const names = first === "openai" ? ["openai", "azure-sweden"] : ["azure-sweden", "openai"];
  const backends = names.map((name, i) => ({ name, providerRef: { name }, priority: i + 1 }));
  return objects({ route: { models: ["gpt-4o"], backends } });
}

/** What the official client throws, with its own retries where the answer forbids them. */
async function refusal(sdk: OpenAI, sample: Sample): Promise<Refusal> {
  const asked = { model: "gpt-4o", messages: [{ role: "user" as const, content: "Hi" }] };
  const first = await ask(sdk.chat.completions.create(asked, { maxRetries: 0 }));
  if (first.headers.get("x-should-retry") !== "false") return first;
  both.apply([]);
  both.apply(only(sample.provider));
  failing.seen.length = 0;
  return ask(sdk.chat.completions.create(asked));
}

interface Refusal {
  readonly name: string;
  readonly status: number;
  readonly headers: Headers;
  readonly error: unknown;
}

async function ask(asked: PromiseLike<unknown>): Promise<Refusal> {
  try {
    await asked;
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    const { status, headers, error: body } = error;
    return { name: error.constructor.name, status: status as number, headers: headers as Headers, error: body };
  }
  return assert.fail("it was answered");
}
