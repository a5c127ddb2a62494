/** Does each fault break exactly what it says? */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FAULTS, type FaultName } from "../../simulators/faults.ts";
import {
  type Answer,
  ask,
  askAzure,
  askOpenai,
  azure,
  CHAT,
  chunksOf,
  eventsOf,
  OPENAI_KEY,
  openai,
  said,
} from "./ask.ts";

const openaiServer = await openai({ counting: "exact" });
const azureServer = await azure();
const STREAM = { ...CHAT, stream: true };
const SHORT_MS = 400;

const streamed = (fault: string) => askOpenai(openaiServer, STREAM, { "x-sim-fault": fault }, { patienceMs: SHORT_MS });
const plain = (fault: string) => askOpenai(openaiServer, CHAT, { "x-sim-fault": fault }, { patienceMs: SHORT_MS });
const whole = said(chunksOf((await askOpenai(openaiServer, STREAM)).text));
const finishes = (answer: Answer) => answer.text.includes('"finish_reason":"stop"');
const isDone = (answer: Answer) => eventsOf(answer.text).at(-1) === "[DONE]";

async function broken(answer: Promise<Answer>): Promise<NodeJS.ErrnoException> {
  return answer.then(
    () => assert.fail("there was an answer"),
    (error: NodeJS.ErrnoException) => error,
  );
}

test("429 with and without the headers that say when", async () => {
  const bare = await plain("429");
  assert.equal(bare.status, 429);
  assert.equal(bare.headers["retry-after"], undefined);
  assert.equal(bare.headers["retry-after-ms"], undefined);
  const seconds = await plain("429;retry-after=2");
  assert.equal(seconds.headers["retry-after"], "2");
  const both = await askAzure(azureServer, CHAT, { "x-sim-fault": "429;retry-after=3;retry-after-ms=2500" });
  assert.equal(both.headers["retry-after-ms"], "2500");
  assert.match(both.text, /retry after 3 seconds/);
});

test("503 and 502 as HTML, an empty 200, and a 200 that is a page", async () => {
  for (const [fault, status] of [
    ["503-html", 503],
    ["502", 502],
    ["wrong-content-type", 200],
  ] as const) {
    const answer = await plain(fault);
    assert.equal(answer.status, status);
    assert.equal(answer.headers["content-type"], "text/html");
    assert.match(answer.text, /<html>/);
  }
  const empty = await plain("empty");
  assert.deepEqual([empty.status, empty.text, empty.end], [200, "", "whole"]);
});

test("reset: the connection ends before any header", async () => {
  assert.equal((await broken(plain("reset"))).code, "ECONNRESET");
});

test("silence: nothing comes, and the caller's leaving is seen", async () => {
  openaiServer.reset();
  assert.equal((await broken(plain("silence"))).message, "silence");
  await until(() => openaiServer.requests().at(-1)?.aborted === true);
});

test("slow-first-byte: headers come late", async () => {
  const before = performance.now();
  const answer = await askOpenai(openaiServer, STREAM, { "x-sim-fault": "slow-first-byte;ms=80" });
  assert.ok(performance.now() - before >= 79);
  assert.equal(said(chunksOf(answer.text)), whole);
});

test("slow-first-token: keep-alive comments at once, the answer later", async () => {
  const answer = await askOpenai(openaiServer, STREAM, { "x-sim-fault": "slow-first-token;ms=80;every=20" });
  assert.match(answer.reads[0]?.toString() ?? "", /^: keep-alive\n\n/);
  assert.doesNotMatch(answer.reads[0]?.toString() ?? "", /data:/);
  assert.equal(said(chunksOf(answer.text)), whole);
});

test("cut: connection lost after so many content events", async () => {
  const answer = await streamed("cut;after=3");
  assert.equal(answer.end, "broken");
  assert.equal(chunksOf(answer.text).length, 4);
  assert.equal((await plain("cut")).end, "broken");
});

test("clean-end: ends as if whole, without finish_reason and [DONE]", async () => {
  const answer = await streamed("clean-end;after=2");
  assert.equal(answer.end, "whole");
  assert.equal(chunksOf(answer.text).length, 3);
  assert.equal(isDone(answer) || finishes(answer), false);
});

test("no-done: finish_reason, but no [DONE]", async () => {
  const answer = await streamed("no-done");
  assert.equal(answer.end, "whole");
  assert.equal(said(chunksOf(answer.text)), whole);
  assert.deepEqual([finishes(answer), isDone(answer)], [true, false]);
});

test("stall: stays open and says nothing more", async () => {
  const answer = await streamed("stall;after=2");
  assert.equal(answer.end, "open");
  assert.equal(chunksOf(answer.text).length, 3);
  assert.equal((await plain("stall")).end, "open");
});

test("malformed and garbage: one event is no JSON, the rest comes", async () => {
  for (const fault of ["malformed;after=2", "garbage;after=2"]) {
    const answer = await streamed(fault);
    const events = eventsOf(answer.text).slice(0, -1);
    const readable = events.filter((data) => isJson(data));
    assert.equal(events.length - readable.length, 1, fault);
    assert.equal(isJson(events[3] ?? ""), false, fault);
    assert.ok(finishes(answer) && isDone(answer), fault);
    assert.equal(isJson((await plain(fault)).text), false);
  }
});

test("error-event: an error inside the 200, in each provider's words", async () => {
  const last = JSON.parse(eventsOf((await streamed("error-event;after=2")).text).at(-1) ?? "") as {
    error: { type: string };
  };
  assert.equal(last.error.type, "server_error");
  const inAzure = await askAzure(azureServer, STREAM, { "x-sim-fault": "error-event;after=2" });
  assert.equal(
    (JSON.parse(eventsOf(inAzure.text).at(-1) ?? "") as { error: { code: string } }).error.code,
    "no_capacity",
  );
  const body = { model: "gpt-4o", input: "hi", stream: true };
  const headers = { authorization: `Bearer ${OPENAI_KEY}`, "x-sim-fault": "error-event;after=1" };
  const response = await ask(`${openaiServer.url}/v1/responses`, { body, headers });
  assert.match(response.text, /event: error\ndata: \{"type":"error"/);
});

test("crlf, one-write and split-utf8 change the framing, not the text", async () => {
  const crlf = await streamed("crlf");
  assert.equal(crlf.text.replaceAll("\r\n", "").includes("\n"), false);
  assert.equal((await streamed("one-write")).reads.length, 1);
  const split = await streamed("split-utf8");
  assert.ok(split.reads.some((read) => read.toString().endsWith("\uFFFD")));
  for (const answer of [crlf, await streamed("one-write"), split]) {
    assert.equal(said(chunksOf(answer.text.replaceAll("\r\n", "\n"))), whole);
  }
});

test("filtered: 200 with finish_reason content_filter, streamed and not", async () => {
  const faulty = { "x-sim-fault": "filtered;after=2" };
  const stream = chunksOf((await askAzure(azureServer, STREAM, faulty)).text);
  assert.equal(stream.at(-1)?.choices[0]?.finish_reason, "content_filter");
  assert.equal(stream.at(-1)?.choices[0]?.content_filter_results?.violence?.filtered, true);
  const answer = JSON.parse((await askAzure(azureServer, CHAT, faulty)).text) as {
    choices: { finish_reason: string; message: { content: string } }[];
  };
  assert.equal(answer.choices[0]?.finish_reason, "content_filter");
  assert.equal(answer.choices[0]?.message.content, said(stream));
});

test("truncated and broken-arguments: 200, and what is said or asked for is not whole", async () => {
  const faulty = { "x-sim-fault": "truncated;after=2" };
  const stream = chunksOf((await askOpenai(openaiServer, STREAM, faulty)).text);
  assert.equal(stream.at(-1)?.choices[0]?.finish_reason, "length");
  const parameters = { type: "object", properties: { city: { type: "string" } } };
  const tools = [{ type: "function", function: { name: "weather", parameters } }];
  for (const [fault, finish] of [
    ["truncated", "length"],
    ["broken-arguments", "tool_calls"],
  ] as const) {
    const asked = { ...CHAT, tools, tool_choice: "required" };
    const { status, text } = await askOpenai(openaiServer, asked, { "x-sim-fault": fault });
    assert.equal(status, 200);
    const { choices } = JSON.parse(text) as {
      choices: { finish_reason: string; message: { tool_calls: { function: { arguments: string } }[] } }[];
    };
    assert.equal(choices[0]?.finish_reason, finish);
    assert.equal(isJson(choices[0]?.message.tool_calls[0]?.function.arguments ?? "{}"), false, fault);
  }
});

test("filter-outage: the answer comes, its filter results are an error", async () => {
  const answer = await askAzure(azureServer, CHAT, { "x-sim-fault": "filter-outage" });
  assert.equal(answer.status, 200);
  assert.match(answer.text, /"content_filter_results":\{"error":\{"code":"content_filter_error"/);
});

test("async-filter: annotations without delta, also after finish_reason", async () => {
  const chunks = chunksOf((await askAzure(azureServer, STREAM, { "x-sim-fault": "async-filter" })).text);
  const annotations = chunks.filter((chunk) => chunk.choices[0]?.content_filter_offsets !== undefined);
  assert.equal(annotations.length, 2);
  assert.ok(annotations.every((chunk) => chunk.id === "" && chunk.choices[0]?.delta === undefined));
  assert.equal(
    chunks.findIndex((chunk) => chunk.choices[0]?.finish_reason === "stop"),
    chunks.length - 2,
  );
  const blocked = chunksOf(
    (await askAzure(azureServer, STREAM, { "x-sim-fault": "async-filter-blocked;after=3" })).text,
  );
  assert.equal(blocked.at(-1)?.choices[0]?.finish_reason, "content_filter");
  assert.equal(blocked.at(-1)?.choices[0]?.delta, undefined);
});

test("spillover: another deployment answered, in both spellings", async () => {
  const ptu = "/openai/deployments/gpt-4o-ptu/chat/completions?api-version=2024-10-21";
  const one = await askAzure(azureServer, CHAT, { "x-sim-fault": "spillover;to=gpt-4o-prod;error=429" }, {}, ptu);
  assert.equal(one.headers["x-ms-deployment-name"], "gpt-4o-prod");
  assert.equal(one.headers["x-ms-spillover-from-deployment"], "gpt-4o-ptu");
  assert.equal(one.headers["x-ms-spillover-error"], "429");
  const other = await askAzure(azureServer, CHAT, { "x-sim-fault": "spillover;spelling=name" }, {}, ptu);
  assert.ok(other.headers["x-ms-spillover-from-gpt-4o-ptu"]);
});

test("every fault works on both providers, streamed and not, and leaves the simulator well", async () => {
  for (const name of Object.keys(FAULTS)) {
    const fault = `${name}${"parameters" in FAULTS[name as FaultName] && name.startsWith("slow") ? ";ms=20" : ""}`;
    for (const ask of [askOpenai, askAzure]) {
      const server = ask === askOpenai ? openaiServer : azureServer;
      for (const body of [CHAT, STREAM]) {
        const more = { patienceMs: 80 };
        const answer = await ask(
          server,
          body,
          { "x-sim-fault": name === "slow-tokens" ? "slow-tokens;ms=1" : fault },
          more,
        ).catch((error: Error) => error);
        if (!(answer instanceof Error)) assert.doesNotMatch(answer.text, /simulator_error/, fault);
      }
      assert.equal((await ask(server, CHAT)).status, 200, name);
    }
  }
});

test("the README lists every fault with its parameters", () => {
  const readme = readFileSync(new URL("../../simulators/README.md", import.meta.url), "utf8");
  for (const [name, kind] of Object.entries(FAULTS)) {
    const row = readme.split("\n").find((line) => line.startsWith(`| \`${name}\` |`));
    assert.ok(row, name);
    for (const parameter of "parameters" in kind ? kind.parameters : [])
      assert.ok(row.includes(`\`${parameter}\``), `${name} ${parameter}`);
    assert.ok(row.includes(kind.summary), `${name}: ${kind.summary}`);
  }
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 100 && !holds(); tries += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(holds());
}
