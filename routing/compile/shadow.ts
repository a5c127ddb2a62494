/** What of a route's requests is copied, and where to? */
import { milliseconds } from "../duration.ts";
import type { Shadow } from "../table.ts";
import type { RouteSpec } from "./spec.ts";

type ShadowSpec = NonNullable<RouteSpec["shadow"]>;

/** As `spec.rollout.shadow` has them too. The judge comes later: its token is looked up anew each time. */
export type ShadowBounds = Omit<ShadowSpec, "backend" | "percent" | "judge">;

/** Undefined where no request would be copied. */
export function toShadow(backend: string, percent: number, bounds: ShadowBounds): Shadow | undefined {
  if (percent === 0) return undefined;
  const { noisePercent, maxInFlight, dailyTokenBudget, tools, records } = bounds;
  return {
    backend,
    percent,
    ...(noisePercent > 0 && { noisePercent }),
    maxInFlight,
    ...(dailyTokenBudget !== undefined && { dailyTokenBudget }),
    ...(tools === "Allow" && { tools }),
    ...(records?.bodies === "Keep" && { keepBodies: milliseconds(records.retention) }),
  };
}
