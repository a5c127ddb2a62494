/**
 * How does a caller get an ephemeral key? (`POST realtime/client_secrets`; in the preview `realtime/sessions`)
 *
 * The provider makes one; the caller gets it sealed, in the same place of the same answer.
 */
import type { Edit } from "../body/edits.ts";
import type { RequestContext } from "../context.ts";
import { GatewayError } from "../errors.ts";
import { homeOf } from "../ids/affinity.ts";
import type { Target } from "../snapshot.ts";
import { withholdFrom } from "../stages/withhold.ts";
import { sealKey } from "./ephemeral.ts";
import { ask, reading, respond, translated } from "./exchange-with.ts";
import { fieldsAt, JsonProblem, placeAt, setting, textAt, valueAt, withEdits } from "./json-places.ts";
import { routeBySession } from "./routes.ts";
import { modelIn, modelsOf, type SessionModels } from "./session-models.ts";

/** Where the configuration stands in the request, and the key in the answer; empty: at the top. */
interface Shape {
  readonly session: readonly string[];
  readonly secret: readonly string[];
  /** Where a key may stand once more. */
  readonly again?: readonly string[];
}

const GA: Shape = { session: ["session"], secret: [], again: ["session", "client_secret"] };
const PREVIEW: Shape = { session: [], secret: ["client_secret"] };

export const SHAPES: Readonly<Record<string, Shape>> = {
  "realtime/client_secrets": GA,
  "realtime/translations/client_secrets": GA,
  "realtime/sessions": PREVIEW,
  "realtime/transcription_sessions": PREVIEW,
};

const NO_MODELS: SessionModels = { session: undefined, transcription: undefined, isTranscription: false };

export async function makeSecret(context: RequestContext, body: Buffer): Promise<void> {
  const shape = SHAPES[context.path] as Shape;
  const models = reading(() => {
    const session = placeAt(body, shape.session);
    return session ? modelsOf(body, session) : NO_MODELS;
  });
  routeBySession(context, modelIn(models));
  withholdFrom(context, body);
  const answer = await ask(context, (target) => translated(context, target, body, models));
  if (answer) respond(context, answer, sealed(context, answer.body, shape));
}

/** The answer with sealed keys in place of the provider's, which must not get out. Throws GatewayError. */
function sealed(context: RequestContext, body: Buffer, { secret, again }: Shape): Buffer {
  try {
    const first = sealedAt(context, body, secret);
    const more = first && again && sealedAt(context, body, again);
    if (first) return withEdits(body, more ? [first, more] : [first]);
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
  }
  throw noKey();
}

function noKey(): GatewayError {
  return new GatewayError("upstream_invalid", "The provider's answer holds no ephemeral key.");
}

/** Undefined: there is no key. */
function sealedAt(context: RequestContext, body: Buffer, where: readonly string[]): Edit | undefined {
  const { client, namespace, exchange, snapshot, target } = context;
  const holder = placeAt(body, where);
  const fields = holder && fieldsAt(body, ["value", "expires_at"], holder);
  const value = fields?.get("value");
  const secret = textAt(body, value);
  const expires = fields?.get("expires_at");
  const expiresAt = expires && valueAt(body, expires);
  if (value?.kind !== "string") return undefined;
  if (secret === undefined || typeof expiresAt !== "number") throw noKey();
  const home = homeOf((target as Target).provider);
  const key = { client: client?.key ?? "", namespace, home, model: exchange.model ?? "", secret, expiresAt };
  return setting(value, sealKey(snapshot.signer, key));
}
