/** Which part of a list does a caller ask for? */

import type { Answer, Call } from "../call.ts";
import { type Failure, invalidRequest } from "../errors.ts";
import { json } from "./operation.ts";

/** How one list may be asked for. */
export interface ListRules {
  /** Without `limit` in the query. */
  readonly limit: number;
  readonly mostLimit: number;
  readonly order: "asc" | "desc";
}

/** What most lists do: newest first, twenty at a time. */
export const USUAL_LIST: ListRules = { limit: 20, mostLimit: 100, order: "desc" };

export function queryOf(call: Call): URLSearchParams {
  const url = call.request.url ?? "";
  const at = url.indexOf("?");
  return new URLSearchParams(at < 0 ? "" : url.slice(at + 1));
}

/** Answers with the page that `limit`, `order`, `after` and `before` choose. `entries` come oldest first. */
export function listAnswer(
  call: Call,
  entries: readonly { readonly id: string }[],
  rules: ListRules = USUAL_LIST,
): Answer | Failure {
  const query = queryOf(call);
  const limit = query.get("limit") === null ? rules.limit : Number(query.get("limit"));
  const order = query.get("order") ?? rules.order;
  if (!Number.isInteger(limit) || limit < 1 || limit > rules.mostLimit) {
    const asked = query.get("limit") ?? "";
    return invalidRequest(
      `Invalid 'limit': expected an integer between 1 and ${rules.mostLimit}, but got '${asked}' instead.`,
      "limit",
    );
  }
  if (order !== "asc" && order !== "desc") {
    return invalidRequest(
      `Invalid value: '${order}'. Supported values are: 'asc' and 'desc'.`,
      "order",
      "invalid_value",
    );
  }
  const ordered = order === "asc" ? entries : entries.toReversed();
  const bounds = boundsOf(query, ordered);
  if ("kind" in bounds) return bounds;
  const between = ordered.slice(bounds.from, bounds.to);
  // Before an entry means: the page that ends there.
  const data = query.has("before") && !query.has("after") ? between.slice(-limit) : between.slice(0, limit);
  return json({
    object: "list",
    data,
    first_id: data[0]?.id ?? "",
    last_id: data.at(-1)?.id ?? "",
    has_more: data.length < between.length,
  });
}

function boundsOf(
  query: URLSearchParams,
  ordered: readonly { readonly id: string }[],
): { readonly from: number; readonly to: number } | Failure {
  let [from, to] = [0, ordered.length];
  for (const name of ["after", "before"] as const) {
    const id = query.get(name);
    if (id === null || id === "") continue;
    const at = ordered.findIndex((entry) => entry.id === id);
    if (at < 0) return invalidRequest(`Invalid '${name}': no entry of this list has the id '${id}'.`, name);
    if (name === "after") from = at + 1;
    else to = at;
  }
  return { from, to };
}
