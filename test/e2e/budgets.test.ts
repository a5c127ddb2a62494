/** Does a budget hold on a laptop, over restarts and kills? */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type RunningGateway, startGatewayCommand, temporaryFolder, waitFor } from "../cli/tandem.ts";
import { COST, PRICE, pricedAnswer } from "../fakes/priced.ts";
import { FakeProvider } from "../fakes/provider.ts";

const KEY = "tdm-a-key-that-is-long-enough";
const provider = await new FakeProvider(pricedAnswer).start();

function manifests(usdPerMonth: string, onExceeded = "Deny"): string {
  const metadata = (name: string) => ({ name, namespace: "ai" });
  const apiVersion = "tandem.dev/v1alpha1";
  const objects = [
    { apiVersion: "v1", kind: "Secret", metadata: metadata("keys"), stringData: { openai: "sk-1", client: KEY } },
    {
      apiVersion,
      kind: "AIProvider",
      metadata: metadata("openai"),
      spec: {
        type: "OpenAI",
        auth: { apiKey: { secretRef: { name: "keys", key: "openai" } } },
        models: [{ name: "gpt-4o", price: PRICE }],
      },
    },
    {
      apiVersion,
      kind: "AIRoute",
      metadata: metadata("chat"),
      spec: { models: ["gpt-4o"], backends: [{ name: "openai", providerRef: { name: "openai" } }] },
    },
    {
      apiVersion,
      kind: "AIClient",
      metadata: metadata("app"),
      spec: {
        keys: [{ name: "current", secretRef: { name: "keys", key: "client" } }],
        budget: { usdPerMonth, onExceeded },
      },
    },
  ];
  return objects.map((object) => JSON.stringify(object)).join("\n---\n");
}

async function laptop(usdPerMonth: string, onExceeded?: string) {
  const folder = await temporaryFolder();
  const file = join(folder, "all.yaml");
  const put = (usd: string) => writeFile(file, manifests(usd, onExceeded));
  await put(usdPerMonth);
  const state = join(folder, "state");
  const args = ["--manifests", file, "--state", state, "--dev", "--connect-to", `api.openai.com=${provider.url}`];
  return { put, run: () => startGatewayCommand(args) };
}

async function chat({ url }: RunningGateway): Promise<Response> {
  return await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json", connection: "close" },
    body: JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "Hi" }] }),
  });
}

/** How many of so many were answered, four at a time. */
async function ask(gateway: RunningGateway, count: number): Promise<number> {
  let left = count;
  let answered = 0;
  const one = async () => {
    while (left-- > 0) {
      const response = await chat(gateway);
      await response.text();
      if (response.status === 200) answered++;
      else assert.equal(response.status, 429);
    }
  };
  await Promise.all([one(), one(), one(), one()]);
  return answered;
}

test("a budget is spent once, over a restart and a kill, and says so when it is spent", async () => {
  const { run } = await laptop("1.50");
  let gateway = await run();
  let answered = await ask(gateway, 40);
  assert.equal(answered, 40);
  gateway.child.kill("SIGTERM");
  assert.equal((await gateway.ended).code, 0);
  gateway = await run();
  answered += await ask(gateway, 40);
  gateway.child.kill("SIGKILL");
  await gateway.ended;
  gateway = await run();
  answered += await ask(gateway, 100);
  assert.ok(answered * COST <= 1.5 * 1.01, `${answered} were answered`);
  // A kill loses a hundredth, and what of the last request does not fit is left.
  assert.ok(answered * COST >= 1.5 * 0.97, `${answered} were answered`);
  const refused = await chat(gateway);
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get("x-should-retry"), "false");
  const { error } = (await refused.json()) as { error: { code: string; type: string; message: string } };
  assert.equal(error.code, "insufficient_quota");
  assert.equal(error.type, "insufficient_quota");
  assert.match(error.message, /AIClient ai\/app \(1\.50 USD a month.*anew on \d{4}-\d{2}-01/);
  gateway.child.kill("SIGTERM");
  await gateway.ended;
});

test("a budget that is raised is at hand at once", async () => {
  const { run, put } = await laptop("0.05");
  const gateway = await run();
  assert.equal(await ask(gateway, 10), 5);
  await put("0.10");
  await waitFor("it is served again", 10_000, async () => (await chat(gateway)).status === 200);
  assert.equal(await ask(gateway, 10), 4);
});

test("who is only warned is served", async () => {
  const { run } = await laptop("0.05", "Warn");
  assert.equal(await ask(await run(), 10), 10);
});

test("nothing is left of a budget of nothing", async () => {
  const { run } = await laptop("0");
  assert.equal(await ask(await run(), 3), 0);
});
