/** Is every change of a file in force within moments, and does a broken one leave the last good table in force? */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, open, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { ManifestSource, type SourceProblem, type Update } from "../../manifests/source.ts";
import { Redacted } from "../../routing/secrets.ts";
import { provider, route, scratchFolder, secret } from "./scratch.ts";

/** "Within a second", and another for a machine that is busy with other tests. Milliseconds. */
const SOON = 2000;
/** Longer than quiet time, second looks and a poll together, milliseconds. */
const LONG_ENOUGH = 1200;

const TO_OPENAI = "  - {name: openai, providerRef: {name: openai}, weight: 90}";
const BASE = [secret("sk-one"), provider("openai"), route("gpt-4o", TO_OPENAI)].join("---\n");

class Watched {
  readonly updates: Update[] = [];
  readonly problems: SourceProblem[] = [];
  readonly source: ManifestSource;
  constructor(paths: readonly string[], dev = false) {
    this.source = new ManifestSource({
      paths,
      env: {},
      dev,
      pepper: new Redacted("pepper"),
      onConfiguration: (update) => this.updates.push(update),
      onProblem: (problem) => this.problems.push(problem),
    });
  }
  get last(): Update {
    const update = this.updates.at(-1);
    assert.ok(update, "there was an update");
    return update;
  }
  get lastProblem(): SourceProblem {
    const problem = this.problems.at(-1);
    assert.ok(problem, "there was a problem");
    return problem;
  }
  /** Of the only route's first backend. */
  get weight(): number | undefined {
    return this.last.table.routes[0]?.backends[0]?.weight;
  }
  get routes(): string[] {
    return this.last.table.routes.map(({ name }) => name);
  }
  get secretValues(): string[] {
    return [...this.last.credentials.values()].map((value) => value.reveal());
  }
}

/** Version of its key. */
function credentialOf({ providers }: Update["table"]): string | undefined {
  const auth = providers["ai/openai"]?.auth;
  return auth?.kind === "ApiKey" ? auth.credential : undefined;
}

async function start(t: TestContext, paths: readonly string[], dev = false): Promise<Watched> {
  const watched = new Watched(paths, dev);
  t.after(() => watched.source.close());
  await watched.source.start();
  return watched;
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const end = performance.now() + SOON;
  while (!isTrue()) {
    if (performance.now() > end) assert.fail(`not within ${SOON} ms: ${what}`);
    await sleep(10);
  }
}

function weighing(weight: number): string {
  return BASE.replace("weight: 90", `weight: ${weight}`);
}

test("the first load gives a table, its credentials and where each object is", async (t) => {
  const scratch = await scratchFolder(t);
  const file = await scratch.write("a.yaml", BASE);
  const watched = await start(t, [scratch.folder]);
  assert.equal(watched.updates.length, 1);
  assert.deepEqual(watched.problems, []);
  assert.equal(watched.weight, 90);
  const credential = credentialOf(watched.last.table) ?? "";
  assert.equal(watched.last.credentials.get(credential)?.reveal(), "sk-one");
  assert.match(watched.last.published.hash, /^[0-9a-f]{64}$/);
  assert.deepEqual(watched.last.loaded.locate("AIRoute", "ai", "gpt-4o", "spec.backends[0].weight"), {
    file,
    line: 19,
  });
});

test("start rejects when the first set cannot be used, and leaves nothing open", async (t) => {
  const scratch = await scratchFolder(t);
  const file = await scratch.write("a.yaml", "kind: [");
  const watched = new Watched([file]);
  await assert.rejects(watched.source.start(), { name: "ManifestError", file, line: 1 });
  await writeFile(file, BASE);
  await sleep(LONG_ENOUGH);
  assert.deepEqual([watched.updates, watched.problems], [[], []]);
});

test("a file written in place", async (t) => {
  const scratch = await scratchFolder(t);
  const file = await scratch.write("a.yaml", BASE);
  const watched = await start(t, [file]);
  const hash = watched.last.published.hash;
  await writeFile(file, weighing(25));
  await until("the weight is 25", () => watched.weight === 25);
  assert.notEqual(watched.last.published.hash, hash);
  assert.deepEqual(watched.problems, []);
});

for (const kind of ["file", "folder"] as const) {
  test(`a ${kind} whose files editors replace by renaming`, async (t) => {
    const scratch = await scratchFolder(t);
    const file = await scratch.write("a.yaml", BASE);
    const watched = await start(t, [kind === "file" ? file : scratch.folder]);
    for (const weight of [10, 20, 30]) {
      await rename(await scratch.write(".a.yaml.swp", weighing(weight)), file);
      await until(`the weight is ${weight}`, () => watched.weight === weight);
    }
    // As vim does with backupcopy=no: the old file is moved away first.
    await rename(file, scratch.path("a.yaml~"));
    await writeFile(file, weighing(40));
    await until("the weight is 40", () => watched.weight === 40);
    assert.deepEqual(watched.problems, []);
  });
}

for (const kind of ["file", "folder"] as const) {
  test(`a ${kind} behind links that are swapped, as Kubernetes mounts a ConfigMap`, async (t) => {
    const scratch = await scratchFolder(t);
    await scratch.write("..v1/a.yaml", BASE);
    await symlink("..v1", scratch.path("..data"));
    await symlink("..data/a.yaml", scratch.path("a.yaml"));
    const watched = await start(t, [kind === "file" ? scratch.path("a.yaml") : scratch.folder]);
    await scratch.write("..v2/a.yaml", weighing(25));
    await symlink("..v2", scratch.path("..data_tmp"));
    await rename(scratch.path("..data_tmp"), scratch.path("..data"));
    await rm(scratch.path("..v1"), { recursive: true });
    await until("the weight is 25", () => watched.weight === 25);
    assert.deepEqual(watched.problems, []);
  });
}

test("what no event tells is found all the same: the target of a link elsewhere", async (t) => {
  const scratch = await scratchFolder(t);
  const target = await scratch.write("far/away/target.yaml", BASE);
  await mkdir(scratch.path("near"));
  await symlink(target, scratch.path("near/a.yaml"));
  const watched = await start(t, [scratch.path("near")]);
  await writeFile(target, weighing(25));
  await until("the weight is 25", () => watched.weight === 25);
});

test("files that are added to a folder and removed from it", async (t) => {
  const scratch = await scratchFolder(t);
  await scratch.write("a.yaml", BASE);
  const watched = await start(t, [scratch.folder]);
  const added = await scratch.write("b.yaml", route("gpt-5", TO_OPENAI));
  await until("the route is there", () => watched.routes.length === 2);
  await scratch.write(".hidden.yaml", route("hidden", TO_OPENAI));
  await scratch.write("sub/c.yaml", route("deep", TO_OPENAI));
  await unlink(added);
  await until("the route is gone", () => watched.routes.length === 1);
  assert.deepEqual(watched.routes, ["gpt-4o"]);
  assert.deepEqual(watched.problems, []);
});

test("a folder that is removed and made anew", async (t) => {
  const scratch = await scratchFolder(t);
  await scratch.write("set/a.yaml", BASE);
  const watched = await start(t, [scratch.path("set")]);
  await rm(scratch.path("set"), { recursive: true });
  await until("the folder is missed", () => watched.problems.length === 1);
  assert.equal(watched.lastProblem.file, scratch.path("set"));
  assert.match(watched.lastProblem.message, /no such file or folder/);
  assert.equal(watched.weight, 90, "the last table stays in force");
  await scratch.write("set/a.yaml", weighing(25));
  await until("the weight is 25", () => watched.weight === 25);
  await scratch.write("set/a.yaml", weighing(26));
  await until("the weight is 26", () => watched.weight === 26);
});

test("a broken file leaves the table in force and names file, line, field and fix, until it is mended", async (t) => {
  const scratch = await scratchFolder(t);
  const file = await scratch.write("a.yaml", BASE);
  const watched = await start(t, [scratch.folder]);
  const broken = BASE.replace("models: [gpt-4o]", "models: [gpt-4o");
  await writeFile(file, broken);
  await until("the problem is told", () => watched.problems.length === 1);
  const { message, line, field } = watched.lastProblem;
  assert.equal(watched.lastProblem.file, file);
  assert.ok([17, 18].includes(line ?? 0), `line ${line}`);
  assert.equal(field, "spec.models");
  assert.match(message, /; /);
  await sleep(LONG_ENOUGH);
  assert.equal(watched.problems.length, 1, "told once");
  assert.equal(watched.updates.length, 1, "the table was not touched");
  await writeFile(file, BASE);
  await until("told as mended, though the table is the same", () => watched.updates.length === 2);
  assert.equal(watched.updates[0]?.published.hash, watched.last.published.hash);
});

test("a file that is cut to nothing does not take its objects away", async (t) => {
  const scratch = await scratchFolder(t);
  const file = await scratch.write("a.yaml", BASE);
  const watched = await start(t, [scratch.folder]);
  await writeFile(file, "");
  await until("the problem is told", () => watched.problems.length === 1);
  assert.match(watched.lastProblem.message, /it is empty/);
  assert.deepEqual(watched.routes, ["gpt-4o"]);
});

test("a file that is written slowly is not told as broken", async (t) => {
  const scratch = await scratchFolder(t);
  const file = await scratch.write("a.yaml", BASE);
  const watched = await start(t, [file]);
  const handle = await open(file, "w");
  const text = weighing(25);
  const middle = text.indexOf("AIRoute") + 3;
  await handle.write(text.slice(0, middle));
  await sleep(70);
  await handle.write(text.slice(middle));
  await handle.close();
  await until("the weight is 25", () => watched.weight === 25);
  await sleep(LONG_ENOUGH);
  assert.deepEqual(watched.problems, []);
});

test("a Secret that is rotated: the new value under a new version, the old one gone", async (t) => {
  const scratch = await scratchFolder(t);
  await scratch.write("routes.yaml", BASE.slice(BASE.indexOf("---\n") + 4));
  const file = await scratch.write("secret.yaml", secret("sk-one"));
  const watched = await start(t, [scratch.folder]);
  const before = credentialOf(watched.last.table);
  await rename(await scratch.write("new", secret("sk-two")), file);
  await until("the new value is there", () => watched.secretValues.includes("sk-two"));
  assert.deepEqual(watched.secretValues, ["sk-two"]);
  assert.notEqual(credentialOf(watched.last.table), before);
});

test("a Secret that turns into a placeholder, or goes, takes its provider out at once", async (t) => {
  const scratch = await scratchFolder(t);
  await scratch.write("routes.yaml", BASE.slice(BASE.indexOf("---\n") + 4));
  const file = await scratch.write("secret.yaml", secret("sk-one"));
  const watched = await start(t, [scratch.folder]);
  const reason = () =>
    watched.last.verdicts
      .find(({ kind }) => kind === "AIProvider")
      ?.conditions.find(({ type }) => type === "ResolvedRefs")?.reason;
  await writeFile(file, secret(`\${UNSET_ANYWHERE}`));
  await until("PlaceholderValue", () => reason() === "PlaceholderValue");
  assert.deepEqual(watched.secretValues, []);
  await unlink(file);
  await until("SecretNotFound", () => reason() === "SecretNotFound");
  await writeFile(file, secret("sk-two"));
  await until("resolved", () => reason() === "ResolvedRefs");
});

test("a rejected object is told with its line and field; its last accepted form and the others stay in force", async (t) => {
  const scratch = await scratchFolder(t);
  const file = await scratch.write("a.yaml", BASE);
  const watched = await start(t, [file]);
  await writeFile(file, `${weighing(101)}---\n${route("gpt-5", TO_OPENAI)}`);
  await until("the other route is there", () => watched.routes.includes("gpt-5"));
  assert.equal(watched.weight, 90);
  const { message, ...place } = watched.lastProblem;
  assert.deepEqual(place, { file, line: 19, field: "spec.backends[0].weight", object: "AIRoute ai/gpt-4o" });
  assert.match(
    message,
    /AIRoute ai\/gpt-4o is not accepted \(Invalid\): spec\.backends\[0\]\.weight.*less than or equal to 100/,
  );
  await writeFile(file, BASE.replace("models: [gpt-4o]", "modles: [gpt-4o]"));
  await until("the misspelt field is told", () => /modles/.test(watched.lastProblem.message));
  assert.deepEqual([watched.lastProblem.line, watched.lastProblem.field], [17, "spec.modles"]);
});

test("a change that changes nothing is not told", async (t) => {
  const scratch = await scratchFolder(t);
  const file = await scratch.write("a.yaml", BASE);
  const watched = await start(t, [scratch.folder]);
  await writeFile(file, `# a comment\n${BASE}`);
  await scratch.write("b.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: ai}\n");
  await sleep(LONG_ENOUGH);
  assert.equal(watched.updates.length, 1);
});

test("a change right after the start is not missed", async (t) => {
  const scratch = await scratchFolder(t);
  const file = await scratch.write("a.yaml", BASE);
  const watched = new Watched([file]);
  t.after(() => watched.source.close());
  const started = watched.source.start();
  for (let weight = 1; weight <= 40; weight++) {
    await rename(await scratch.write("new", weighing(weight)), file);
    await sleep(1);
  }
  await started;
  await until("the last one is in force", () => watched.weight === 40);
});

test("after close nothing is told and nothing is watched", async (t) => {
  const scratch = await scratchFolder(t);
  const file = await scratch.write("a.yaml", BASE);
  const watched = await start(t, [scratch.folder]);
  await writeFile(file, weighing(25));
  await sleep(20);
  await watched.source.close();
  await sleep(20);
  assert.deepEqual(
    process.getActiveResourcesInfo().filter((name) => name === "FSEventWrap"),
    [],
  );
  await writeFile(file, weighing(26));
  await sleep(LONG_ENOUGH);
  assert.equal(watched.updates.length, 1);
});

test("a process whose source is closed comes to its end", async (t) => {
  const scratch = await scratchFolder(t);
  const file = await scratch.write("a.yaml", BASE);
  const url = (path: string) => JSON.stringify(import.meta.resolve(path));
  const program = `
    import { ManifestSource } from ${url("../../manifests/source.ts")};
    import { Redacted } from ${url("../../routing/secrets.ts")};
    const ignore = () => {};
    const options = { env: {}, dev: false, pepper: new Redacted("p"), onConfiguration: ignore, onProblem: ignore };
    const source = new ManifestSource({ ...options, paths: [${JSON.stringify(file)}] });
    await source.start();
    await source.close();
    await new ManifestSource({ ...options, paths: ["nowhere"] }).start().catch(ignore);
    process.stdout.write("closed");`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], {
    timeout: 20_000,
  });
  assert.equal(stdout, "closed");
});
