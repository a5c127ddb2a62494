/** Which models may this caller ask for? (`GET /v1/models`, `GET /v1/models/{model}`) */
import { modelsFor, type OfferedModel } from "../../routing/lookup.ts";
import type { RequestContext } from "../context.ts";
import { modelNotFound } from "./match.ts";
import { decodedPart } from "./path-part.ts";
import { ownHeaders } from "./relay.ts";

/** OpenAI's field `created`, which is required; Tandem does not know it. */
const UNKNOWN_CREATED = 0;

export function models(context: RequestContext): void {
  const { snapshot, namespace, client, caller, path, response, exchange } = context;
  const offered = modelsFor(snapshot.index, namespace, client, caller);
  let answer: unknown = { object: "list", data: offered.map(describe) };
  if (path !== "models") {
    const name = decodedPart(path.slice("models/".length));
    const found = offered.find((one) => one.model === name);
    if (!found) throw modelNotFound(name);
    answer = describe(found);
  }
  const body = Buffer.from(JSON.stringify(answer));
  exchange.status = 200;
  exchange.outcome = "ok";
  exchange.responseBytes = body.length;
  exchange.firstByteAt = performance.now();
  const headers = { "content-type": "application/json", "content-length": String(body.length) };
  response.writeHead(200, ownHeaders(context, headers));
  response.end(body);
}

function describe({ model, route }: OfferedModel) {
  return { id: model, object: "model", created: UNKNOWN_CREATED, owned_by: `tandem:${route.key}` };
}
