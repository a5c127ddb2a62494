/** What do the parts of a simulated realtime service share? */

import type { Site } from "../site.ts";
import type { RealtimeMemory } from "./memory.ts";

export interface RealtimeSite extends Pick<Site, "provider" | "settings" | "recorder" | "bill" | "plans"> {
  readonly memory: RealtimeMemory;
}
