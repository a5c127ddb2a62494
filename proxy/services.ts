/** What do stages need beside the request? The gateway gives it, the same to every request. */
import type { ReplayPool } from "./body/replay-pool.ts";
import type { Budgets } from "./budgets/budgets.ts";
import type { Callers } from "./callers/callers.ts";
import type { Finder } from "./ids/finder.ts";
import type { RateLimits } from "./limits/rate-limits.ts";
import type { Load } from "./load.ts";
import type { Measuring } from "./measures/measuring.ts";
import type { Passthrough } from "./passthrough.ts";
import type { Realtime } from "./realtime/realtime.ts";
import type { GatewaySettings } from "./settings.ts";
import type { Shadows } from "./shadow/shadows.ts";
import type { Target } from "./snapshot.ts";
import type { HedgeBudgets } from "./stages/hedge-budget.ts";
import type { Failure } from "./stages/settled.ts";
import type { Strategies } from "./strategy/strategies.ts";
import type { Telemetry } from "./telemetry/telemetry.ts";
import type { Availability } from "./upstream/availability.ts";
import type { UsageEstimator } from "./usage/estimator.ts";

export interface Services {
  /** Another one after each start: what the summary counts only grows while it is the same. */
  readonly instance: string;
  /** Where this proxy runs; empty: nobody said. */
  readonly location: string;
  readonly limits: GatewaySettings["limits"];
  readonly replayPool: ReplayPool;
  readonly availability: Availability;
  readonly telemetry: Telemetry;
  readonly usage: UsageEstimator;
  readonly passthrough: Passthrough;
  readonly finder: Finder;
  readonly strategies: Strategies;
  readonly measures: Measuring;
  readonly hedges: HedgeBudgets;
  readonly shadows: Shadows;
  readonly budgets: Budgets;
  readonly realtime: Realtime;
  /** Of clients; `limits` are the gateway's own. */
  readonly rateLimits: RateLimits;
  /** Undefined: the settings say nothing of callers. */
  readonly callers: Callers | undefined;
  /** The namespace of callers without a key; undefined: there are none. */
  readonly allowAnonymous: string | undefined;
  readonly load: Load;
  /** Milliseconds for which a caller may take nothing of what waits for it. */
  readonly readerPatience: number;
  draining(): boolean;
  /** 401, 403 and 404 from a provider: somebody must mend the configuration. */
  onConfigFault(target: Target, failure: Failure, providerRequestID: string | undefined): void;
}
