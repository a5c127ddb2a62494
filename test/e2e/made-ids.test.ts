/** Does Tandem make an id the caller's only where the provider itself says it? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { toFile } from "openai";
import { KEY } from "../proxy/harness.ts";
import { simulators } from "./over-simulators.ts";
import { CHAT, gatewayOf, OTHER_KEY, sdk, TAG, twoProvidersBy } from "./two-tenants.ts";

const both = await simulators();
const twoTenants = () =>
  gatewayOf(both, twoProvidersBy({ backends: [{ name: "openai", providerRef: { name: "openai" } }] }));

/** As a line of a batch's output would show the response. */
const likeOutput = (id: string) => JSON.stringify({ id: "batch_req_1", custom_id: "1", response: { body: { id } } });

test("a file that looks like a batch's output makes nothing its owner's", async () => {
  const harness = await twoTenants();
  const victim = await sdk(harness).responses.create({ model: CHAT, input: "My secret" });
  const raw = victim.id.replace(TAG, "");
  const other = sdk(harness, OTHER_KEY);
  const written = Buffer.from(likeOutput(raw));
  const container = await other.containers.create({ name: "c" });
  const inside = await other.containers.files.create(container.id, { file: await toFile(written, "a.jsonl") });
  const shown = await other.containers.files.content.retrieve(inside.id, { container_id: container.id });
  assert.equal(await shown.text(), written.toString());
  const line = {
    custom_id: "1",
    method: "POST",
    url: "/v1/responses",
    body: { model: CHAT, input: "x" },
    response: { body: { id: raw } },
  };
  for (const [purpose, text] of [
    ["fine-tune", written.toString()],
    ["batch", JSON.stringify(line)],
  ] as const) {
    const file = await other.files.create({ file: await toFile(Buffer.from(text), "a.jsonl"), purpose });
    assert.equal(await (await other.files.content(file.id)).text(), text, purpose);
  }
});

test("a batch's output makes its responses the caller's, also when its file was looked up first, and lends that to no other file", async () => {
  const harness = await twoTenants();
  const app = sdk(harness);
  const request = { custom_id: "1", method: "POST", url: "/v1/responses", body: { model: CHAT, input: "x" } };
  const input = await app.files.create({
    file: await toFile(Buffer.from(JSON.stringify(request)), "a.jsonl"),
    purpose: "batch",
  });
  const order = { input_file_id: input.id, endpoint: "/v1/responses", completion_window: "24h" } as const;
  let batch = await app.batches.create(order);
  for (let i = 0; i < 100 && batch.status !== "completed"; i++) {
    await sleep(50);
    batch = await app.batches.retrieve(batch.id);
  }
  const output = batch.output_file_id ?? "";
  const again = await app.files.retrieve(output);
  for (const id of [output, again.id]) {
    const line = JSON.parse(await (await app.files.content(id)).text());
    assert.equal((await app.responses.retrieve(line.response.body.id)).id, line.response.body.id);
  }
  const fake = likeOutput("resp_somebody");
  const file = await app.files.create({ file: await toFile(Buffer.from(fake), "a.jsonl"), purpose: "fine-tune" });
  const headers = { authorization: `Bearer ${KEY}` };
  const shown = await fetch(`${harness.url}/v1/files/${file.id}/content?file_id=${output}`, { headers });
  assert.equal(await shown.text(), fake);
});
