/** What does a status look like with every field set, and what do the columns show of it? */

export interface StatusExample {
  /** The object of this name in this manifest gets the status. */
  readonly name: string;
  readonly file: string;
  readonly status: unknown;
  /** Between NAME and AGE. */
  readonly cells: readonly unknown[];
}

const condition = (type: string) => ({
  type,
  status: "True",
  reason: "Fine",
  message: "",
  observedGeneration: 1,
  lastTransitionTime: "2026-11-24T00:00:00Z",
});

/** By kind. */
export const STATUS_EXAMPLES: Readonly<Record<string, StatusExample>> = {
  AIProvider: {
    name: "openai",
    file: "01-two-providers.yaml",
    status: {
      observedGeneration: 1,
      endpoint: "https://api.openai.com/v1",
      prices: [{ model: "gpt-4o", source: "List", date: "2026-11-01" }],
      conditions: ["Accepted", "ResolvedRefs", "Healthy", "Ready"].map(condition),
    },
    cells: ["OpenAI", "https://api.openai.com/v1", "True", "True"],
  },
  AIRoute: {
    name: "gpt-4o",
    file: "05-rollout.yaml",
    status: {
      observedGeneration: 1,
      models: "gpt-4o",
      weights: "openai=95 azure=5",
      proxies: { serving: 3, programmed: 3 },
      rollout: {
        hash: "abc",
        sequence: 17,
        phase: "Running",
        step: "3/7",
        stepIndex: 2,
        weight: 5,
        shadowPercent: 0,
        startedAt: "2026-11-24T00:00:00Z",
        stepStartedAt: "2026-11-24T00:05:00Z",
        runMilliseconds: 30000,
        windowSince: "2026-11-24T00:05:30Z",
        evidenceSince: "2026-11-24T00:05:30Z",
        failedWindows: 1,
        passedWindows: 0,
        passedInRow: 0,
        inconclusiveWindows: 0,
        message: "ErrorPercent 0.4 of at most 1.0",
        metrics: [
          { name: "ErrorPercent", stable: "0.3", candidate: "0.4", verdict: "Passed", message: "within max 1.0" },
        ],
      },
      shadow: {
        date: "2026-11-24",
        copied: 5,
        dropped: 0,
        compared: 5,
        different: 1,
        noiseCompared: 2,
        noiseDifferent: 0,
        tokens: 900,
        judged: { wins: 1, ties: 2, losses: 1 },
        backend: "azure",
        verdict: "Inconclusive",
        message: "Copies differ in 20 % of 5 comparisons.",
        counted: [{ instance: "one", copied: 5, dropped: 0, compared: 5, different: 1, tokens: 900 }],
      },
      conditions: ["Accepted", "ResolvedRefs", "Programmed", "Ready"].map(condition),
    },
    cells: ["gpt-4o", "Weighted", "True", "True", "3/7", "openai=95 azure=5"],
  },
  AIClient: {
    name: "billing-app",
    file: "09-clients.yaml",
    status: {
      observedGeneration: 1,
      models: "gpt-4o, gpt-4o-mini",
      usage: { month: "2026-11", usd: "12.345678901", requests: 10, tokens: 12345, updatedAt: "2026-11-24T00:00:00Z" },
      conditions: ["Accepted", "ResolvedRefs", "Ready"].map(condition),
    },
    cells: ["EU", "gpt-4o, gpt-4o-mini", "True"],
  },
};
