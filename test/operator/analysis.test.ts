/** Does the operator ask a rollout's Prometheus, with the token that the route names? */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, describe, test } from "node:test";
import { waitFor } from "../cli/tandem.ts";
import { route } from "./harness.ts";
import { playProxies, putQuickstart, skip, stages } from "./stages.ts";

const WITHIN = 30_000;

describe("queries of an analysis", { skip }, () => {
  const { set } = stages();

  test("are asked once their token is there, and never without it", async () => {
    const seen: { authorization: string | undefined; query: string | null }[] = [];
    const server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      seen.push({ authorization: request.headers.authorization, query: new URLSearchParams(body).get("query") });
      response.end('{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}');
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    after(() => {
      server.closeAllConnections();
      server.close();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const metric = {
      name: "Tickets",
      max: "3",
      prometheus: { url, query: "tickets", secretRef: { name: "prom", key: "token" } },
    };
    const stage = await set("analysis");
    await playProxies(stage, 1);
    await stage.startOperator();
    await putQuickstart(stage);
    const rollout = {
      stable: "openai",
      candidate: "other",
      steps: [{ setWeight: 10 }, { pause: {} }],
      analysis: { interval: "1s", metrics: [metric] },
    };
    await stage.put(route("gpt-4.1", { openai: 100, other: 0 }, { rollout }));
    await stage.until("AIRoute", "gpt-4.1", "Programmed", "True");
    assert.deepEqual(seen, []);
    await stage.putSecret("prom", { token: "let-me-in" });
    await waitFor("the query is asked", WITHIN, async () => seen.length > 0);
    assert.deepEqual(seen[0], { authorization: "Bearer let-me-in", query: "tickets" });
  });
});
