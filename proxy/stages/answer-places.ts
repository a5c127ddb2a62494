/** Where in an answer do ids stand that have to be translated? */
import type { JsonPaths } from "../body/json-strings.ts";
import type { RequestContext } from "../context.ts";
import { placesOf, SPOKEN_CHAT } from "../ids/paths.ts";

/**
 * Ids of things at the provider; undefined: there are none. A chat completion is one only when it is stored, but what it
 * says aloud always is.
 */
export function answerPlaces({ operation, stored, spoken }: RequestContext): JsonPaths | undefined {
  const places = operation && placesOf(operation).answer;
  if (operation?.name !== "chat/completions" || operation.method !== "POST" || stored) return places;
  return spoken ? SPOKEN_CHAT : undefined;
}
