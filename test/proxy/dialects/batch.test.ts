/** How does each provider write the endpoint of a batch? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { endpointAt } from "../../../proxy/dialects/batch.ts";
import { provider } from "../../routing/sample-table.ts";

const azure = provider("ai/azure", "AzureOpenAI", []);

for (const [what, where, expected] of [
  ["OpenAI", provider("ai/openai", "OpenAI", []), "/v1/chat/completions"],
  ["Azure", azure, "/chat/completions"],
  ["Azure that says Short", { ...azure, compatibility: { batchEndpoint: "Short" } }, "/chat/completions"],
  ["Azure that says Versioned", { ...azure, compatibility: { batchEndpoint: "Versioned" } }, "/v1/chat/completions"],
] as const) {
  test(`${what}: ${expected}, whichever way it was asked for`, () => {
    for (const asked of ["/v1/chat/completions", "/chat/completions"]) assert.equal(endpointAt(where, asked), expected);
  });
}
