/** Is all there that a table needs beside itself? Half of it is never put in force. */
import {
  credentialsIn,
  identityIn,
  pepperVersion,
  type StoredSecret,
  sameValues,
  versionsNeeded,
} from "../routing/companion.ts";
import type { Credentials, Redacted } from "../routing/secrets.ts";
import type { RoutingTable } from "../routing/table.ts";

/** Something belongs to the table that has not come yet. The message is one sentence. */
export class NotYet extends Error {
  override readonly name = "NotYet";
}

export interface Beside {
  readonly credentials: Credentials;
  readonly pepper: Redacted;
  readonly idKeys: readonly Redacted[];
}

/** Throws `NotYet`. `pepper`: the version under which the table's keys are hashed. */
export function besideTable(table: RoutingTable, pepper: string, secret: StoredSecret | undefined): Beside {
  const identity = identityIn(secret);
  if (identity === undefined) throw new NotYet("The table waits for the companion Secret, which is not there.");
  if (pepperVersion(identity.pepper) !== pepper) {
    throw new NotYet("The table waits for the companion Secret to hold the pepper under which its keys are hashed.");
  }
  const credentials = credentialsIn(secret);
  const missing = versionsNeeded(table).filter((version) => !credentials.has(version));
  if (missing.length > 0) {
    const what = missing.length === 1 ? "a credential" : `${missing.length} credentials`;
    throw new NotYet(`The table waits for ${what} that the companion Secret does not hold yet.`);
  }
  return { credentials, pepper: identity.pepper, idKeys: identity.idKeys };
}

/** A table that was put in force, and what with. */
export interface InForce {
  readonly hash: string;
  readonly table: RoutingTable;
  readonly pepper: string;
  readonly secret: StoredSecret | undefined;
}

/** Whether nothing would change if this were put in force; a Secret that lost a part is no reason either. */
export function isSame(before: InForce, hash: string, pepper: string, secret: StoredSecret | undefined): boolean {
  if (before.hash !== hash || before.pepper !== pepper) return false;
  return before.secret === secret || sameValues(before.secret, secret, versionsNeeded(before.table));
}
