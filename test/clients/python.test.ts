/** Do the Python clients work through Tandem? One process runs python/run.py; each of its cases is a test here. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { KEY } from "../proxy/harness.ts";
import { gateways } from "./gateways.ts";
import { pythonEnvironment } from "./python-environment.ts";

const RUN = fileURLToPath(new URL("python/run.py", import.meta.url));
/** Fewer would mean that cases have been lost. */
const LEAST_CASES = 150;

interface Outcome {
  readonly case: string;
  readonly ok: boolean;
  readonly error: string | null;
}

const found = await pythonEnvironment((line) => process.stderr.write(`${line}\n`));
const missing = "missing" in found ? found.missing : undefined;
// In CI a client that is not tested is a fault.
const skip = process.env.CI === "true" ? false : (missing ?? false);

test("the Python clients", { skip }, async (t) => {
  if ("missing" in found) assert.fail(found.missing);
  const { places } = await gateways();
  const forms = Object.fromEntries(
    places.map(({ form, harness, simulator }) => [form, { gateway: harness.url, simulator: simulator.url }]),
  );
  const only = process.env.TANDEM_CLIENT_CASES ?? "";
  const child = spawn(found.python, [RUN, only], {
    env: { PATH: process.env.PATH, LANG: "C.UTF-8", TANDEM_CLIENTS: JSON.stringify({ key: KEY, forms }) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const ended = once(child, "exit");
  let count = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const outcome = JSON.parse(line) as Outcome;
    count++;
    await t.test(outcome.case, () => assert.ok(outcome.ok, outcome.error ?? ""));
  }
  const [code] = await ended;
  assert.equal(code, 0, errors);
  if (only === "") assert.ok(count >= LEAST_CASES, `${count} cases`);
});
