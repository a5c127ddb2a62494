/** What did the body of a request say, if it can be read? */

import type { Call } from "./call.ts";
import type { Failure } from "./errors.ts";
import { fieldsOf } from "./form.ts";
import { isObject } from "./operations/chat-request.ts";
import type { JsonObject } from "./operations/operation.ts";
import type { Site } from "./site.ts";

const JSON_TYPE = /^application\/json\b/i;
const NOTHING: JsonObject = {};

/** What is wrong with a body, kept apart from bodies that look like it. */
export class Refusal {
  readonly refused: Failure;

  constructor(refused: Failure) {
    this.refused = refused;
  }
}

/** The parsed body, or what is wrong with it. */
export async function parseBody(site: Site, call: Call): Promise<JsonObject | Refusal> {
  const { body: wanted, bodyOptional } = call.target.operation;
  const { failures } = site.provider;
  if (wanted === "none" || (bodyOptional && call.body.length === 0)) return NOTHING;
  const type = call.request.headers["content-type"] ?? "";
  if (wanted === "multipart" || (wanted === "either" && !JSON_TYPE.test(type)))
    return (await fieldsOf(call.body, type)) ?? new Refusal(failures.malformedForm);
  if (!JSON_TYPE.test(type)) return new Refusal(failures.wrongContentType(type));
  try {
    const body: unknown = JSON.parse(call.body.toString());
    return isObject(body) ? body : new Refusal(failures.malformedJson);
  } catch {
    return new Refusal(failures.malformedJson);
  }
}
