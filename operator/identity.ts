/** Where do the pepper, the admin token and the keys that sign ids come from, and when is there a new key? */
import { randomBytes } from "node:crypto";
import { firstIDKey, type Identity } from "../routing/companion.ts";
import { Redacted } from "../routing/secrets.ts";

const RANDOM_BYTES = 32;

/** On the companion Secret: with a value that was not there before, the next key signs ids. */
export const ROTATE_ID_KEY = "tandem.dev/rotate-id-key";

export function newIdentity(): Identity {
  const pepper = random();
  return { pepper, adminToken: random(), idKeys: [firstIDKey(pepper)] };
}

/** The key in use becomes the previous one, and what the previous one had signed is not good any more. */
export function withRotation(identity: Identity, asked: string | undefined): Identity {
  if (asked === undefined || asked === "" || asked === identity.idKeyRotation) return identity;
  const [current] = identity.idKeys;
  return { ...identity, idKeys: [random(), ...(current ? [current] : [])], idKeyRotation: asked };
}

function random(): Redacted {
  return new Redacted(randomBytes(RANDOM_BYTES).toString("base64url"));
}
