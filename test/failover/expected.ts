/** Which of the sixteen are no pass, and why is that so? */
import type { Verdict } from "./seen.ts";

/**
 * The catalogue's advice is to wait for the same provider; its text also takes the next one. Tandem asks the next one at
 * once: the caller waits for nothing. Where there is no other, it waits (S01 alone).
 */
const BY_CHOICE = { S01: "partial" } as const satisfies Record<string, Verdict>;

/** What has been passed on cannot be taken back: the caller gets an error event. */
export const WITHOUT_RECOVERY: Readonly<Record<string, Verdict>> = {
  ...BY_CHOICE,
  S08: "safe",
  S09: "safe",
  S14: "safe",
};

/** Two models that say the same, as at temperature 0 they may: the answer goes on where it broke off. */
export const WITH_SPLICE: Readonly<Record<string, Verdict>> = BY_CHOICE;
