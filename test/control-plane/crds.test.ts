/** Does a real API server take the CRDs and the manifests, and refuse what must be refused, in the words that we promise? */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import { validateObject } from "../../routing/schema.ts";
import { type ApiServer, startApiServer } from "./api-server.ts";
import { findBinaries } from "./binaries.ts";
import { BAD_OBJECTS, GOOD_OBJECTS, type TestObject } from "./objects.ts";

const CRDS = ["aiproviders", "airoutes", "aiclients"];
const PLURALS: Readonly<Record<string, string>> = {
  AIProvider: "aiproviders",
  AIRoute: "airoutes",
  AIClient: "aiclients",
};
const CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const MANIFESTS = new URL("../golden/manifests/", import.meta.url);
/** 00 holds Secrets alone. */
const MANIFEST_FILES = readdirSync(MANIFESTS).filter((name) => /^(?!00)\d\d-[a-z-]+\.yaml$/.test(name));
const ESTABLISHED_TIMEOUT_MS = 10_000;

const found = await findBinaries();
const skip = "missing" in found ? found.missing : false;

interface Status {
  readonly code?: number;
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { readonly field: string; readonly message: string }[] };
}

interface Stored extends TestObject {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
}

describe("CRDs on a real API server", { skip }, () => {
  let server: ApiServer;

  before(async () => {
    if ("missing" in found) return;
    server = await startApiServer(found.binaries);
    for (const name of CRDS) {
      const crd = parse(readFileSync(new URL(`../../crds/${name}.yaml`, import.meta.url), "utf8"));
      const answer = await server.call("POST", CRD_PATH, crd);
      assert.equal(answer.status, 201, JSON.stringify(answer.body));
    }
    await Promise.all(CRDS.map((name) => waitUntilEstablished(server, name)));
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

  test("every bad object is refused with its sentence, and without a cluster with the same", async (t) => {
    for (const { name, object, says } of BAD_OBJECTS) {
      await t.test(`${object.kind}: ${name}`, async () => {
        const answer = await tryToCreate(server, object);
        const { sentences, isCutShort } = sentencesOf(answer.body as Status);
        assert.ok(answer.status === 400 || answer.status === 422, `the API server answered ${answer.status}`);
        assert.ok(sentences.includes(says), `the API server says:\n${sentences.join("\n")}`);
        const mine = messagesOf(object);
        const both = isCutShort ? mine.filter((message) => sentences.includes(message)) : mine;
        assert.deepEqual(both.toSorted(), sentences.toSorted());
      });
    }
  });

  test("every odd but good object is taken, with the same defaults as without a cluster", async (t) => {
    for (const { name, object } of GOOD_OBJECTS) {
      await t.test(`${object.kind}: ${name}`, async () => {
        const { status, body } = await tryToCreate(server, object);
        assert.equal(status, 201, JSON.stringify(body));
        const { object: mine, problems } = validateObject(asSent(object));
        assert.deepEqual(problems, []);
        assert.deepEqual(mine?.spec, (body as Stored).spec);
      });
    }
  });

  test("a provider's type stays, its way to authenticate may change", async () => {
    const [openai, keyless] = [
      document("01-two-providers.yaml", "azure-sweden"),
      document("11-entra-id.yaml", "azure-keyless"),
    ];
    const path = "/apis/tandem.dev/v1alpha1/namespaces/ai/aiproviders";
    const name = { ...openai.metadata, name: "changing" };
    assert.equal((await applyText(server, { ...openai, metadata: name })).status, 201);
    const retyped = await server.call("PATCH", `${path}/changing`, { spec: { type: "OpenAI" } }, MERGE_PATCH);
    const { sentences } = sentencesOf(retyped.body as Status);
    const sentence = 'spec.type: Invalid value: "OpenAI": is immutable: make a new AIProvider';
    assert.ok(sentences.includes(sentence), sentences.join("\n"));
    const changed = await applyText(server, { ...keyless, metadata: name });
    assert.equal(changed.status, 200, JSON.stringify(changed.body));
  });

  test("the one-liners in the manifests' comments work", async () => {
    const path = "/apis/tandem.dev/v1alpha1/namespaces/ai/airoutes/gpt-4o";
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
      const path = `/apis/tandem.dev/v1alpha1/namespaces/ai/${PLURALS[kind]}/status-of-${name}`;
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

const condition = (type: string) => ({
  type,
  status: "True",
  reason: "Fine",
  message: "",
  observedGeneration: 1,
  lastTransitionTime: "2026-11-24T00:00:00Z",
});

const STATUS_EXAMPLES: Readonly<
  Record<string, { name: string; file: string; status: unknown; cells: readonly unknown[] }>
> = {
  AIProvider: {
    name: "openai",
    file: "01-two-providers.yaml",
    status: {
      observedGeneration: 1,
      endpoint: "https://api.openai.com/v1",
      prices: [{ model: "gpt-4o", source: "List", date: "2026-11-01" }],
      conditions: ["Accepted", "ResolvedRefs", "Healthy", "Ready"].map(condition),
    },
    cells: ["OpenAI", "https://api.openai.com/v1", "True", "True"],
  },
  AIRoute: {
    name: "gpt-4o",
    file: "05-rollout.yaml",
    status: {
      observedGeneration: 1,
      models: "gpt-4o",
      weights: "openai=95 azure=5",
      proxies: { serving: 3, programmed: 3 },
      rollout: {
        hash: "abc",
        step: "3/7",
        stepIndex: 2,
        weight: 5,
        shadowPercent: 0,
        startedAt: "2026-11-24T00:00:00Z",
        stepStartedAt: "2026-11-24T00:05:00Z",
        failedWindows: 1,
        inconclusiveWindows: 0,
        message: "ErrorPercent 0.4 of at most 1.0",
        metrics: [{ name: "ErrorPercent", stable: "0.3", candidate: "0.4", verdict: "Passed" }],
      },
      shadow: {
        date: "2026-11-24",
        copied: 5,
        dropped: 0,
        compared: 5,
        different: 1,
        noiseCompared: 2,
        noiseDifferent: 0,
        tokens: 900,
      },
      conditions: ["Accepted", "ResolvedRefs", "Programmed", "Ready"].map(condition),
    },
    cells: ["gpt-4o", "Weighted", "True", "True", "3/7", "openai=95 azure=5"],
  },
  AIClient: {
    name: "billing-app",
    file: "09-clients.yaml",
    status: {
      observedGeneration: 1,
      models: "gpt-4o, gpt-4o-mini",
      usage: { month: "2026-11", usd: "12.345678901", requests: 10, tokens: 12345, updatedAt: "2026-11-24T00:00:00Z" },
      conditions: ["Accepted", "ResolvedRefs", "Ready"].map(condition),
    },
    cells: ["EU", "gpt-4o, gpt-4o-mini", "True"],
  },
};

async function waitUntilEstablished(server: ApiServer, plural: string): Promise<void> {
  const deadline = Date.now() + ESTABLISHED_TIMEOUT_MS;
  while (Date.now() < deadline) {
    const { body } = await server.call("GET", `${CRD_PATH}/${plural}.tandem.dev`);
    const { status } = body as { status?: { conditions?: { type: string; status: string }[] } };
    const isEstablished = status?.conditions?.some((one) => one.type === "Established" && one.status === "True");
    if (isEstablished && (await server.call("GET", `/apis/tandem.dev/v1alpha1/${plural}`)).status === 200) return;
    await sleep(50);
  }
  assert.fail(`${plural} did not become Established`);
}

/** As `kubectl apply --server-side` does, with the text as it stands where one is given. */
function applyText(server: ApiServer, object: TestObject, text: string = JSON.stringify(object)) {
  const { name, namespace } = object.metadata;
  const path = `/apis/tandem.dev/v1alpha1/namespaces/${namespace}/${PLURALS[object.kind]}/${name}`;
  const query = "fieldManager=test&force=true&fieldValidation=Strict";
  return server.call("PATCH", `${path}?${query}`, text, { contentType: "application/apply-patch+yaml" });
}

function tryToCreate(server: ApiServer, object: TestObject) {
  const path = `/apis/tandem.dev/v1alpha1/namespaces/ai/${PLURALS[object.kind]}`;
  return server.call("POST", `${path}?dryRun=All&fieldValidation=Strict`, object);
}

/** What the API server says, without its remarks on itself; `isCutShort` when it stopped before it had judged all. */
function sentencesOf(status: Status): { sentences: string[]; isCutShort: boolean } {
  if (status.code === 400) {
    const fields = status.message?.matchAll(/unknown field "[^"]*"/g) ?? [];
    return { sentences: Array.from(fields, ([sentence]) => sentence), isCutShort: true };
  }
  const all = (status.details?.causes ?? []).map(({ field, message }) => `${field}: ${message}`);
  // The second sentence repeats the first about a fraction where an integer is due.
  const remarks = /some validation rules were not checked|Checked value must be of type/;
  const sentences = all.filter((sentence) => !remarks.test(sentence));
  return { sentences, isCutShort: all.some((sentence) => sentence.includes("some validation rules were not checked")) };
}

/** JSON drops what is undefined. */
function asSent(object: TestObject): unknown {
  return JSON.parse(JSON.stringify(object));
}

function messagesOf(object: TestObject): string[] {
  return validateObject(asSent(object)).problems.map(({ message }) => message);
}

function document(file: string, name: string): TestObject {
  const objects = readFileSync(new URL(file, MANIFESTS), "utf8")
    .split(/^---$/m)
    .map((text) => parse(text) as TestObject);
  const object = objects.find(({ kind, metadata }) => metadata.name === name && PLURALS[kind] !== undefined);
  assert.ok(object, `${file} holds ${name}`);
  return object;
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

async function table(server: ApiServer, plural: string): Promise<{ columns: string[]; rows: unknown[][] }> {
  const accept = "application/json;as=Table;g=meta.k8s.io;v=v1";
  const { body } = await server.call("GET", `/apis/tandem.dev/v1alpha1/namespaces/ai/${plural}`, undefined, { accept });
  const { columnDefinitions, rows } = body as { columnDefinitions: { name: string }[]; rows: { cells: unknown[] }[] };
  return { columns: columnDefinitions.map(({ name }) => name), rows: rows.map(({ cells }) => cells) };
}
