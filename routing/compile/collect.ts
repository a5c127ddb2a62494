/**
 * Which objects are there?
 *
 * Anything may come in. What is not one of Tandem's kinds, or has no name, is none of the compiler's business. Two
 * objects of one kind and name are both refused: which of them was meant is anybody's guess.
 */
import { byCodeUnit, canonicalJson } from "../canonical.ts";
import type { FormerTable } from "../history.ts";
import type { RolloutPosition } from "../rollout/memory.ts";
import type { SecretFacts } from "../secrets.ts";
import type { ObjectKey, RoutingTable } from "../table.ts";
import type { Kind } from "../verdict.ts";
import type { Draft, Identity, World } from "./world.ts";

export const API_VERSION = "tandem.dev/v1alpha1";
const KINDS: readonly string[] = ["AIProvider", "AIRoute", "AIClient"] satisfies readonly Kind[];
const DEFAULT_NAMESPACE = "default";

export interface CompileInput {
  readonly objects: readonly unknown[];
  readonly secrets: readonly SecretFacts[];
  /** Tables that routes may be held at, the newest first. Absent: none. */
  readonly history?: readonly FormerTable[] | undefined;
  /** Serve objects whose protecting fields have no effect yet. */
  readonly dev: boolean;
  /** How far each rollout has come, by its route. Absent: it begins. */
  readonly rollouts?: ReadonlyMap<ObjectKey, RolloutPosition>;
}

type Fields = Readonly<Record<string, unknown>>;

export function collect(input: CompileInput, lastTable: RoutingTable | undefined): World {
  const drafts = draftsOf(input.objects);
  return {
    dev: input.dev,
    rollouts: input.rollouts ?? new Map(),
    history: input.history ?? [],
    secrets: new Map(input.secrets.map((secret) => [`${secret.namespace}/${secret.name}`, secret])),
    lastRoutes: new Map((lastTable?.routes ?? []).map((route) => [route.key, route])),
    providers: byKey(drafts.filter((draft) => draft.kind === "AIProvider")),
    routes: byKey(
      drafts.filter((draft) => draft.kind === "AIRoute").map((draft) => ({ ...draft, form: "None", claims: [] })),
    ),
    clients: byKey(drafts.filter((draft) => draft.kind === "AIClient")),
  };
}

function byKey<T extends Identity>(drafts: readonly T[]): ReadonlyMap<string, T> {
  return new Map(drafts.map((draft) => [draft.key, draft]));
}

function draftsOf(objects: readonly unknown[]): readonly Draft<never, never>[] {
  const groups = new Map<string, Identity[]>();
  for (const object of objects) {
    const identity = identityOf(object);
    if (identity === undefined) continue;
    const id = `${identity.kind}/${identity.key}`;
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [identity]);
    else group.push(identity);
  }
  return [...groups.entries()].sort(([a], [b]) => byCodeUnit(a, b)).map(([, group]) => draftOf(group));
}

function draftOf(group: readonly Identity[]): Draft<never, never> {
  const [first] = group.length === 1 ? group : [...group].sort(byContent);
  if (first === undefined) throw new RangeError("a group has at least one object");
  const draft = { ...first, rejected: [], unresolved: [], notes: [], columns: {} } as Draft<never, never>;
  if (group.length > 1) {
    const message = `metadata.name: ${group.length} objects are called ${first.kind} ${first.key}; keep one of them`;
    draft.rejected.push({ reason: "Duplicate", message });
  }
  return draft;
}

function byContent(a: Identity, b: Identity): number {
  return byCodeUnit(canonicalJson(a.object), canonicalJson(b.object));
}

function identityOf(object: unknown): Identity | undefined {
  if (!isFields(object) || object.apiVersion !== API_VERSION || !KINDS.includes(object.kind as string))
    return undefined;
  const metadata = isFields(object.metadata) ? object.metadata : {};
  const { name, namespace = DEFAULT_NAMESPACE, uid, generation, creationTimestamp } = metadata;
  if (!isName(name) || !isName(namespace)) return undefined;
  const key = `${namespace}/${name}`;
  return {
    kind: object.kind as Kind,
    key,
    namespace,
    name,
    uid: typeof uid === "string" && uid !== "" ? uid : key,
    generation: Number.isSafeInteger(generation) && (generation as number) >= 0 ? (generation as number) : 0,
    created: typeof creationTimestamp === "string" ? creationTimestamp : "",
    object,
  };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A slash would let one object stand under another's key. */
function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && !value.includes("/");
}
