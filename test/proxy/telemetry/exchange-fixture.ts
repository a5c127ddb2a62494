/** Exchanges and a table to record them against: times relative to a start of 1000 ms. */
import type { AttemptRecord, Exchange } from "../../../proxy/exchange.ts";
import type { RoutingTable } from "../../../routing/table.ts";

export function attempt(fields: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    provider: "openai",
    backend: "openai",
    upstreamModel: "gpt-4o",
    startedAt: 1002,
    respondedAt: 1100,
    endedAt: 1102,
    status: 200,
    outcome: "ok",
    detail: undefined,
    providerRequestID: "req_provider",
    ...fields,
  };
}

export function exchange(fields: Partial<Exchange> = {}): Exchange {
  return {
    id: "req_1",
    method: "POST",
    path: "/v1/chat/completions",
    operation: "chat/completions",
    startedAt: 1000,
    time: Date.UTC(2026, 0, 2, 3, 4, 5),
    client: "ai/demo",
    namespace: "ai",
    route: "ai/gpt-4o",
    model: "gpt-4o",
    stream: false,
    decision: "priority",
    attempts: [attempt()],
    status: 200,
    outcome: "ok",
    errorCode: undefined,
    errorOrigin: undefined,
    requestBytes: 300,
    responseBytes: 800,
    bodyAt: 1001,
    firstByteAt: 1103,
    firstTokenAt: undefined,
    endedAt: 1104,
    usage: { input: 10, cachedInput: 4, output: 20, reasoning: 5 },
    trace: undefined,
    ...fields,
  };
}

const TIMEOUTS = { connect: 1, firstByte: 1, idle: 1, request: 1 };

export const TABLE: RoutingTable = {
  schemaVersion: 1,
  providers: {
    "ai/openai": {
      key: "ai/openai",
      namespace: "ai",
      name: "openai",
      type: "OpenAI",
      endpoint: "https://api.openai.com/v1",
      auth: { kind: "ApiKey", credential: "c" },
      models: { "gpt-4o": { upstream: "gpt-4o" } },
      timeouts: TIMEOUTS,
      rateLimitGroup: "g",
    },
  },
  routes: [],
  clients: [],
};
