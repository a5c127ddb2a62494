/** What do the steps of a request share: one provider's rules and memory? */

import type { Bill } from "./billing.ts";
import type { Provider } from "./call.ts";
import type { FaultPlans } from "./faults.ts";
import type { Later } from "./later.ts";
import type { RateLimiter } from "./limits.ts";
import type { Settings } from "./options.ts";
import type { PromptCache } from "./prompt-cache.ts";
import type { Recorder } from "./recorder.ts";
import type { Shelves } from "./shelf.ts";

export interface Site {
  readonly provider: Provider;
  readonly settings: Settings;
  readonly recorder: Recorder;
  readonly bill: Bill;
  readonly plans: FaultPlans;
  readonly limiter: RateLimiter;
  readonly promptCache: PromptCache;
  readonly shelves: Shelves;
  readonly later: Later;
}
