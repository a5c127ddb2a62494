/** How does a simulated model answer POST embeddings? Equal texts get equal vectors of length one. */

import type { Answer, Call } from "../call.ts";
import { contextLengthExceeded, type Failure, invalidRequest } from "../errors.ts";
import { seededRandom } from "../faults.ts";
import { kindOf } from "../parameters.ts";
import { seedOf } from "../reply.ts";
import type { Desk, JsonObject, Operation } from "./operation.ts";

const MOST_INPUTS = 2_048;
const MOST_TOKENS_PER_INPUT = 8_192;
const MOST_TOKENS_PER_REQUEST = 300_000;
const KNOWN = new Set(["input", "model", "encoding_format", "dimensions", "user"]);

type Input = string | readonly number[];

export const createEmbedding: Operation = {
  name: "embeddings",
  method: "POST",
  path: "embeddings",
  body: "json",
  kinds: ["embedding"],
  onOpenai: true,
  onAzure: { dated: "deployment", v1: true },
  azureNames: { operation: "Embeddings_Create", action: "embeddings" },
  run,
};

function run(call: Call, body: JsonObject, desk: Desk): Answer | Failure {
  const inputs = inputsOf(body.input);
  if (!Array.isArray(inputs)) return inputs as Failure;
  const dimensions = dimensionsOf(call, body);
  const wrong = unknownName(call, body) ?? badFormat(body) ?? (typeof dimensions === "number" ? undefined : dimensions);
  if (wrong) return wrong;
  const counts = (inputs as Input[]).map((input) =>
    typeof input === "string" ? desk.counter.count(input) : input.length,
  );
  const tokens = counts.reduce((sum, count) => sum + count, 0);
  const refused = tooLong(counts, tokens) ?? desk.admit(call, tokens);
  if (refused) return refused;
  const data = (inputs as Input[]).map((input, index) => {
    const vector = vectorFor(input, dimensions as number);
    return {
      object: "embedding",
      index,
      embedding: body.encoding_format === "base64" ? base64(vector) : Array.from(vector, shortened),
    };
  });
  const model = call.provider === "openai" ? call.serving?.model.name : call.serving?.snapshot;
  const usage = { prompt_tokens: tokens, total_tokens: tokens };
  return {
    kind: "json",
    body: JSON.stringify({ object: "list", data, model, usage }),
    usage: { promptTokens: tokens, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 },
  };
}

function inputsOf(input: unknown): Input[] | Failure {
  if (input === undefined)
    return invalidRequest("Missing required parameter: 'input'.", "input", "missing_required_parameter");
  if (typeof input === "string") return input === "" ? emptyInput() : [input];
  if (!Array.isArray(input))
    return invalidRequest(
      `Invalid type for 'input': expected a string or an array, but got ${kindOf(input)} instead.`,
      "input",
      "invalid_type",
    );
  if (input.length === 0) return emptyInput();
  if (input.every(isToken)) return [input];
  if (input.length > MOST_INPUTS) {
    return invalidRequest(
      `Invalid 'input': array too long. Expected an array with maximum length ${MOST_INPUTS}, but got an array with length ${input.length} instead.`,
      "input",
      "array_above_max_length",
    );
  }
  const whole = input.every((entry) =>
    typeof entry === "string" ? entry !== "" : Array.isArray(entry) && entry.length > 0 && entry.every(isToken),
  );
  return whole ? input : emptyInput();
}

const isToken = (entry: unknown): entry is number => Number.isInteger(entry);

function emptyInput(): Failure {
  return invalidRequest("'$.input' is invalid. Please check the API reference for what an input may be.", "input");
}

function unknownName(call: Call, body: JsonObject): Failure | undefined {
  const name = Object.keys(body).find((key) => !KNOWN.has(key));
  if (name === undefined) return undefined;
  return call.provider === "openai"
    ? invalidRequest(`Unknown parameter: '${name}'.`, name, "unknown_parameter")
    : invalidRequest(`Unrecognized request argument supplied: ${name}`);
}

function badFormat(body: JsonObject): Failure | undefined {
  const format = body.encoding_format;
  if (format === undefined || format === "float" || format === "base64") return undefined;
  return invalidRequest(
    `Invalid value: '${String(format)}'. Supported values are: 'float' and 'base64'.`,
    "encoding_format",
    "invalid_value",
  );
}

function dimensionsOf(call: Call, body: JsonObject): number | Failure {
  const model = call.serving?.model;
  const full = model?.dimensions ?? 0;
  const asked = body.dimensions;
  if (asked === undefined || asked === null) return full;
  if (!model?.dimensionsAdjustable)
    return invalidRequest("This model does not support specifying dimensions.", "dimensions");
  if (typeof asked !== "number" || !Number.isInteger(asked) || asked < 1 || asked > full) {
    return invalidRequest(
      `Invalid value for 'dimensions' = ${String(asked)}. Must be an integer between 1 and ${full}.`,
      "dimensions",
    );
  }
  return asked;
}

function tooLong(counts: readonly number[], tokens: number): Failure | undefined {
  const longest = Math.max(...counts);
  if (longest > MOST_TOKENS_PER_INPUT) return contextLengthExceeded(MOST_TOKENS_PER_INPUT, longest, "input");
  if (tokens <= MOST_TOKENS_PER_REQUEST) return undefined;
  return invalidRequest(
    `Requested ${tokens} tokens, max ${MOST_TOKENS_PER_REQUEST} tokens per request.`,
    "input",
    "max_tokens_per_request",
  );
}

function vectorFor(input: Input, dimensions: number): Float32Array {
  const random = seededRandom(seedOf(typeof input === "string" ? input : input.join(","), 0));
  const vector = Float32Array.from({ length: dimensions }, () => random() * 2 - 1);
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / length);
}

/** Nine digits, as providers print a 32-bit float. */
function shortened(value: number): number {
  return Number(value.toPrecision(9));
}

function base64(vector: Float32Array): string {
  return Buffer.from(vector.buffer).toString("base64");
}
