/**
 * Which operations are there, and which provider form has each?
 *
 * Facts from both providers' OpenAPI documents (OpenAI 2026-08, Azure v1 2026-02, Azure 2025-03-01-preview) and
 * Azure's documentation of later additions. Order does not matter: the longest matching path wins.
 */

/** Where Azure's dated form has an operation: under the deployment, under the resource, or nowhere. */
export type AzureDated = "deployment" | "resource" | "none";

/**
 * `translated`: through the attempt loop, with replay and failover. `gateway`: Tandem answers itself.
 * `passthrough`: piped once to one backend, untouched.
 */
export type Handling = "translated" | "gateway" | "passthrough";

export interface Operation {
  /** OpenAI's path below `/v1/`, without ids: also the operation's name. */
  readonly name: string;
  readonly handling: Handling;
  readonly azureV1: boolean;
  readonly azureDated: AzureDated;
  /** Makes things that stay with the provider. One provider key serves all callers, so a list would show everybody's. */
  readonly stateful: boolean;
}

type Row = readonly [name: string, handling: Handling, azureV1: boolean, azureDated: AzureDated, stateful?: "stateful"];

const ROWS: readonly Row[] = [
  ["chat/completions", "translated", true, "deployment"],
  ["embeddings", "translated", true, "deployment"],
  ["models", "gateway", true, "resource"],
  ["completions", "passthrough", true, "deployment"],
  ["moderations", "passthrough", false, "none"],
  ["responses", "passthrough", true, "resource", "stateful"],
  ["conversations", "passthrough", false, "none", "stateful"],
  ["images/generations", "passthrough", true, "deployment"],
  ["images/edits", "passthrough", true, "deployment"],
  ["images/variations", "passthrough", false, "none"],
  ["audio/transcriptions", "passthrough", true, "deployment"],
  ["audio/translations", "passthrough", true, "deployment"],
  ["audio/speech", "passthrough", true, "deployment"],
  ["files", "passthrough", true, "resource", "stateful"],
  ["uploads", "passthrough", false, "none", "stateful"],
  ["batches", "passthrough", true, "resource", "stateful"],
  ["fine_tuning", "passthrough", true, "resource", "stateful"],
  ["vector_stores", "passthrough", true, "resource", "stateful"],
  ["containers", "passthrough", true, "none", "stateful"],
  ["evals", "passthrough", true, "none", "stateful"],
];

export const OPERATIONS: readonly Operation[] = ROWS.map(([name, handling, azureV1, azureDated, stateful]) => ({
  name,
  handling,
  azureV1,
  azureDated,
  stateful: stateful !== undefined,
}));

const BY_NAME: ReadonlyMap<string, Operation> = new Map(OPERATIONS.map((operation) => [operation.name, operation]));

/** The operation of a path below the API base (`chat/completions`, `files/file-1/content`). */
export function operationOf(path: string): Operation | undefined {
  const exact = BY_NAME.get(path);
  if (exact) return exact;
  const [first = "", second = ""] = path.split("/", 2);
  return BY_NAME.get(`${first}/${second}`) ?? BY_NAME.get(first);
}
