/**
 * What does the compiler know of each object while it works?
 *
 * One draft per object. The steps fill it in, in the order of `STEPS`; it lives for one compile only.
 */
import { byCodeUnit } from "../canonical.ts";
import type { FormerTable } from "../history.ts";
import type { RolloutPosition } from "../rollout/memory.ts";
import type { SecretFacts } from "../secrets.ts";
import type { Client, ObjectKey, Provider, Route } from "../table.ts";
import type { Kind } from "../verdict.ts";
import type { ClientSpec, ProviderSpec, RouteSpec } from "./spec.ts";

export interface Finding {
  readonly reason: string;
  /** One sentence without its full stop: names the field and the fix. */
  readonly message: string;
  /** Told, but not a reason to refuse service. */
  readonly servedAnyway?: boolean;
}

/** What an object says of itself, whatever its kind. */
export interface Identity {
  readonly kind: Kind;
  readonly key: ObjectKey;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  /** `metadata.creationTimestamp`, or empty. */
  readonly created: string;
  /** The object as it was given. */
  readonly object: Readonly<Record<string, unknown>>;
}

export interface Draft<Spec, Made> extends Identity {
  /** Absent until it is validated, and where it is not valid. */
  spec?: Spec;
  /** Why it is not accepted. The first finding gives the reason. */
  readonly rejected: Finding[];
  /** References that do not resolve. */
  readonly unresolved: Finding[];
  /** What the owner of an accepted object should know. */
  readonly notes: string[];
  readonly columns: Record<string, string>;
  /** What stands in the table for it. */
  made?: Made;
}

export type ProviderDraft = Draft<ProviderSpec, Provider>;
export type ClientDraft = Draft<ClientSpec, Client>;

/** Where the form of a route comes from: its spec, its last accepted form, the table that it is held at, or only its names. */
export type RouteForm = "Spec" | "Last" | "Pinned" | "NamesOnly" | "None";

/** What a route is held at. */
export interface Pin {
  readonly table: FormerTable;
  /** Its form there. */
  readonly route: Route;
  /** Whose protection counts: what the spec says now, or the last accepted form of a broken one. */
  readonly protection?: "Spec" | "Last";
}

export interface RouteDraft extends Draft<RouteSpec, Route> {
  form: RouteForm;
  /** Model names that it holds in its namespace. */
  claims: readonly string[];
  /** The table that it shall be held at; absent: none. */
  pin?: Pin | undefined;
  /** Why it is not held, although it shall be. */
  pinProblem?: Finding | undefined;
}

export type AnyDraft = ProviderDraft | RouteDraft | ClientDraft;

export interface World {
  readonly dev: boolean;
  readonly secrets: ReadonlyMap<ObjectKey, SecretFacts>;
  /** Tables that routes may be held at, the newest first. */
  readonly history: readonly FormerTable[];
  /** Routes of the last published table. */
  readonly lastRoutes: ReadonlyMap<ObjectKey, Route>;
  readonly rollouts: ReadonlyMap<ObjectKey, RolloutPosition>;
  /** Each in the order of its keys. */
  readonly providers: ReadonlyMap<ObjectKey, ProviderDraft>;
  readonly routes: ReadonlyMap<ObjectKey, RouteDraft>;
  readonly clients: ReadonlyMap<ObjectKey, ClientDraft>;
}

export function allDrafts(world: World): AnyDraft[] {
  return [...world.providers.values(), ...world.routes.values(), ...world.clients.values()];
}

/** The members of the spec as it was written, of whatever types; none where it is not an object. */
export function writtenSpec(draft: Identity): Readonly<Record<string, unknown>> {
  const { spec } = draft.object;
  return typeof spec === "object" && spec !== null ? (spec as Readonly<Record<string, unknown>>) : {};
}

/** Whether nothing that was found forbids to serve it. */
export function mayServe(draft: AnyDraft): boolean {
  return draft.rejected.every((finding) => finding.servedAnyway === true);
}

/** Older first; ties by key. */
export function byAge(a: Identity, b: Identity): number {
  return byCodeUnit(a.created, b.created) || byCodeUnit(a.key, b.key);
}
