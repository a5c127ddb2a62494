/**
 * What do the objects mean together: which table do the proxies run, and what is each owner told?
 *
 * Total and pure: any input gives a table and verdicts, and equal input gives equal bytes, in whatever order the
 * objects come.
 */

import { byCodeUnit } from "./canonical.ts";
import { claimModels } from "./compile/claims.ts";
import { makeClients } from "./compile/clients.ts";
import { type CompileInput, collect } from "./compile/collect.ts";
import { judgePending } from "./compile/pending.ts";
import { findPins } from "./compile/pins.ts";
import { makeProviders } from "./compile/providers.ts";
import { judgeResidency } from "./compile/residency.ts";
import { makeRoutes } from "./compile/routes.ts";
import { validate } from "./compile/validate.ts";
import { verdictOf } from "./compile/verdicts.ts";
import { type AnyDraft, allDrafts, type World } from "./compile/world.ts";
import { type RoutingTable, SCHEMA_VERSION } from "./table.ts";
import type { Verdict } from "./verdict.ts";

export type { CompileInput } from "./compile/collect.ts";

export interface Compiled {
  readonly table: RoutingTable;
  /** One per object of Tandem's kinds, sorted by kind, namespace and name. */
  readonly verdicts: readonly Verdict[];
}

/** The order matters: each step builds on what the ones before it have settled. */
const STEPS: readonly ((world: World) => void)[] = [
  validate, // what is not valid goes no further
  judgePending, // before anything is made: what must not serve is never made
  findPins, // before names are claimed: a held route holds the names that it had
  makeProviders, // with their Secrets
  makeClients, // with their keys
  claimModels, // who holds which name; needs to know which routes are accepted
  makeRoutes, // needs providers and claims
  judgeResidency, // who can never be served needs all of them
];

/** `lastTable` lends the last accepted form of a route whose own spec is rejected, and nothing else. */
export function compile(input: CompileInput, lastTable?: RoutingTable): Compiled {
  const world = collect(input, lastTable);
  for (const step of STEPS) step(world);
  const providers = made(world.providers).map((provider) => [provider.key, provider] as const);
  return {
    table: {
      schemaVersion: SCHEMA_VERSION,
      providers: Object.fromEntries(providers),
      routes: made(world.routes),
      clients: made(world.clients),
    },
    verdicts: allDrafts(world).sort(byKindAndKey).map(verdictOf),
  };
}

/** Drafts come in the order of their keys, so the table does too. */
function made<Made>(drafts: ReadonlyMap<string, { made?: Made }>): Made[] {
  return [...drafts.values()].flatMap((draft) => (draft.made === undefined ? [] : [draft.made]));
}

function byKindAndKey(a: AnyDraft, b: AnyDraft): number {
  return byCodeUnit(a.kind, b.kind) || byCodeUnit(a.key, b.key);
}
