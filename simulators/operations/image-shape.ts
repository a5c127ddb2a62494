/** What is a simulated picture, and in which answers and events does it come? */

import type { Answer, Call, StreamEvent, Usage } from "../call.ts";
import { type Failure, invalidRequest } from "../errors.ts";
import { wholeNumber } from "../form.ts";
import { type JsonObject, json, now } from "./operation.ts";

/** One transparent pixel. */
export const PIXEL_PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
const MOST_IMAGES = 10;
const MOST_PARTIAL_IMAGES = 3;
const TOKENS_PER_IMAGE = 272;
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  quality: ["low", "medium", "high", "auto"],
  background: ["transparent", "opaque", "auto"],
  output_format: ["png", "jpeg", "webp"],
};
const SIZES = ["1024x1024", "1536x1024", "1024x1536", "auto"];
const OLD_SIZES = ["256x256", "512x512", "1024x1024"];

/** dall-e models know links and small pictures, and neither streams nor counts tokens. */
export function isOldImageModel(call: Call): boolean {
  return call.serving?.model.name.startsWith("dall-e") ?? false;
}

/** What is wrong with the fields that all requests for pictures share. */
export function imageFailure(call: Call, body: JsonObject): Failure | undefined {
  const old = isOldImageModel(call);
  if (!old && body.response_format !== undefined)
    return invalidRequest("Unknown parameter: 'response_format'.", "response_format", "unknown_parameter");
  const count = countOf(body);
  if (count === undefined || count < 1 || count > MOST_IMAGES)
    return invalidRequest(`Invalid 'n': expected an integer between 1 and ${MOST_IMAGES}.`, "n");
  const partial = body.partial_images === undefined ? 0 : wholeNumber(body.partial_images);
  if (partial === undefined || partial > MOST_PARTIAL_IMAGES)
    return invalidRequest(
      `Invalid 'partial_images': expected an integer between 0 and ${MOST_PARTIAL_IMAGES}.`,
      "partial_images",
    );
  const wrong = Object.keys(CHOICES).find((name) => isNotIn(body[name], old ? ["standard", "hd"] : CHOICES[name]));
  if (wrong !== undefined) return invalidChoice(wrong, body[wrong], CHOICES[wrong] ?? []);
  return isNotIn(body.size, old ? OLD_SIZES : SIZES)
    ? invalidChoice("size", body.size, old ? OLD_SIZES : SIZES)
    : undefined;
}

function isNotIn(value: unknown, known: readonly string[] | undefined): boolean {
  return value !== undefined && value !== null && !known?.includes(String(value));
}

export function invalidChoice(name: string, value: unknown, known: readonly string[]): Failure {
  const names = known.map((choice) => `'${choice}'`).join(", ");
  return invalidRequest(`Invalid value: '${String(value)}'. Supported values are: ${names}.`, name, "invalid_value");
}

function countOf(body: JsonObject): number | undefined {
  return body.n === undefined || body.n === null ? 1 : wholeNumber(body.n);
}

/** Tokens that went in: the prompt's, and those of pictures to work on. */
export interface ImageInput {
  readonly text: number;
  readonly images: number;
}

/** The pictures, at once or as events that begin with `event`. */
export function imageAnswer(call: Call, body: JsonObject, input: ImageInput, event: string): Answer {
  const count = countOf(body) ?? 1;
  if (isOldImageModel(call))
    return json({ created: now(), data: Array.from({ length: count }, () => oldPicture(body)) });
  const usage: Usage = {
    promptTokens: input.text + input.images,
    cachedTokens: 0,
    completionTokens: count * TOKENS_PER_IMAGE,
    reasoningTokens: 0,
  };
  if (isTrue(body.stream)) return { kind: "stream", events: imageEvents(body, input, count, event), usage };
  const data = Array.from({ length: count }, () => ({ b64_json: PIXEL_PNG }));
  return json({ created: now(), ...look(body), data, usage: usageBody(input, usage.completionTokens) }, usage);
}

export function isTrue(value: unknown): boolean {
  return value === true || value === "true";
}

function oldPicture(body: JsonObject): object {
  return body.response_format === "b64_json"
    ? { b64_json: PIXEL_PNG }
    : { url: "https://images.example/simulated.png" };
}

/** What `auto` came to. */
function look(body: JsonObject): object {
  const chosen = (value: unknown, auto: string) => (typeof value === "string" && value !== "auto" ? value : auto);
  return {
    background: chosen(body.background, "opaque"),
    output_format: chosen(body.output_format, "png"),
    quality: chosen(body.quality, "low"),
    size: chosen(body.size, "1024x1024"),
  };
}

function usageBody(input: ImageInput, outputTokens: number): object {
  return {
    total_tokens: input.text + input.images + outputTokens,
    input_tokens: input.text + input.images,
    output_tokens: outputTokens,
    input_tokens_details: { text_tokens: input.text, image_tokens: input.images },
  };
}

function* imageEvents(body: JsonObject, input: ImageInput, count: number, name: string): Iterable<StreamEvent> {
  const event = (type: string, kind: StreamEvent["kind"], fields: object, tokens = 0): StreamEvent => {
    const data = JSON.stringify({ type, b64_json: PIXEL_PNG, created_at: now(), ...look(body), ...fields });
    return { kind, event: type, data, tokens };
  };
  for (let image = 0; image < count; image += 1) {
    for (let at = 0; at < (wholeNumber(body.partial_images) ?? 0); at += 1) {
      yield event(`${name}.partial_image`, "content", { partial_image_index: at });
    }
    const usage = usageBody(image === 0 ? input : { text: 0, images: 0 }, TOKENS_PER_IMAGE);
    yield event(`${name}.completed`, "finish", { usage }, TOKENS_PER_IMAGE);
  }
}
