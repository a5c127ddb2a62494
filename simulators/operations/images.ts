/** How does a simulated model draw, redraw and vary? With the smallest valid picture. */

import type { Answer, Call } from "../call.ts";
import { type Failure, invalidRequest } from "../errors.ts";
import { isObject } from "./chat-request.ts";
import { imageAnswer, imageFailure } from "./image-shape.ts";
import { type Desk, type JsonObject, OPENAI_ONLY, type Operation } from "./operation.ts";
import { missingFile } from "./references.ts";

const MOST_PICTURES = 16;
const TOKENS_PER_PICTURE = 194;
const DEFAULT_MODEL = "gpt-image-1";

export const createImage: Operation = {
  name: "images.generations",
  method: "POST",
  path: "images/generations",
  body: "json",
  kinds: ["image"],
  defaultModel: DEFAULT_MODEL,
  onOpenai: true,
  onAzure: { dated: "deployment", v1: true },
  azureNames: { operation: "ImageGenerations_Create", action: "imageGeneration" },
  run: (call, body, desk) => {
    const failure = promptFailure(body) ?? imageFailure(call, body);
    return failure ?? draw(call, body, 0, "image_generation", desk);
  },
};

export const editImage: Operation = {
  name: "images.edits",
  method: "POST",
  path: "images/edits",
  body: "either",
  kinds: ["image"],
  defaultModel: DEFAULT_MODEL,
  onOpenai: true,
  onAzure: { dated: "deployment", since: "2025-04-01-preview", v1: true },
  azureNames: { operation: "ImageEdits_Create", action: "imageEdit" },
  run: (call, body, desk) => {
    const pictures = picturesOf(call, body, desk);
    if (typeof pictures !== "number") return pictures;
    const failure = promptFailure(body) ?? imageFailure(call, body);
    return failure ?? draw(call, body, pictures, "image_edit", desk);
  },
};

export const varyImage: Operation = {
  ...OPENAI_ONLY,
  name: "images.variations",
  method: "POST",
  path: "images/variations",
  body: "multipart",
  kinds: ["image"],
  defaultModel: "dall-e-2",
  run: (call, body, desk) => {
    if (call.serving?.model.name !== "dall-e-2")
      return invalidRequest("Invalid value: 'model'. Value must be 'dall-e-2'.", "model", "invalid_value");
    if (!(body.image instanceof File)) return missing("image");
    const failure = imageFailure(call, body);
    return failure ?? draw(call, body, 1, "", desk);
  },
};

function missing(name: string): Failure {
  return invalidRequest(`Missing required parameter: '${name}'.`, name, "missing_required_parameter");
}

function promptFailure(body: JsonObject): Failure | undefined {
  return typeof body.prompt === "string" && body.prompt !== "" ? undefined : missing("prompt");
}

/** How many pictures there are to work on: files of a form, or references in JSON (OpenAI only). */
function picturesOf(call: Call, body: JsonObject, desk: Desk): number | Failure {
  if (/^application\/json/i.test(call.request.headers["content-type"] ?? "")) return referencesOf(call, body, desk);
  const images: readonly unknown[] = Array.isArray(body.image) ? body.image : [body.image];
  if (!images.every((image) => image instanceof File)) return missing("image");
  if (images.length > MOST_PICTURES) return tooMany("image", images.length);
  const wrong = images.find((image) => !/^image\/(png|jpeg|webp)$/.test(image.type));
  return wrong === undefined
    ? images.length
    : invalidRequest(
        `Invalid file 'image': unsupported mimetype ('${wrong.type}'). Supported file formats are 'image/jpeg', 'image/png', and 'image/webp'.`,
        "image",
        "unsupported_file_mimetype",
      );
}

function referencesOf(call: Call, body: JsonObject, desk: Desk): number | Failure {
  if (!Array.isArray(body.images) || body.images.length === 0) return missing("images");
  if (body.images.length > MOST_PICTURES) return tooMany("images", body.images.length);
  for (const [at, image] of body.images.entries()) {
    const id: unknown = isObject(image) ? image.file_id : undefined;
    if (typeof id === "string" && !desk.shelf.files.has(id)) return missingFile(call, id, `images[${at}].file_id`);
  }
  return body.images.length;
}

function tooMany(name: string, count: number): Failure {
  return invalidRequest(
    `Invalid '${name}': array too long. Expected an array with maximum length ${MOST_PICTURES}, but got an array with length ${count} instead.`,
    name,
    "array_above_max_length",
  );
}

function draw(call: Call, body: JsonObject, pictures: number, event: string, desk: Desk): Answer | Failure {
  const text = typeof body.prompt === "string" ? desk.counter.count(body.prompt) : 0;
  const input = { text, images: pictures * TOKENS_PER_PICTURE };
  return desk.admit(call, input.text + input.images) ?? imageAnswer(call, body, input, event);
}
