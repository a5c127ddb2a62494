/** Which base models exist in the simulated world, and what can each of them do? */

export type ModelKind =
  | "chat"
  | "reasoning"
  | "embedding"
  | "completion"
  | "moderation"
  | "image"
  | "speech"
  | "transcription"
  | "realtime";

/** A base model. Numbers are tokens. */
export interface CatalogModel {
  readonly name: string;
  /** Version suffix: OpenAI and Azure both answer with `name-version`. */
  readonly version: string;
  readonly kind: ModelKind;
  readonly contextTokens: number;
  /** Largest answer; 0 where the model writes no text. */
  readonly outputTokens: number;
  /** Unix seconds. */
  readonly created: number;
  /** Embedding vectors: default length, and whether `dimensions` may shorten it. */
  readonly dimensions?: number;
  readonly dimensionsAdjustable?: boolean;
  /** False for a model that only OpenAI has. */
  readonly onAzure: boolean;
}

const chat = (name: string, version: string, contextTokens: number, outputTokens: number): CatalogModel => ({
  name,
  version,
  kind: "chat",
  contextTokens,
  outputTokens,
  created: createdFrom(version),
  onAzure: true,
});

const reasoning = (name: string, version: string, contextTokens: number, outputTokens: number): CatalogModel => ({
  ...chat(name, version, contextTokens, outputTokens),
  kind: "reasoning",
});

const other = (
  name: string,
  kind: ModelKind,
  version: string,
  contextTokens: number,
  more: Partial<CatalogModel> = {},
): CatalogModel => ({
  name,
  version,
  kind,
  contextTokens,
  outputTokens: 0,
  created: createdFrom(version),
  onAzure: true,
  ...more,
});

function createdFrom(version: string): number {
  const time = Date.parse(version);
  return Number.isNaN(time) ? 1_700_000_000 : time / 1000;
}

/** Names, versions and sizes as the vendors publish them; the list is a choice, not complete. */
export const CATALOG: readonly CatalogModel[] = [
  chat("gpt-4o", "2024-11-20", 128_000, 16_384),
  chat("gpt-4o-mini", "2024-07-18", 128_000, 16_384),
  chat("gpt-4.1", "2025-04-14", 1_047_576, 32_768),
  chat("gpt-4.1-mini", "2025-04-14", 1_047_576, 32_768),
  chat("gpt-4.1-nano", "2025-04-14", 1_047_576, 32_768),
  reasoning("gpt-5", "2025-08-07", 400_000, 128_000),
  reasoning("gpt-5-mini", "2025-08-07", 400_000, 128_000),
  reasoning("gpt-5-nano", "2025-08-07", 400_000, 128_000),
  reasoning("gpt-5.1", "2025-11-13", 400_000, 128_000),
  reasoning("o3", "2025-04-16", 200_000, 100_000),
  reasoning("o4-mini", "2025-04-16", 200_000, 100_000),
  other("text-embedding-3-small", "embedding", "1", 8_191, { dimensions: 1536, dimensionsAdjustable: true }),
  other("text-embedding-3-large", "embedding", "1", 8_191, { dimensions: 3072, dimensionsAdjustable: true }),
  other("text-embedding-ada-002", "embedding", "2", 8_191, { dimensions: 1536, dimensionsAdjustable: false }),
  other("gpt-3.5-turbo-instruct", "completion", "0914", 4_096, { outputTokens: 4_096 }),
  other("omni-moderation-latest", "moderation", "", 32_768, { onAzure: false }),
  other("gpt-image-1", "image", "2025-04-15", 32_768),
  other("gpt-4o-mini-tts", "speech", "2025-03-20", 2_000),
  other("dall-e-2", "image", "", 1_000, { onAzure: false }),
  other("gpt-realtime", "realtime", "2025-08-28", 32_000, { outputTokens: 4_096 }),
  other("gpt-realtime-mini", "realtime", "2025-10-06", 32_000, { outputTokens: 4_096 }),
  other("gpt-4o-realtime-preview", "realtime", "2024-12-17", 32_000, { outputTokens: 4_096 }),
  other("tts-1", "speech", "", 4_096),
  other("whisper-1", "transcription", "", 448),
  other("gpt-4o-transcribe", "transcription", "2025-03-20", 16_000, { outputTokens: 2_000 }),
  other("gpt-4o-mini-transcribe", "transcription", "2025-03-20", 16_000, { outputTokens: 2_000 }),
  other("gpt-4o-transcribe-diarize", "transcription", "2025-10-15", 16_000, { outputTokens: 2_000 }),
];

/** The model that a request names: by alias (`gpt-4o`) or by dated snapshot (`gpt-4o-2024-11-20`). */
export function findModel(models: readonly CatalogModel[], name: string): CatalogModel | undefined {
  return models.find((model) => model.name === name || snapshotName(model) === name);
}

/** What the answer's `model` says: the dated snapshot, or the bare name for models whose version is not a date. */
export function snapshotName(model: CatalogModel, version = model.version): string {
  return /^\d{4}-\d{2}-\d{2}$/.test(version) ? `${model.name}-${version}` : model.name;
}
