/** Does a real API server take the CRDs and the manifests, and refuse what must be refused, in the words that we promise? */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import { findBinaries } from "../../cluster/binaries.ts";
import { CONTROL_PLANE } from "../../cluster/programs.ts";
import { validateObject } from "../../routing/schema.ts";
import { type ApiServer, startApiServer } from "./api-server.ts";
import { changed } from "./changed.ts";
import { BAD_OBJECTS, GOOD_OBJECTS, type TestObject } from "./objects.ts";
import { STATUS_EXAMPLES } from "./status-examples.ts";
import { applyText, installCrds, PLURALS, pathOf, type Status, sentencesOf, table, tryToCreate } from "./tandem-api.ts";

const MANIFESTS = new URL("../golden/manifests/", import.meta.url);
/** 00 holds Secrets alone. */
const MANIFEST_FILES = readdirSync(MANIFESTS).filter((name) => /^(?!00)\d\d-[a-z-]+\.yaml$/.test(name));

/** Each takes some milliseconds. */
const RANDOM_OBJECTS = 500;

const found = await findBinaries(CONTROL_PLANE);
const skip = "missing" in found ? found.missing : false;

interface Stored extends TestObject {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
}

describe("CRDs on a real API server", { skip }, () => {
  let server: ApiServer;

  before(async () => {
    if ("missing" in found) return;
    server = await startApiServer(found.binaries);
    await installCrds(server);
    await server.call("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "ai" } });
  });

  after(() => server?.stop());

  test("they have the columns and short names that people know", async () => {
    const columns = { aiproviders: "NAME TYPE ENDPOINT READY HEALTHY AGE" };
    const expected = {
      ...columns,
      airoutes: "NAME MODELS STRATEGY READY PROGRAMMED STEP WEIGHTS AGE",
      aiclients: "NAME RESIDENCY MODELS READY AGE",
    };
    for (const [plural, names] of Object.entries(expected)) {
      assert.equal((await table(server, plural)).columns.join(" ").toUpperCase(), names);
    }
    const { body } = await server.call("GET", "/apis/tandem.dev/v1alpha1");
    const { resources } = body as { resources: { name: string; shortNames?: string[] }[] };
    const shortNames = resources.flatMap((resource) => resource.shortNames ?? []).sort();
    assert.deepEqual(shortNames, ["aic", "aip", "air"]);
    assert.ok(resources.some(({ name }) => name === "airoutes/status"));
  });

  for (const file of MANIFEST_FILES) {
    test(`${file} is taken as it stands, and applying it again changes nothing`, async () => {
      for (const document of readFileSync(new URL(file, MANIFESTS), "utf8").split(/^---$/m)) {
        const object = parse(document) as TestObject;
        if (PLURALS[object.kind] === undefined) continue;
        const first = await applyText(server, object, document);
        const stored = first.body as Stored;
        assert.ok(first.status === 200 || first.status === 201, JSON.stringify(first.body));
        assertHolds(stored.spec, object.spec, "spec");
        assert.deepEqual(stored.spec, validateObject(object).object?.spec, "defaults without a cluster are the same");
        const second = (await applyText(server, object, document)).body as Stored;
        assert.equal(second.metadata.resourceVersion, stored.metadata.resourceVersion);
      }
    });
  }

  test("the manifests of one route may follow each other in any order", async () => {
    const routes = MANIFEST_FILES.map((file) => find(file, "gpt-4o", "AIRoute")).filter((route) => route !== undefined);
    assert.equal(routes.length, 10);
    for (const [before, next] of routes.flatMap((one) => routes.map((two) => [one, two] as const))) {
      await applyText(server, before);
      const { status, body } = await applyText(server, next);
      assert.equal(status, 200, JSON.stringify(body));
      assert.deepEqual((body as Stored).spec, validateObject(next).object?.spec, "nothing is left of the one before");
    }
  });

  test("every bad object is refused with its sentence, and without a cluster with the same", async (t) => {
    for (const { name, object, says } of BAD_OBJECTS) {
      await t.test(`${object.kind}: ${name}`, async () => {
        const sentences = await assertJudgesAgree(server, object);
        assert.ok(sentences.includes(says), `the API server says:\n${sentences.join("\n")}`);
      });
    }
  });

  test("every odd but good object is taken, with the same defaults as without a cluster", async (t) => {
    for (const { name, object } of GOOD_OBJECTS) {
      await t.test(`${object.kind}: ${name}`, async () => {
        assert.deepEqual(await assertJudgesAgree(server, object), []);
      });
    }
  });

  test("objects changed at random are judged alike", async () => {
    const objects = [...GOOD_OBJECTS, ...BAD_OBJECTS].map(({ object }) => object);
    const property = fc.asyncProperty(changed(objects), async (object) => {
      await assertJudgesAgree(server, object);
    });
    await fc.assert(property, { numRuns: RANDOM_OBJECTS, seed: 36 });
  });

  test("a provider's type stays, its way to authenticate may change", async () => {
    const [openai, keyless] = [
      document("01-two-providers.yaml", "azure-sweden"),
      document("11-entra-id.yaml", "azure-keyless"),
    ];
    const name = { ...openai.metadata, name: "changing" };
    assert.equal((await applyText(server, { ...openai, metadata: name })).status, 201);
    const retyped = await server.call(
      "PATCH",
      pathOf("AIProvider", "ai", "changing"),
      { spec: { type: "OpenAI" } },
      MERGE_PATCH,
    );
    const { sentences } = sentencesOf(retyped.body as Status);
    const sentence = 'spec.type: Invalid value: "OpenAI": is immutable: make a new AIProvider';
    assert.ok(sentences.includes(sentence), sentences.join("\n"));
    const changed = await applyText(server, { ...keyless, metadata: name });
    assert.equal(changed.status, 200, JSON.stringify(changed.body));
  });

  test("the one-liners in the manifests' comments work", async () => {
    const path = pathOf("AIRoute", "ai", "gpt-4o");
    await applyText(server, document("02-canary.yaml", "gpt-4o"));
    const canary = [
      { op: "test", path: "/spec/backends/1/name", value: "azure" },
      { op: "add", path: "/spec/backends/1/weight", value: 25 },
    ];
    const moved = await server.call("PATCH", path, canary, { contentType: "application/json-patch+json" });
    assert.equal((moved.body as { spec: { backends: { weight: number }[] } }).spec.backends[1]?.weight, 25);
    await server.call("DELETE", path);
    await applyText(server, document("04-blue-green.yaml", "gpt-4o"));
    const switched = await server.call("PATCH", path, { spec: { activeBackend: "green" } }, MERGE_PATCH);
    assert.equal((switched.body as { spec: { activeBackend: string } }).spec.activeBackend, "green");
  });

  test("status is written apart from the spec, is kept whole, and fills the columns", async () => {
    for (const [kind, { name, file, status, cells }] of Object.entries(STATUS_EXAMPLES)) {
      const object = { ...document(file, name), metadata: { name: `status-of-${name}`, namespace: "ai" } };
      await applyText(server, object);
      const path = pathOf(kind, "ai", `status-of-${name}`);
      const answer = await server.call("PATCH", `${path}/status`, { status }, MERGE_PATCH);
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      assert.deepEqual((answer.body as Stored).status, status, "nothing was pruned");
      assert.deepEqual((await server.call("PATCH", path, { status: null }, MERGE_PATCH)).status, 200);
      const { body } = await server.call("GET", path);
      assert.deepEqual((body as Stored).status, status, "the spec's endpoint does not touch it");
      assert.deepEqual(validateObject(body).object?.status, status, "and it is read back without a cluster");
      const { rows } = await table(server, PLURALS[kind] ?? "");
      assert.deepEqual(rows.find((row) => row[0] === `status-of-${name}`)?.slice(1, -1), cells);
    }
  });
});

const MERGE_PATCH = { contentType: "application/merge-patch+json" };

/** JSON drops what is undefined. */
function asSent(object: TestObject): unknown {
  return JSON.parse(JSON.stringify(object));
}

/** Answers what both say. Where the API server stops early, `validateObject` may say more. */
async function assertJudgesAgree(server: ApiServer, object: TestObject): Promise<readonly string[]> {
  const { status, body } = await tryToCreate(server, object);
  const { object: validated, problems } = validateObject(asSent(object));
  const mine = problems.map(({ message }) => message);
  if (status === 201) {
    assert.deepEqual(mine, [], "the API server takes it");
    assert.deepEqual(validated?.spec, (body as Stored).spec, "with the same defaults");
    return mine;
  }
  assert.ok(status === 400 || status === 422, `the API server answered ${status}`);
  const { sentences, isCutShort } = sentencesOf(body as Status);
  assert.ok(sentences.length > 0, JSON.stringify(body));
  const both = isCutShort ? mine.filter((message) => sentences.includes(message)) : mine;
  assert.deepEqual(both.toSorted(), sentences.toSorted());
  return sentences;
}

function document(file: string, name: string): TestObject {
  const object = find(file, name);
  assert.ok(object, `${file} holds ${name}`);
  return object;
}

/** An object of Tandem's in a manifest. */
function find(file: string, name: string, ofKind?: string): TestObject | undefined {
  const texts = readFileSync(new URL(file, MANIFESTS), "utf8").split(/^---$/m);
  const objects = texts.map((text) => parse(text) as TestObject).filter(({ kind }) => PLURALS[kind] !== undefined);
  return objects.find(({ kind, metadata }) => metadata.name === name && (ofKind ?? kind) === kind);
}

/** Everything that was written is there; defaults may stand beside it. */
function assertHolds(actual: unknown, written: unknown, path: string): void {
  if (Array.isArray(written)) {
    assert.equal((actual as unknown[]).length, written.length, path);
    for (const [i, item] of written.entries()) assertHolds((actual as unknown[])[i], item, `${path}[${i}]`);
  } else if (typeof written === "object" && written !== null) {
    for (const [key, value] of Object.entries(written)) {
      assertHolds((actual as Record<string, unknown>)[key], value, `${path}.${key}`);
    }
  } else {
    assert.equal(actual, written, path);
  }
}
