import assert from "node:assert/strict";
import { test } from "node:test";
import { clientByHmac, findRoute, findRouteByName, indexTable, modelsFor, routesFor } from "../../routing/lookup.ts";
import type { Client, Route } from "../../routing/table.ts";
import { backend, client, provider, route, sharedRoute, table } from "./sample-table.ts";

const openai = provider("ai/openai", "OpenAI", ["gpt-4o", "gpt-4o-mini"]);
const azure = provider("ai/azure", "AzureOpenAI", ["gpt-4o"]);

function indexOf(routes: readonly Route[], clients: readonly Client[] = []) {
  return indexTable(table([openai, azure], routes, clients));
}

test("the caller's own namespace answers: the exact name, then its *", () => {
  const index = indexOf([
    route("ai/exact", ["gpt-4o"]),
    route("ai/any", ["*"]),
    sharedRoute("platform/exact", ["o3"], "2020-01-01T00:00:00Z"),
  ]);
  assert.equal(findRoute(index, "ai", "gpt-4o")?.key, "ai/exact");
  assert.equal(findRoute(index, "ai", "o3")?.key, "ai/any");
  assert.equal(findRoute(index, "ai", "*"), undefined);
});

test("another namespace's route is found only where it is shared", () => {
  const index = indexOf([
    route("a/own", ["m-own"]),
    sharedRoute("b/listed", ["m-listed"], "2020-01-01T00:00:00Z", ["team"]),
    sharedRoute("c/all", ["m-all"], "2020-01-01T00:00:00Z"),
  ]);
  assert.equal(findRoute(index, "team", "m-own"), undefined);
  assert.equal(findRoute(index, "team", "m-listed")?.key, "b/listed");
  assert.equal(findRoute(index, "other", "m-listed"), undefined);
  assert.equal(findRoute(index, "other", "m-all")?.key, "c/all");
});

test("a name that is held without backends is looked up nowhere else", () => {
  const index = indexOf([
    route("team/broken", ["gpt-4o"], { backends: [] }),
    sharedRoute("hostile/route", ["gpt-4o"], "2020-01-01T00:00:00Z"),
  ]);
  assert.equal(findRoute(index, "team", "gpt-4o")?.key, "team/broken");
});

test("a younger shared route draws nobody away from an older one, exact or not, serving or not", () => {
  const hostile = sharedRoute("a-hostile/route", ["gpt-4o"], "2026-06-01T00:00:00Z");
  const platform = "2026-01-01T00:00:00Z";
  for (const older of [
    sharedRoute("platform/exact", ["gpt-4o"], platform),
    sharedRoute("platform/any", ["*"], platform),
    { ...sharedRoute("platform/held", ["gpt-4o"], platform), backends: [] },
  ]) {
    assert.equal(findRoute(indexOf([hostile, older]), "team", "gpt-4o")?.key, older.key);
  }
});

test("inside the namespace whose claim is oldest the exact name wins, however young", () => {
  const index = indexOf([
    sharedRoute("platform/any", ["*"], "2026-01-01T00:00:00Z"),
    sharedRoute("hostile/exact", ["gpt-4o"], "2026-02-01T00:00:00Z"),
    sharedRoute("platform/exact", ["gpt-4o"], "2026-03-01T00:00:00Z"),
    sharedRoute("platform/others", ["gpt-4o"], "2026-03-01T00:00:00Z", ["someone-else"]),
  ]);
  assert.equal(findRoute(index, "team", "gpt-4o")?.key, "platform/exact");
  assert.equal(findRoute(index, "team", "o3")?.key, "platform/any");
});

test("equal age is settled by name", () => {
  const index = indexOf([sharedRoute("b/r", ["m"], ""), sharedRoute("a/r", ["m"], "")]);
  assert.equal(findRoute(index, "team", "m")?.key, "a/r");
});

test("x-tandem-route names a route of the own namespace, or a shared one in full", () => {
  const index = indexOf([route("ai/r", ["m"]), route("b/closed", ["m"]), sharedRoute("c/open", ["m"], "")]);
  assert.equal(findRouteByName(index, "ai", "r")?.key, "ai/r");
  assert.equal(findRouteByName(index, "ai", "ai/r")?.key, "ai/r");
  assert.equal(findRouteByName(index, "ai", "c/open")?.key, "c/open");
  assert.equal(findRouteByName(index, "ai", "b/closed"), undefined);
  assert.equal(findRouteByName(index, "ai", "closed"), undefined);
});

test("a caller is told the models it may use and that somebody serves", () => {
  const index = indexOf([
    route("ai/gpt", ["gpt-4o", "not-listed"]),
    route("ai/held", ["held"], { backends: [] }),
    route("ai/any", ["*"], { backends: [backend("azure"), backend("openai")] }),
    sharedRoute("b/all", ["gpt-4o", "shared"], ""),
  ]);
  const offered = (c?: Client) => modelsFor(index, "ai", c).map(({ model, route: r }) => `${model} ${r.key}`);
  // "not-listed" has no backend that lists it; "shared" is claimed by the own "*".
  assert.deepEqual(offered(), ["gpt-4o ai/gpt", "gpt-4o-mini ai/any", "shared ai/any"]);
  assert.deepEqual(offered(client("ai/c", { models: ["gpt-4o", "held"] })), ["gpt-4o ai/gpt"]);
  assert.deepEqual(
    modelsFor(index, "elsewhere").map(({ model }) => model),
    ["gpt-4o"],
  );
});

test("routes that a caller may name: its own first, then shared ones, none without backends", () => {
  const index = indexOf([
    sharedRoute("a/shared", ["m"], ""),
    route("ai/mine", ["m"]),
    route("ai/held", ["h"], { backends: [] }),
    route("b/closed", ["m"]),
  ]);
  assert.deepEqual(
    routesFor(index, "ai").map((r) => r.key),
    ["ai/mine", "a/shared"],
  );
  assert.deepEqual(routesFor(index, "ai", client("ai/c", { models: ["other"] })), []);
});

test("a key belongs to one client", () => {
  const demo = client("ai/demo", {
    keys: [
      { name: "a", hmac: "h1" },
      { name: "b", hmac: "h2" },
    ],
  });
  const index = indexOf([], [demo, client("ai/other")]);
  assert.equal(clientByHmac(index, "h2")?.key, "ai/demo");
  assert.equal(clientByHmac(index, "h3"), undefined);
});
