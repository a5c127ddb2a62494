/** What do stages need beside the request? The gateway gives it, the same to every request. */
import type { ReplayPool } from "./body/replay-pool.ts";
import type { Callers } from "./callers/callers.ts";
import type { Finder } from "./ids/finder.ts";
import type { Load } from "./load.ts";
import type { Passthrough } from "./passthrough.ts";
import type { Realtime } from "./realtime/realtime.ts";
import type { GatewaySettings } from "./settings.ts";
import type { Shadows } from "./shadow/shadows.ts";
import type { Target } from "./snapshot.ts";
import type { Failure } from "./stages/call.ts";
import type { HedgeBudgets } from "./stages/hedge-budget.ts";
import type { Strategies } from "./strategy/strategies.ts";
import type { Telemetry } from "./telemetry/telemetry.ts";
import type { Availability } from "./upstream/availability.ts";
import type { UsageEstimator } from "./usage/estimator.ts";

export interface Services {
  /** Another one after each start: what the summary counts only grows while it is the same. */
  readonly instance: string;
  readonly limits: GatewaySettings["limits"];
  readonly replayPool: ReplayPool;
  readonly availability: Availability;
  readonly telemetry: Telemetry;
  readonly usage: UsageEstimator;
  readonly passthrough: Passthrough;
  readonly finder: Finder;
  readonly strategies: Strategies;
  readonly shadows: Shadows;
  readonly hedges: HedgeBudgets;
  readonly realtime: Realtime;
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
