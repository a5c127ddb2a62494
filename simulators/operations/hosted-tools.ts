/** What do the tools that run at the provider itself bring: file search, code interpreter, image generation? */

import type { Call } from "../call.ts";
import { newHexId } from "../ids.ts";
import { isObject } from "./chat-request.ts";
import { makeContainer, putContainerFile } from "./containers.ts";
import { PIXEL_PNG } from "./image-shape.ts";
import type { Desk, JsonObject } from "./operation.ts";
import { toolsOfType } from "./response-request.ts";
import type { OutputItem } from "./response-shape.ts";
import { searchStores } from "./vector-search.ts";

export interface ToolOutcome {
  readonly items: readonly OutputItem[];
  /** For the text that follows. */
  readonly annotations: readonly object[];
}

const MOST_RESULTS = 20;

/** A hosted tool runs when the user's text has its name, or `tool_choice` does. */
export function hostedToolCalls(call: Call, body: JsonObject, prompt: string, desk: Desk): ToolOutcome {
  const chosen = isObject(body.tool_choice) ? body.tool_choice.type : undefined;
  const outcomes = Object.entries(TOOLS).flatMap(([type, use]) => {
    const tool = toolsOfType(body, type)[0];
    return tool && (chosen === type || prompt.includes(type)) ? [use(tool, body, prompt, desk, call)] : [];
  });
  return {
    items: outcomes.flatMap((outcome) => outcome.items),
    annotations: outcomes.flatMap((outcome) => outcome.annotations),
  };
}

type ToolUse = (tool: JsonObject, body: JsonObject, prompt: string, desk: Desk, call: Call) => ToolOutcome;

const searchFiles: ToolUse = (tool, body, prompt, desk) => {
  const most = typeof tool.max_num_results === "number" ? tool.max_num_results : MOST_RESULTS;
  const found = searchStores(desk.shelf, tool.vector_store_ids as readonly string[], prompt).slice(0, most);
  const results = found.map(({ file, score, text, attributes }) => ({
    file_id: file.id,
    filename: file.filename,
    score,
    text,
    attributes,
  }));
  const shown = Array.isArray(body.include) && body.include.includes("file_search_call.results");
  return {
    items: [
      {
        id: newHexId("fs_"),
        type: "file_search_call",
        status: "completed",
        queries: [prompt],
        results: shown ? results : null,
      },
    ],
    annotations: found.map(({ file }) => ({
      type: "file_citation",
      index: 0,
      file_id: file.id,
      filename: file.filename,
    })),
  };
};

const CODE = "open('/mnt/data/answer.txt', 'w').write('42')";

/** Runs in the container that the tool names, or in one of its own, and leaves a file there. */
const interpretCode: ToolUse = (tool, body, _prompt, desk) => {
  const named = typeof tool.container === "string" ? desk.shelf.containers.get(tool.container) : undefined;
  const container = named ?? makeContainer(desk, "auto");
  const file = putContainerFile(container, "answer.txt", Buffer.from("42"), "assistant");
  const shown = Array.isArray(body.include) && body.include.includes("code_interpreter_call.outputs");
  return {
    items: [
      {
        id: newHexId("ci_"),
        type: "code_interpreter_call",
        status: "completed",
        code: CODE,
        container_id: container.id,
        outputs: shown ? [{ type: "logs", logs: "2" }] : null,
      },
    ],
    annotations: [
      {
        type: "container_file_citation",
        container_id: container.id,
        file_id: file.id,
        filename: "answer.txt",
        start_index: 0,
        end_index: 0,
      },
    ],
  };
};

const drawImage: ToolUse = () => ({
  items: [{ id: newHexId("ig_"), type: "image_generation_call", status: "completed", result: PIXEL_PNG }],
  annotations: [],
});

const TOOLS: Readonly<Record<string, ToolUse>> = {
  file_search: searchFiles,
  code_interpreter: interpretCode,
  image_generation: drawImage,
};
