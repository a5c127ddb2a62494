/**
 * Which table do these files make now, and again whenever they change?
 *
 * Plays the operator on a laptop: what cannot be used leaves the last table in force and is told with its place.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { encodeTable, type Published } from "../routing/codec.ts";
import type { FormerTable } from "../routing/history.ts";
import type { RolloutPosition } from "../routing/rollout/memory.ts";
import { type Credentials, describeSecret, type Redacted } from "../routing/secrets.ts";
import type { ObjectKey, RoutingTable } from "../routing/table.ts";
import { isAccepted, type Verdict } from "../routing/verdict.ts";
import { fieldNamedIn } from "./field-path.ts";
import { type Loaded, loadManifests, type ParsedFiles } from "./load.ts";
import { ManifestError, type Problem } from "./manifest-error.ts";
import { compileWithForms, type ValidForms } from "./refused-changes.ts";
import { ManifestWatch } from "./watch.ts";

export interface Update {
  readonly published: Published;
  readonly credentials: Credentials;
  readonly pepper: Redacted;
  readonly table: RoutingTable;
  readonly verdicts: readonly Verdict[];
  readonly loaded: Loaded;
}

export interface SourceProblem extends Problem {
  /** The object that the compiler rejected, such as `AIRoute ai/gpt-4o`. Absent: the files could not be used at all. */
  readonly object?: string | undefined;
}

export interface SourceOptions {
  readonly paths: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly dev: boolean;
  /** Under which clients' keys are hashed. */
  readonly pepper: Redacted;
  /** In force before this one started: lends a route that is broken now its last accepted form. */
  readonly lastTable?: RoutingTable | undefined;
  /** How far rollouts have come, asked with every compile. Absent: none begins. */
  rollouts?(): ReadonlyMap<ObjectKey, RolloutPosition>;
  /** What routes may be held at, now. */
  readonly history?: () => readonly FormerTable[];
  /** Table, credentials or verdicts are other ones, or the files are usable again. */
  onConfiguration(update: Update): void;
  /** The files were read, whether or not that made another table: what is only said of objects may be another. */
  onObjects?(update: Update): void;
  /** After onConfiguration once for every rejected object; alone when the files cannot be used. */
  onProblem(problem: SourceProblem): void;
}

/** A file that cannot be used may be half written: it is read again after these waits, milliseconds. */
const SECOND_LOOKS: readonly number[] = [100, 150];

export class ManifestSource {
  readonly #options: SourceOptions;
  readonly #watch: ManifestWatch;
  readonly #parsed: ParsedFiles = new Map();
  #last: Update | undefined;
  #forms: ValidForms = new Map();
  #lastProblem: Problem | undefined;
  #reloading: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(options: SourceOptions) {
    this.#options = options;
    this.#watch = new ManifestWatch(options.paths, () => this.#reload());
  }

  /** Rejects with ManifestError when the very first set cannot be used. */
  async start(): Promise<void> {
    try {
      // Watched before it is read, so that no change falls between the two.
      await this.#watch.start();
      this.#adopt(await this.#load());
      if (this.#again) this.#reload();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Compiles once more what was read last: a rollout has moved. */
  refresh(): void {
    if (this.#last !== undefined && !this.#closed) this.#adopt(this.#last.loaded);
  }

  /** Nothing is told any more once it has been called. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#watch.close();
    await this.#reloading;
  }

  /** One reload at a time; what changed meanwhile is read in one more. */
  #reload(): void {
    // The first load belongs to start(), which looks again when something changed meanwhile.
    if (this.#reloading || !this.#last) {
      this.#again = true;
      return;
    }
    this.#again = false;
    this.#reloading = this.#reloadOnce().finally(() => {
      this.#reloading = undefined;
      if (this.#again && !this.#closed) this.#reload();
    });
  }

  async #reloadOnce(): Promise<void> {
    try {
      const loaded = await this.#loadPatiently();
      if (!this.#closed) this.#adopt(loaded);
    } catch (error) {
      if (!this.#closed) this.#tell(problemOf(error));
    }
  }

  async #loadPatiently(): Promise<Loaded> {
    for (const wait of SECOND_LOOKS) {
      try {
        return await this.#load();
      } catch (error) {
        if (!(error instanceof ManifestError) || this.#closed) throw error;
        await sleep(wait);
      }
    }
    return this.#load();
  }

  #load(): Promise<Loaded> {
    return loadManifests(this.#options.paths, { env: this.#options.env, parsed: this.#parsed });
  }

  #adopt(loaded: Loaded): void {
    const update = this.#updateOf(loaded);
    const isNews = this.#lastProblem !== undefined || !this.#last || !isSame(update, this.#last);
    this.#last = update;
    this.#lastProblem = undefined;
    if (isNews) this.#options.onConfiguration(update);
    this.#options.onObjects?.(update);
    if (!isNews) return;
    for (const problem of rejections(update)) this.#options.onProblem(problem);
  }

  #updateOf(loaded: Loaded): Update {
    const { pepper, dev } = this.#options;
    const described = loaded.secrets.map((secret) => describeSecret(secret, pepper));
    const rollouts = this.#options.rollouts?.();
    const input = {
      objects: loaded.objects,
      history: this.#options.history?.(),
      secrets: described.map(({ facts }) => facts),
      dev,
      ...(rollouts && { rollouts }),
    };
    const lastTable = this.#last?.table ?? this.#options.lastTable;
    const { table, verdicts, forms } = compileWithForms(input, lastTable, this.#forms);
    this.#forms = forms;
    const credentials = new Map(described.flatMap((one) => one.credentials));
    return { published: encodeTable(table), credentials, pepper, table, verdicts, loaded };
  }

  #tell(problem: Problem): void {
    if (isDeepStrictEqual(problem, this.#lastProblem)) return;
    this.#lastProblem = problem;
    this.#options.onProblem(problem);
  }
}

/** A version says whether its value is the same, so values need no look. */
function isSame(one: Update, other: Update): boolean {
  return (
    one.published.hash === other.published.hash &&
    isDeepStrictEqual([...one.credentials.keys()], [...other.credentials.keys()]) &&
    isDeepStrictEqual(one.verdicts, other.verdicts)
  );
}

function rejections({ verdicts, loaded }: Update): SourceProblem[] {
  return verdicts
    .filter((verdict) => !isAccepted(verdict))
    .map(({ kind, namespace, name, conditions }) => {
      const condition = conditions.find(({ type }) => type === "Accepted");
      const object = `${kind} ${namespace}/${name}`;
      const field = fieldNamedIn(condition?.message ?? "");
      return {
        message: `${object} is not accepted (${condition?.reason}): ${condition?.message}`,
        ...loaded.locate(kind, namespace, name, field),
        field,
        object,
      };
    });
}

function problemOf(error: unknown): Problem {
  if (!(error instanceof ManifestError))
    return { message: `the manifests could not be compiled: ${(error as Error).message}` };
  const { message, file, line, field } = error;
  return { message, file, line, field };
}
