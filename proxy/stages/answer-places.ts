/** Where in an answer do ids stand that have to be translated? */
import type { JsonPaths } from "../body/json-strings.ts";
import type { RequestContext } from "../context.ts";
import { placesOf } from "../ids/paths.ts";

/** Ids of things at the provider; undefined: there are none. A chat completion is one only when it is stored. */
export function answerPlaces({ operation, stored }: RequestContext): JsonPaths | undefined {
  const places = operation && placesOf(operation).answer;
  return operation?.name === "chat/completions" && operation.method === "POST" && !stored ? undefined : places;
}
