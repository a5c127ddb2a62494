/**
 * Which models does a session's configuration name, and what are they called at the provider?
 *
 * A realtime session names its own model (`model`), and the one that transcribes what it hears
 * (`audio.input.transcription.model`; in the preview form `input_audio_transcription.model`).
 * Source: OpenAI's specification, RealtimeSessionCreateRequestGA and RealtimeTranscriptionSessionCreateRequestGA.
 */

import { mayUse } from "../../routing/lookup.ts";
import type { Client } from "../../routing/table.ts";
import type { Zone } from "../../routing/zones.ts";
import type { Edit } from "../body/edits.ts";
import type { Target } from "../snapshot.ts";
import { fieldsAt, JsonProblem, type Place, setting, textAt } from "./json-places.ts";

export interface NamedModel {
  readonly name: string;
  readonly place: Place;
}

export interface SessionModels {
  readonly session: NamedModel | undefined;
  readonly transcription: NamedModel | undefined;
  /** Only transcribes: the model for that is the session's model. */
  readonly isTranscription: boolean;
}

/** Of the configuration at `where`, or of the whole text. Throws JsonProblem. */
export function modelsOf(json: Buffer, where?: Place): SessionModels {
  const fields = fieldsAt(json, ["type", "model", "audio", "input_audio_transcription"], where);
  const preview = fields.get("input_audio_transcription");
  const audio = fields.get("audio");
  const input = audio && fieldsAt(json, ["input"], audio).get("input");
  const current = input && fieldsAt(json, ["transcription"], input).get("transcription");
  const nameIn = (place: Place | undefined) => place && named(json, fieldsAt(json, ["model"], place).get("model"));
  const [inAudio, inPreview] = [nameIn(current), nameIn(preview)];
  if (inAudio && inPreview) {
    const message = "'input_audio_transcription' names a model as well as 'audio.input.transcription'. Name one.";
    throw new JsonProblem("duplicate_field", message, "input_audio_transcription");
  }
  return {
    session: named(json, fields.get("model")),
    transcription: inAudio ?? inPreview,
    isTranscription: textAt(json, fields.get("type")) === "transcription",
  };
}

/** What the session's route goes by: a session that only transcribes names the model that does. */
export function modelIn({ session, transcription }: SessionModels): string | undefined {
  return session?.name ?? transcription?.name;
}

function named(json: Buffer, place: Place | undefined): NamedModel | undefined {
  const name = textAt(json, place);
  if (name !== undefined && place) return { name, place };
  if (place?.kind === "string") throw new JsonProblem("invalid_json", "A model's name is too long.", "model");
  return undefined;
}

export interface Naming {
  readonly client: Client | undefined;
  readonly target: Target;
  /** Where the caller's data may be processed; undefined: anywhere. */
  readonly zones: readonly Zone[] | undefined;
  /** What the caller calls the session's model: the gateway's name, and the one it was asked by. */
  readonly names: readonly (string | undefined)[];
  /** The session does nothing but transcribe: that model is its own. */
  readonly transcribesOnly: boolean;
  /** As the provider itself called the session's model. */
  readonly echoed?: string | undefined;
}

/** The session names a model that it may not have. */
export class ForeignModel extends Error {
  override readonly name = "ForeignModel";
}

/** What to write in place of the names. Throws ForeignModel. */
export function translations(models: SessionModels, naming: Naming): Edit[] {
  const { session, transcription, isTranscription } = models;
  const edits: Edit[] = [];
  const put = ({ name, place }: NamedModel, upstream: string) => {
    if (name !== upstream) edits.push(setting(place, upstream));
  };
  if (session) put(session, ownModel(session.name, naming));
  if (transcription) {
    const { name } = transcription;
    if ((isTranscription || naming.transcribesOnly) && !mayUse(naming.client, name)) throw foreign(name);
    put(transcription, transcriberAt(name, naming));
  }
  return edits;
}

/** A session keeps the model that it was let in with. */
function ownModel(name: string, { names, target, echoed }: Naming): string {
  if (names.includes(name) || name === target.upstreamModel) return target.upstreamModel;
  if (name === echoed) return name;
  throw foreign(name);
}

/**
 * Where the provider lists the name it has its own for it; others (`whisper-1`) are the provider's to know. On Azure it is
 * a deployment of its own, which may process elsewhere than the session's: data that must stay goes to known ones only.
 */
function transcriberAt(name: string, { target, zones: allowed }: Naming): string {
  const { provider } = target;
  const model = Object.hasOwn(provider.models, name) ? provider.models[name] : undefined;
  if (allowed !== undefined && provider.type === "AzureOpenAI") {
    const zones = model?.zones ?? [];
    if (zones.length === 0 || !zones.every((zone) => allowed.includes(zone))) throw foreign(name);
  }
  return model?.upstream ?? name;
}

function foreign(name: string): ForeignModel {
  return new ForeignModel(`The model '${name}' is not one that this session may use.`);
}
