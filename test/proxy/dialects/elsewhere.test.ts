/** Is everything found that has a provider send content elsewhere, and nothing else? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { elsewhereIn } from "../../../proxy/dialects/elsewhere.ts";

function found(body: unknown): string | undefined {
  const json = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  return elsewhereIn(json)
    ?.map(({ elsewhere, field }) => `${elsewhere} ${field}`)
    .join(", ");
}

const tool = (...tools: object[]) => ({ model: "m", tools });
const content = (...parts: object[]) => ({ input: [{ role: "user", content: parts }] });

const LEAVES: Readonly<Record<string, readonly [body: unknown, found: string]>> = {
  "web search": [tool({ type: "web_search" }), "WebSearch tools"],
  "web search by a dated name": [tool({ type: "web_search_preview_2025_03_11" }), "WebSearch tools"],
  "web search of chat": [{ web_search_options: {} }, "WebSearch web_search_options"],
  "an MCP server": [tool({ type: "mcp", server_url: "https://mcp.example" }), "MCP tools, MCP server_url"],
  "a connector": [tool({ type: "mcp", connector_id: "connector_gmail" }), "MCP tools, MCP connector_id"],
  "the word to go on for an MCP server": [{ input: [{ type: "mcp_approval_response", approve: true }] }, "MCP type"],
  "tools that stand in the input": [{ input: [{ type: "additional_tools", tools: [{ type: "mcp" }] }] }, "MCP tools"],
  "a tool within a namespace": [tool({ type: "namespace", tools: [{ type: "web_search" }] }), "WebSearch tools"],
  "tools of a realtime session": [{ type: "session.update", session: { tools: [{ type: "mcp" }] } }, "MCP tools"],
  "tools of a realtime answer": [{ type: "response.create", response: { tools: [{ type: "mcp" }] } }, "MCP tools"],
  "a tool that nobody knows": [tool({ type: "bing_grounding" }), "Anything tools"],
  "a tool without a type that is a text": [tool({ type: 7 }), "Anything tools"],
  "an image of chat": [
    { messages: [{ content: [{ type: "image_url", image_url: { url: "https://images.example" } }] }] },
    "RemoteImages image_url",
  ],
  "an image of responses": [
    content({ type: "input_image", image_url: "http://images.example" }),
    "RemoteImages image_url",
  ],
  "an image by another scheme": [
    content({ type: "input_image", image_url: "gs://bucket/a" }),
    "RemoteImages image_url",
  ],
  "a mask": [
    tool({ type: "image_generation", input_image_mask: { image_url: "https://a" } }),
    "RemoteImages image_url",
  ],
  "a file": [content({ type: "input_file", file_url: "https://files.example/a.pdf" }), "RemoteFiles file_url"],
  "a file that is an address": [content({ type: "input_file", file_data: " https://a" }), "RemoteFiles file_data"],
  "a data source": [{ data_sources: [{ type: "azure_search" }] }, "DataSources data_sources"],
  "code with a network": [
    tool({ type: "code_interpreter", container: { type: "auto", network_policy: { type: "allowlist" } } }),
    "Anything network_policy",
  ],
  "a container with a network": [{ name: "c", network_policy: { type: "allowlist" } }, "Anything network_policy"],
  "a kept prompt": [{ prompt: { id: "pmpt_1" } }, "Anything prompt"],
  "a kept prompt of a session": [{ session: { prompt: { id: "pmpt_1" } } }, "Anything prompt"],
  "a storage account to read from": [{ input_blob: "https://store.example/a.jsonl" }, "RemoteFiles input_blob"],
  "a storage account to write to": [{ output_folder: { url: "https://store.example" } }, "RemoteFiles output_folder"],
  "training that reports": [{ integrations: [{ type: "wandb" }] }, "Anything integrations"],
  "training anywhere": [{ trainingType: "GlobalStandard" }, "Anything trainingType"],
  "a call handed over": [{ target_uri: "sip:somebody@elsewhere.example" }, "Anything target_uri"],
  "graders with models": [{ method: { type: "reinforcement", reinforcement: { grader: {} } } }, "Models grader"],
  "an evaluation": [{ testing_criteria: [{ type: "score_model", model: "m" }] }, "Models testing_criteria"],
  "a run of one": [{ data_source: { type: "completions", model: "m" } }, "Models data_source"],
  "what stands behind another member of its name": [
    '{"tools":[{"type":"mcp","type":"function"}],"tools":[]}',
    "MCP tools",
  ],
  "an escaped name": ['{"t\\u006fols":[{"typ\\u0065":"\\u006dcp"}]}', "MCP tools"],
  "a name in other cases": ['{"Tools":[{"Type":"mcp"}],"Data_Sources":[1]}', "MCP tools, DataSources data_sources"],
};

for (const [what, [body, expected]] of Object.entries(LEAVES)) {
  test(`leaves: ${what}`, () => assert.equal(found(body), expected));
}

const SCHEMA = {
  type: "object",
  properties: {
    image_url: { type: "string", description: "https://…" },
    prompt: { type: "object" },
    tools: { type: "array", items: { type: "object" } },
    grader: { type: "string" },
  },
};

const STAYS: Readonly<Record<string, unknown>> = {
  "functions, whatever their parameters are called": tool({ type: "function", name: "f", parameters: SCHEMA }),
  "tools that the caller runs, or the model's own place": tool(
    ...["apply_patch", "code_interpreter", "computer", "custom", "file_search", "image_generation", "shell"].map(
      (type) => ({ type }),
    ),
  ),
  "code without a network": tool({ type: "code_interpreter", container: { network_policy: { type: "disabled" } } }),
  "an image in the request": content({ type: "input_image", image_url: "data:image/png;base64,AA==" }),
  "an image of chat in the request": {
    messages: [{ content: [{ type: "image_url", image_url: { url: "DATA:image/png;base64,AA==" } }] }],
  },
  "a file in the request": content({ type: "input_file", filename: "a", file_data: "data:application/pdf;base64,AA" }),
  "text with addresses": content({ type: "input_text", text: 'see https://example.com {"tools":[{"type":"mcp"}]}' }),
  "an answer's sources, sent back": {
    input: [{ type: "web_search_call", action: { type: "open_page", url: "https://example.com" } }],
  },
  "what says nothing": { tools: [], data_sources: [], integrations: null, web_search_options: null, prompt: null },
  "a prompt that is a text": { prompt: "a fox" },
  "training in the region": { trainingType: "Standard" },
};

for (const [what, body] of Object.entries(STAYS)) {
  test(`stays: ${what}`, () => assert.equal(found(body), ""));
}

test("what is no JSON to its end cannot be judged", () => {
  for (const text of [
    "",
    "{",
    '{"a":"b\\"}',
    '{"a":1} {"tools":[]}',
    '{"a" 1}',
    '["a",]',
    '{"a":[1,2}',
    "[".repeat(500),
  ]) {
    assert.equal(found(text), undefined, text);
  }
});
