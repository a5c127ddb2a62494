/** Do people read in their terminal what the quickstart's objects have become? With a ClusterRole, for all namespaces. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { QUICKSTART } from "../cli/tandem.ts";
import type { TestObject } from "../control-plane/objects.ts";
import { applyText, table } from "../control-plane/tandem-api.ts";
import { playProxies, skip, stages } from "./stages.ts";

const MANIFEST = readFileSync(join(QUICKSTART, "01-two-providers.yaml"), "utf8");
const OBJECTS = parseAllDocuments(MANIFEST)
  .map((document) => document.toJS() as TestObject & { kind: string })
  .filter(({ kind }) => kind !== "Namespace");

describe("01-two-providers.yaml with an operator for all namespaces", { skip }, () => {
  const { set, server } = stages();

  test("statuses, conditions, columns and events, from nothing to served and back", async () => {
    const stage = await set("all", { everywhere: true });
    const operator = await stage.startOperator();
    for (const object of OBJECTS) assert.ok((await applyText(server(), object)).status < 300);

    const { message } = await stage.until("AIProvider", "openai", "ResolvedRefs", "SecretNotFound");
    assert.match(message, /openai/);
    await stage.until("AIRoute", "gpt-4o", "Ready", "False");

    const keys = { openai: "api-key", azure: "api-key", "demo-client-key": "key" };
    for (const [name, key] of Object.entries(keys)) {
      await stage.putSecret(name, { [key]: `a-value-for-${name}-that-is-long-enough` });
    }
    await stage.until("AIRoute", "gpt-4o", "Programmed", "NoProxies");
    await playProxies(stage, 2);
    for (const name of ["gpt-4o", "small-models"]) {
      for (const type of ["Accepted", "ResolvedRefs", "Programmed", "Ready"]) {
        await stage.until("AIRoute", name, type, "True");
      }
    }
    for (const name of ["openai", "azure-sweden"]) await stage.until("AIProvider", name, "Ready", "True");
    await stage.until("AIClient", "demo", "Ready", "True");

    const cells = async (plural: string, row: string) => {
      const { columns, rows } = await table(server(), plural);
      const found = rows.find(([name]) => name === row) ?? [];
      return Object.fromEntries(columns.map((column, i) => [column, found[i]]));
    };
    const route = await cells("airoutes", "gpt-4o");
    assert.equal(route.Ready, "True");
    assert.equal(route.Programmed, "True");
    assert.match(String(route.Models), /gpt-4o/);
    assert.match(String(route.Weights), /openai/);
    const provider = await cells("aiproviders", "openai");
    assert.equal(provider.Ready, "True");
    assert.match(String(provider.Endpoint), /api\.openai\.com/);
    assert.equal((await cells("aiclients", "demo")).Ready, "True");

    assert.equal((await stage.untilEvent("SecretNotFound", "openai")).type, "Warning");
    const programmed = await stage.untilEvent("Programmed", "gpt-4o");
    assert.equal(programmed.type, "Normal");
    assert.match(programmed.note, /Generation 1/);

    const metrics = await operator.metrics();
    assert.equal(metrics.get("tandem_operator_leader"), 1);
    assert.equal(metrics.get("tandem_operator_serving_proxies"), 2);
    assert.equal(metrics.get("tandem_operator_statuses_waiting"), 0);
    assert.equal(metrics.get("tandem_operator_reconcile_failures_total"), 0);
    assert.equal(metrics.get("tandem_operator_events_dropped_total"), 0);
    for (const path of ["/healthz", "/readyz"]) assert.equal((await fetch(`${operator.adminUrl}${path}`)).status, 200);

    await stage.removeSecret("openai");
    await stage.until("AIProvider", "openai", "Ready", "False");
    assert.equal((await cells("aiproviders", "openai")).Ready, "False");

    const forbidden = stage.network.requests.filter(({ kind, path, query }) => {
      return kind !== "write" && path.endsWith("/secrets") && !query.get("fieldSelector")?.startsWith("metadata.name=");
    });
    assert.deepEqual(forbidden, [], "Secrets are read by name only");
    assert.equal(await operator.stop(), 0);
  });
});
