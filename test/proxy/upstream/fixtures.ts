/** What do the tests of this folder share? Providers as the compiler makes them, and requests told as data. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Dispatcher, DispatchHandler, DispatchOptions } from "../../../proxy/upstream/connections.ts";
import type { Provider } from "../../../routing/table.ts";

export const BREAKER = { failureThreshold: 3, failurePercent: 50, minRequests: 10, recoveryTimeout: 60_000 };

export function provider(overrides: Partial<Provider> = {}): Provider {
  return {
    key: "ai/openai",
    namespace: "ai",
    name: "openai",
    type: "OpenAI",
    endpoint: "https://api.openai.com/v1",
    auth: { kind: "ApiKey", credential: "key-1" },
    models: { "gpt-4o": { upstream: "gpt-4o" }, "gpt-4o-mini": { upstream: "gpt-4o-mini" } },
    timeouts: { connect: 2_000, firstByte: 10_000, idle: 10_000, request: 60_000 },
    breaker: BREAKER,
    rateLimitGroup: "secret:ai/openai/api-key",
    ...overrides,
  };
}

export const OPEN_EGRESS = { allowedCIDRs: [], clusterCIDRs: [], proxyURL: "" };
/** Loopback stands for the outside world. */
export const LOOPBACK_EGRESS = { ...OPEN_EGRESS, allowedCIDRs: ["127.0.0.0/8", "::1/128"] };

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Sends one request and reads the whole answer. Rejects with what the handler was told. */
export function ask(dispatcher: Dispatcher, options: Partial<DispatchOptions> = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  let status = 0;
  let body = "";
  const handler: DispatchHandler = {
    onRequestStart() {},
    onResponseStart(_controller, code) {
      status = code;
    },
    onResponseData(_controller, chunk) {
      body += chunk;
    },
    // A moment later: undici gives the connection back after it has told.
    onResponseEnd: () => void setTimeout(resolve, 1, { status, body }),
    onResponseError: (_controller, error) => reject(error),
  };
  dispatcher.dispatch({ method: "GET", path: "/", ...options }, handler);
  return promise;
}

/** Waits for something that must come soon. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 3_000;
  while (!isSo()) {
    assert.ok(performance.now() < deadline, `it did not come about that ${what}`);
    await sleep(5);
  }
}
