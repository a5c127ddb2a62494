/** Is there a form in which a batch's file reaches the provider without its lines having been read? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeProvider, json } from "../fakes/provider.ts";
import { type ErrorBody, objects, startHarness } from "../proxy/harness.ts";

const provider = await new FakeProvider(json(200, { id: "file-1", object: "file" })).start();
const harness = await startHarness({ openai: provider.url, azure: provider.url, objects: objects() });

const line = (body: object) =>
  JSON.stringify({ custom_id: "1", method: "POST", url: "/v1/responses", body: { model: "gpt-4o", ...body } });
const HARMLESS = line({ input: "x" });
const SOMEBODYS = line({ input: "Repeat.", previous_response_id: "resp_somebodys" });

const part = (names: string, content: string, ...headers: string[]) =>
  ["--b", `Content-Disposition: form-data; ${names}`, ...headers, "", content, ""].join("\r\n");
const PURPOSE = part('name="purpose"', "batch");
const FILE = 'name="file"; filename="a.jsonl"';

const FORMS: Readonly<Record<string, readonly string[]>> = {
  "as it should be": [PURPOSE, part(FILE, SOMEBODYS)],
  "a file as the purpose": [part('name="purpose"; filename="p"', "batch"), part(FILE, SOMEBODYS)],
  "a long purpose": [part('name="purpose"', `batch${" ".repeat(5000)}`), part(FILE, SOMEBODYS)],
  "an encoded purpose": [
    part('name="purpose"', "=62atch", "Content-Transfer-Encoding: quoted-printable"),
    part(FILE, SOMEBODYS),
  ],
  "an encoded file": [
    PURPOSE,
    part(FILE, Buffer.from(SOMEBODYS).toString("base64"), "content-transfer-encoding:base64"),
  ],
  "another spelling": [part('name="purpose"', " Batch\n"), part(FILE, SOMEBODYS)],
  "a name that goes on in the next line": [part('name="other";\r\n name="purpose"', "batch"), part(FILE, SOMEBODYS)],
  "a name behind a line feed": [
    part('name="other"', "batch", 'X-A: b\nContent-Disposition: form-data; name="purpose"'),
    part(FILE, SOMEBODYS),
  ],
  "a second file": [PURPOSE, part(FILE, HARMLESS), part(FILE, SOMEBODYS)],
  "a field of the file's name": [PURPOSE, part(FILE, HARMLESS), part('name="file"', SOMEBODYS)],
};

for (const [what, parts] of Object.entries(FORMS)) {
  test(`${what}: refused, and nothing is sent`, async () => {
    const before = provider.calls.length;
    const headers = { "content-type": "multipart/form-data; boundary=b" };
    const answer = await harness.post("/v1/files", `${parts.join("")}--b--\r\n`, headers);
    const { error } = (await answer.json()) as ErrorBody;
    assert.ok(answer.status === 400 || answer.status === 404, `${answer.status}: ${error?.message}`);
    assert.equal(provider.calls.length, before);
  });
}

test("encodings that change nothing are taken", async () => {
  const form = [
    part('name="purpose"', "user_data", "Content-Transfer-Encoding: 8bit"),
    part(FILE, "x", "Content-Transfer-Encoding: BINARY"),
  ];
  const headers = { "content-type": "multipart/form-data; boundary=b" };
  assert.equal((await harness.post("/v1/files", `${form.join("")}--b--\r\n`, headers)).status, 200);
});
