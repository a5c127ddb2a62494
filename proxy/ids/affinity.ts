/**
 * Where is the thing that an id names, and whose is it?
 *
 * An id works only at the provider and resource that made it, and one provider key serves all callers. So ids that pass
 * through Tandem carry a tag: provider, owner, and an HMAC over both and the id. It finds its way home across replicas
 * and restarts without a database, and nobody can make or change one. To the caller it is part of the id.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { Redacted } from "../../routing/secrets.ts";
import type { Client, Provider } from "../../routing/table.ts";
import { ZONES, type Zone } from "../../routing/zones.ts";

/** Between the provider's id and the tag. */
const MARK = "_tdm";
const PROVIDER_BYTES = 6;
const OWNER_BYTES = 6;
const MAC_BYTES = 12;
const TAG_BYTES = PROVIDER_BYTES + OWNER_BYTES + MAC_BYTES;
/** Characters of mark and tag. */
const SUFFIX_LENGTH = MARK.length + (TAG_BYTES * 4) / 3;
const ALPHABET = /^[A-Za-z0-9_-]+$/;
/** Owners and providers whose hash is remembered. */
const KEPT_HASHES = 4096;

/** Who an id belongs to: an AIClient, or all callers without a key of a namespace. */
export type Owner = string;

export function ownerOf(client: Client | undefined, namespace: string): Owner {
  return client ? `AIClient ${client.key}` : `anonymous ${namespace}`;
}

/** The same owner, of a batch's file whose lines were looked through for data of this residency. */
export function lookedThrough(owner: Owner, residency: Zone): Owner {
  return `${owner}, looked through for ${residency}`;
}

/** The same owner, of a file that a batch put out: the provider has written its lines, and nobody else. */
export function ofBatch(owner: Owner): Owner {
  return `${owner}, put out by a batch`;
}

export interface Opened {
  /** The provider's own id. */
  readonly id: string;
  /** Of the provider's resource; compare with `homeOf`. */
  readonly home: string;
  readonly owner: string;
}

/** The first key makes tags, all are good to read them: so keys can be rotated without breaking ids. */
export class Affinity {
  readonly #keys: readonly Redacted[];

  constructor(keys: readonly Redacted[]) {
    this.#keys = keys;
  }

  /** The id as the caller gets it. */
  tagged(id: string, home: string, owner: Owner): string {
    const key = this.#keys[0];
    if (!key) throw new Error("there is no key to sign ids with");
    const facts = Buffer.concat([Buffer.from(home, "hex"), Buffer.from(hashOf(owner, OWNER_BYTES), "hex")]);
    return id + MARK + Buffer.concat([facts, macOf(key, facts, id)]).toString("base64url");
  }

  /** Undefined: not one of Tandem's, or changed. */
  open(text: string): Opened | undefined {
    const at = text.length - SUFFIX_LENGTH;
    if (!isTagged(text)) return undefined;
    const id = text.slice(0, at);
    const tag = Buffer.from(text.slice(at + MARK.length), "base64url");
    const facts = tag.subarray(0, PROVIDER_BYTES + OWNER_BYTES);
    const mac = tag.subarray(facts.length);
    if (!this.#keys.some((key) => timingSafeEqual(macOf(key, facts, id), mac))) return undefined;
    return {
      id,
      home: facts.toString("hex", 0, PROVIDER_BYTES),
      owner: facts.toString("hex", PROVIDER_BYTES),
    };
  }
}

/** Whether the text ends as a tagged id does. */
export function isTagged(text: string): boolean {
  const at = text.length - SUFFIX_LENGTH;
  return at > 0 && text.startsWith(MARK, at) && ALPHABET.test(text.slice(at + MARK.length));
}

export function isOwner(opened: Opened, owner: Owner): boolean {
  return ownerSaid(opened, owner) !== undefined;
}

/** The owner with what else the tag says of the thing; undefined: it is somebody else's. */
export function ownerSaid(opened: Opened, owner: Owner): Owner | undefined {
  if (says(opened, owner)) return owner;
  const zone = lookedThroughFor(opened, owner);
  if (zone !== undefined) return lookedThrough(owner, zone);
  return says(opened, ofBatch(owner)) ? ofBatch(owner) : undefined;
}

/** For which residency the owner's file was looked through before it went to the provider. */
export function lookedThroughFor(opened: Opened, owner: Owner): Zone | undefined {
  return ZONES.find((zone) => says(opened, lookedThrough(owner, zone)));
}

function says(opened: Opened, owner: Owner): boolean {
  return opened.owner === hashOf(owner, OWNER_BYTES);
}

/** The provider's resource as it stands in a tag: another endpoint is another resource. */
export function homeOf(provider: Provider): string {
  return hashOf(`${provider.key}\n${provider.endpoint}`, PROVIDER_BYTES);
}

const hashes = new Map<string, string>();

function hashOf(text: string, bytes: number): string {
  const known = hashes.get(text);
  if (known !== undefined) return known;
  const hash = createHash("sha256")
    .update(text)
    .digest("hex")
    .slice(0, bytes * 2);
  if (hashes.size >= KEPT_HASHES) hashes.clear();
  hashes.set(text, hash);
  return hash;
}

function macOf(key: Redacted, facts: Buffer, id: string): Buffer {
  return createHmac("sha256", key.reveal()).update(facts).update(id).digest().subarray(0, MAC_BYTES);
}
