/** What does a provider go on doing after it has answered? Steps of batches, background responses and trainings. */

/** Timers that end with the simulator and keep no process alive. */
export class Later {
  readonly #stepMs: number;
  readonly #timers = new Set<NodeJS.Timeout>();

  /** `stepMs` is how long a job stays in each of its states. */
  constructor(stepMs: number) {
    this.#stepMs = stepMs;
  }

  /** Runs `work` after one step. What it throws is lost: the job stays as it is, and a test sees that. */
  step(work: () => void | Promise<void>): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void Promise.resolve()
        .then(work)
        .catch(() => undefined);
    }, this.#stepMs);
    timer.unref();
    this.#timers.add(timer);
  }

  reset(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
