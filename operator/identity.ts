/** Where do the pepper and the admin token come from, when there are none yet? */
import { randomBytes } from "node:crypto";
import type { Identity } from "../routing/companion.ts";
import { Redacted } from "../routing/secrets.ts";

const RANDOM_BYTES = 32;

export function newIdentity(): Identity {
  const random = () => new Redacted(randomBytes(RANDOM_BYTES).toString("base64url"));
  return { pepper: random(), adminToken: random() };
}
