/**
 * Does a reference to a key of a Secret resolve to a value that can be used?
 */
import type { SecretKeyFacts } from "../secrets.ts";
import type { SecretKeyRef } from "./spec.ts";
import type { Finding, World } from "./world.ts";

export type Resolved = { readonly facts: SecretKeyFacts } | { readonly problem: Finding };

/** What the value is for: a key goes into a header, a certificate does not. */
export type SecretUse = "Key" | "Certificate";

/** `field` is the path of the reference. A Secret is always looked for in the namespace of the object that names it. */
export function resolveSecret(
  world: World,
  namespace: string,
  ref: SecretKeyRef,
  field: string,
  use: SecretUse = "Key",
): Resolved {
  const secret = world.secrets.get(`${namespace}/${ref.name}`);
  if (secret === undefined) {
    const message = `${field}: Secret ${ref.name} is not in namespace ${namespace}; create it, or name another`;
    return { problem: { reason: "SecretNotFound", message } };
  }
  const facts = Object.hasOwn(secret.keys, ref.key) ? secret.keys[ref.key] : undefined;
  const where = `key ${ref.key} of Secret ${ref.name}`;
  if (facts === undefined) {
    const message = `${field}: there is no ${where}; add it to the Secret, or name another key`;
    return { problem: { reason: "KeyNotFound", message } };
  }
  if (facts.state === "Empty") {
    return { problem: { reason: "EmptyValue", message: `${field}: ${where} is empty; put the value there` } };
  }
  if (facts.state === "Placeholder") {
    const message = `${field}: ${where} still holds a placeholder such as \${NAME}; put the value there`;
    return { problem: { reason: "PlaceholderValue", message } };
  }
  if (use === "Key" && !facts.isToken) {
    const message = `${field}: ${where} holds spaces, line ends or letters that no header can carry; put the key alone there`;
    return { problem: { reason: "InvalidValue", message } };
  }
  return { facts };
}
