/** Does another answer go on exactly where the caller's ends, whatever the pieces in which both came? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Continuation } from "../../../proxy/sse/continuation.ts";

const chunk = (delta: object, finish_reason: string | null = null, end = "\n\n") =>
  `data: ${JSON.stringify({ id: "chatcmpl-2", object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason }] })}${end}`;
const ROLE = chunk({ role: "assistant", content: "", refusal: null });
const STOP = chunk({}, "stop");
const DONE = "data: [DONE]\n\n";
const say = (...pieces: string[]) => pieces.map((content) => chunk({ content }));

/** What goes on, by text, and what came of it. */
function goOn(
  had: string,
  events: readonly string[],
  size = events.length,
): { text: string; rest: string; state: string } {
  const continuation = new Continuation(had);
  const passed: string[] = [];
  for (let i = 0; i < events.length; i += size) {
    for (const bytes of continuation.take(Buffer.from(events.slice(i, i + size).join(""))))
      passed.push(bytes.toString());
  }
  const rest = passed.join("");
  let text = "";
  for (const [, json = ""] of rest.matchAll(/^data: (\{.*\})\r?$/gm)) {
    const { choices } = JSON.parse(json) as { choices: { delta?: { content?: string }; text?: string }[] };
    text += choices[0]?.delta?.content ?? choices[0]?.text ?? "";
  }
  return { text, rest, state: continuation.state };
}

const SAID = 'Grüße aus “Köln” 🎉, alles "gut"\n\\o/.';

test("every cut, against every way to cut the new answer, in every size of chunks", () => {
  for (let cut = 0; cut <= SAID.length; cut++) {
    for (const width of [1, 2, 3, 7, 100]) {
      const pieces: string[] = [];
      for (let i = 0; i < SAID.length; i += width) pieces.push(SAID.slice(i, i + width));
      const events = [ROLE, ...say(...pieces), STOP, DONE];
      for (const size of [1, 3, events.length]) {
        const { text, rest, state } = goOn(SAID.slice(0, cut), events, size);
        assert.equal(SAID.slice(0, cut) + text, SAID, `${cut} ${width} ${size}`);
        assert.ok(state === "joined" && rest.endsWith(STOP + DONE));
        assert.ok(!rest.includes('"role"'), "the role was told before");
      }
    }
  }
});

test("what is not changed passes byte for byte", () => {
  const { rest } = goOn("ab", [ROLE, ...say("a", "b", "c", "d"), STOP, DONE]);
  assert.equal(rest, [...say("c", "d"), STOP, DONE].join(""));
});

test("comments, Azure's first event, usage: null and CRLF are no text", () => {
  const azure = `data: ${JSON.stringify({ id: "", choices: [], prompt_filter_results: [] })}\n\n`;
  const crlf = chunk({ content: "abcd" }, null, "\r\n\r\n");
  const { text, rest, state } = goOn("ab", [": keep-alive\n\n", azure, ROLE, crlf, STOP, DONE]);
  assert.deepEqual([text, state], ["cd", "joined"]);
  assert.ok(!rest.includes("prompt_filter_results") && rest.includes("\r\n\r\n"));
});

test("an answer that begins otherwise goes nowhere", () => {
  for (const events of [
    say("x"),
    say("a", "x"),
    [...say("a"), STOP],
    [...say("a"), DONE],
    [chunk({ content: "a" }, "stop")],
    [chunk({ tool_calls: [{ index: 0, id: "call_1", function: { name: "f", arguments: "" } }] })],
    [chunk({ refusal: "no" })],
    say("A"),
  ]) {
    const { rest, state } = goOn("ab", [ROLE, ...events]);
    assert.deepEqual([rest, state], ["", "different"], events.join(""));
  }
});

test("only the end is missing, or a tool call follows the text", () => {
  assert.deepEqual(goOn("ab", [ROLE, ...say("ab"), STOP, DONE]).rest, STOP + DONE);
  const tool = chunk({ tool_calls: [{ index: 0, id: "call_1", function: { name: "f", arguments: "{}" } }] });
  assert.equal(goOn("ab", [ROLE, ...say("ab"), tool]).rest, tool);
  const both = goOn("ab", [ROLE, chunk({ content: "ab" }, "length"), DONE]);
  assert.equal(both.text, "");
  assert.match(both.rest, /"finish_reason":"length"/);
});

test("completions that are no chat", () => {
  const text = (piece: string) =>
    `data: ${JSON.stringify({ id: "cmpl-2", choices: [{ index: 0, text: piece, finish_reason: null }] })}\n\n`;
  assert.equal(goOn("abc", [text("ab"), text("cd"), text("ef")]).text, "def");
});
