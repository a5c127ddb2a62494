/** What of a route's requests is copied, and where to? */
import type { Shadow } from "../table.ts";
import type { RouteSpec } from "./spec.ts";

/** As `spec.rollout.shadow` has them too. */
export type ShadowBounds = Omit<NonNullable<RouteSpec["shadow"]>, "backend" | "percent">;

/** Undefined where no request would be copied. */
export function toShadow(backend: string, percent: number, bounds: ShadowBounds): Shadow | undefined {
  if (percent === 0) return undefined;
  const { noisePercent, maxInFlight, dailyTokenBudget, tools } = bounds;
  return {
    backend,
    percent,
    ...(noisePercent > 0 && { noisePercent }),
    maxInFlight,
    ...(dailyTokenBudget !== undefined && { dailyTokenBudget }),
    ...(tools === "Allow" && { tools }),
  };
}
