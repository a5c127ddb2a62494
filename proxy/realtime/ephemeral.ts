/**
 * What is an ephemeral key once it has gone through Tandem, and who may come in with one?
 *
 * A provider's ephemeral key in a client's hands would let it go around the gateway. So it leaves sealed, together with
 * its owner, its provider and its model: it opens sockets and calls at Tandem and nothing else, as long as it has not
 * expired and its owner still may do the same. No replica has to remember it.
 */
import type { Client } from "../../routing/table.ts";
import type { RequestContext } from "../context.ts";
import { admitClient, unauthorised } from "../stages/admit.ts";
import type { Signer } from "./sealing.ts";

export interface EphemeralKey {
  /** Key of the AIClient; empty: anonymous callers of the namespace. */
  readonly client: string;
  readonly namespace: string;
  /** Of the provider that made it, as in ids. */
  readonly home: string;
  /** The gateway's name; empty where the session names none. */
  readonly model: string;
  /** The provider's own key: leaves for the provider and nowhere else. */
  readonly secret: string;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** As OpenAI's own begin, so that clients that look at them are content. */
const PREFIX = "ek_";
/** Sealed too: what is sealed for something else is no key. */
const KIND = "ephemeral key";
/** Where a key is taken: sockets and calls. */
const PATHS = /^\/(?:openai\/)?(?:v1\/)?realtime(?:\/translations|\/calls)?(?:\?|$)/;

export function sealKey(signer: Signer, key: EphemeralKey): string {
  const { client, namespace, home, model, secret, expiresAt } = key;
  return PREFIX + signer.seal(Buffer.from(JSON.stringify([KIND, client, namespace, home, model, secret, expiresAt])));
}

/** Expired ones as well; undefined for what is none of this gateway's. */
export function openKey(signer: Signer, text: string): EphemeralKey | undefined {
  const payload = text.startsWith(PREFIX) ? signer.open(text.slice(PREFIX.length)) : undefined;
  if (!payload) return undefined;
  const [kind, client, namespace, home, model, secret, expiresAt] = JSON.parse(payload.toString()) as unknown[];
  return kind === KIND ? ({ client, namespace, home, model, secret, expiresAt } as EphemeralKey) : undefined;
}

/** False: not an ephemeral key of this gateway. Throws GatewayError when it may not be used. */
export function admitEphemeral(context: RequestContext, key: string): boolean {
  const { snapshot, request, services } = context;
  const ephemeral = openKey(snapshot.signer, key);
  if (!ephemeral) return false;
  if (!PATHS.test(request.url ?? "")) throw unauthorised("An ephemeral key is only for realtime sessions.");
  if (ephemeral.expiresAt * 1000 <= Date.now()) throw unauthorised("The ephemeral key has expired.");
  const owner = ephemeral.client === "" ? undefined : clientNamed(context, ephemeral.client);
  const isAnonymous = ephemeral.client === "" && services.allowAnonymous === ephemeral.namespace;
  if (owner) admitClient(context, owner);
  else if (isAnonymous) context.namespace = ephemeral.namespace;
  else throw unauthorised("The ephemeral key's owner is not one of this gateway's clients any more.");
  context.ephemeral = ephemeral;
  return true;
}

/** Seldom asked: the table has no index of clients by name. */
function clientNamed({ snapshot }: RequestContext, key: string): Client | undefined {
  return snapshot.table.clients.find((client) => client.key === key);
}
