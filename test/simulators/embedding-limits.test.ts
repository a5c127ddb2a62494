/** Are embeddings held to the providers' limits? */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, OPENAI_KEY, openai } from "./ask.ts";

const server = await openai();
const embed = (body: object) =>
  ask(`${server.url}/v1/embeddings`, {
    body: { model: "text-embedding-3-small", ...body },
    headers: { authorization: `Bearer ${OPENAI_KEY}` },
  });

async function refuses(body: object, param: string): Promise<void> {
  const answer = await embed(body);
  assert.equal(answer.status, 400, answer.text);
  assert.equal((JSON.parse(answer.text) as { error: { param: string } }).error.param, param);
}

test("inputs: missing, empty, too many, too long, too much", async () => {
  await refuses({}, "input");
  await refuses({ input: "" }, "input");
  await refuses({ input: [] }, "input");
  await refuses({ input: ["a", ""] }, "input");
  await refuses({ input: 7 }, "input");
  await refuses({ input: Array.from({ length: 2_049 }, () => "a") }, "input");
  await refuses({ input: "word ".repeat(8_200) }, "input");
  await refuses({ input: Array.from({ length: 100 }, () => "word ".repeat(4_000)) }, "input");
});

test("as many and as long as is allowed", async () => {
  const many = await embed({ input: Array.from({ length: 2_048 }, () => "a"), dimensions: 1 });
  assert.equal((JSON.parse(many.text) as { data: unknown[] }).data.length, 2_048);
  assert.equal((await embed({ input: "word ".repeat(8_000) })).status, 200);
});

test("tokens are taken as input, alone and in lists", async () => {
  const one = JSON.parse((await embed({ input: [1, 2, 3] })).text) as {
    data: unknown[];
    usage: { prompt_tokens: number };
  };
  assert.deepEqual([one.data.length, one.usage.prompt_tokens], [1, 3]);
  const two = JSON.parse((await embed({ input: [[1, 2], [3]] })).text) as { data: unknown[] };
  assert.equal(two.data.length, 2);
});

test("dimensions and format are looked at", async () => {
  await refuses({ input: "a", dimensions: 0 }, "dimensions");
  await refuses({ input: "a", dimensions: 1_537 }, "dimensions");
  await refuses({ input: "a", model: "text-embedding-ada-002", dimensions: 10 }, "dimensions");
  await refuses({ input: "a", encoding_format: "hex" }, "encoding_format");
  await refuses({ input: "a", temperature: 1 }, "temperature");
});
