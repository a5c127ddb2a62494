/** A form's parts are where they are, as the platform's own encoder writes them and as others do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { edited } from "../../../proxy/body/edits.ts";
import { fieldOf, fileOf, readForm, settingField } from "../../../proxy/body/form.ts";
import { GatewayError } from "../../../proxy/errors.ts";

const ONCE = new Set(["model"]);

/** As fetch sends it. */
async function encoded(form: FormData): Promise<{ bytes: Buffer; type: string }> {
  const request = new Request("http://localhost", { method: "POST", body: form });
  return { bytes: Buffer.from(await request.arrayBuffer()), type: request.headers.get("content-type") ?? "" };
}

/** As fetch reads it. */
function decoded(chunks: readonly Buffer[], type: string): Promise<FormData> {
  return new Response(Buffer.concat(chunks), { headers: { "content-type": type } }).formData();
}

test("fields and files are found, and setting one changes no other byte", async () => {
  const form = new FormData();
  const content = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7) % 256));
  form.append("file", new File([content, "\r\n--not-the-boundary\r\n"], 'a "quoted" name.mp3'));
  form.append("model", "whisper-1");
  form.append("prompt", "first line\r\nmodel=other");
  const { bytes, type } = await encoded(form);
  const read = readForm(bytes, type, ONCE);
  assert.deepEqual(
    read.parts.map(({ name }) => name),
    ["file", "model", "prompt"],
  );
  assert.equal(fieldOf(read, "model"), "whisper-1");
  const file = fileOf(read, "file");
  assert.ok(file && bytes.subarray(file.start, file.start + content.length).equals(content));
  const changed = await decoded(edited([bytes], [settingField(read, "model", "whisper-prod")]).chunks, type);
  assert.equal(changed.get("model"), "whisper-prod");
  assert.equal(changed.get("prompt"), form.get("prompt"));
  const back = Buffer.from(await (changed.get("file") as File).arrayBuffer());
  assert.ok(back.subarray(0, content.length).equals(content));
});

test("a field that is not there is put in", async () => {
  const form = new FormData();
  form.append("file", new File(["x"], "a.mp3"));
  const { bytes, type } = await encoded(form);
  const read = readForm(bytes, type, ONCE);
  assert.equal(fieldOf(read, "model"), undefined);
  const changed = await decoded(edited([bytes], [settingField(read, "model", "whisper-1")]).chunks, type);
  assert.deepEqual([...changed.keys()].sort(), ["file", "model"]);
  assert.equal(changed.get("model"), "whisper-1");
});

test("a preamble, padding, quoted boundaries and empty parts are read", () => {
  const text =
    'preamble\r\n--b b \t\r\nContent-Disposition: form-data; name="model"\r\n\r\ngpt\r\n--b b\r\ncontent-disposition: form-data; filename="f"; name="file"\r\n\r\n\r\n--b b--\r\nepilogue';
  const read = readForm(Buffer.from(text), 'multipart/form-data; boundary="b b"', ONCE);
  assert.equal(fieldOf(read, "model"), "gpt");
  const file = fileOf(read, "file");
  assert.ok(file && file.start === file.end);
});

test("parameters without quotes are read, as .NET writes them, and what stands in quotes is none", () => {
  const text = [
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=model\r\n\r\nwhisper-1",
    "--b\r\nContent-Disposition: form-data; name=file; filename=a.mp3; filename*=utf-8''a.mp3\r\n\r\nsound",
    '--b\r\nContent-Disposition: form-data; filename="; name=model"; name="other"\r\n\r\nx',
    '--b\r\nContent-Disposition: form-data; name="loose"; filename="a "quoted" name.mp3"\r\n\r\nx',
    "--b--",
  ].join("\r\n");
  const read = readForm(Buffer.from(text), 'multipart/form-data; boundary="b"', ONCE);
  assert.equal(fieldOf(read, "model"), "whisper-1");
  assert.deepEqual(
    read.parts.map(({ name, filename }) => [name, filename !== undefined]),
    [
      ["model", false],
      ["file", true],
      ["other", true],
      ["loose", true],
    ],
  );
});

test("what cannot be read, or could be read in two ways, is refused in one sentence", () => {
  const type = "multipart/form-data; boundary=b";
  const part = (name: string, value: string) =>
    `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const cases: readonly (readonly [text: string, type: string, code: string])[] = [
    ["x", "multipart/form-data", "invalid_form"],
    ["", type, "invalid_form"],
    ["no boundary", type, "invalid_form"],
    [part("model", "x"), type, "invalid_form"],
    ["--b\r\n\r\nx\r\n--b--", type, "invalid_form"],
    ["--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", type, "invalid_form"],
    ["--bx\r\n\r\n--b--", type, "invalid_form"],
    ['--b\r\nContent-Disposition: form-data; name="a"; name="model"\r\n\r\nx\r\n--b--', type, "invalid_form"],
    ['--b\r\nContent-Disposition: form-data; name="a" name="model"\r\n\r\nx\r\n--b--', type, "invalid_form"],
    [
      "--b\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=model\r\n\r\nx\r\n--b--",
      type,
      "invalid_form",
    ],
    [`${part("model", "x")}--b--`, `${type}; boundary=c`, "invalid_form"],
    [`${part("model", "x")}--b--`, `${type}; boundary*0=c`, "invalid_form"],
    [`${part("model", "x")}--b--`, 'multipart/form-data; a="; boundary=b"; boundary=c', "invalid_form"],
    [`${part("model", "x")}--b--`, 'multipart/form-data; boundary="\\b"', "invalid_form"],
    [`${part("model", "x")}${part("model", "y")}--b--`, type, "duplicate_field"],
    [`${part("a", "x").repeat(300)}--b--`, type, "invalid_form"],
  ];
  for (const [text, contentType, code] of cases) {
    assert.throws(
      () => readForm(Buffer.from(text), contentType, ONCE),
      (error) => error instanceof GatewayError && error.code === code && error.status === 400,
      text.slice(0, 80),
    );
  }
});
