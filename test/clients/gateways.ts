/** How do the tests of this folder put a gateway over each provider form? */
import type { RunningSimulator, RunningSimulators } from "../../simulators/main.ts";
import { client, FORMS, type Form, gatewayOver, objectsOf, simulatorOf, simulators } from "../e2e/over-simulators.ts";
import type { Harness } from "../proxy/harness.ts";

/** Milliseconds that a batch, a background response or the reading of a file takes for a step. */
const JOB_STEP_MS = 10;

export interface Place {
  readonly form: Form;
  readonly harness: Harness;
  readonly simulator: RunningSimulator;
}

export interface Places {
  readonly both: RunningSimulators;
  readonly places: readonly Place[];
}

/** One gateway per form, whose caller may list what stays with the provider. */
export async function gateways(): Promise<Places> {
  const both = await simulators({ jobStepMs: JOB_STEP_MS });
  const places: Place[] = [];
  for (const form of FORMS) {
    const [provider, route] = objectsOf(form);
    const objects = [provider as object, route as object, client({ statefulListing: "Allow" })];
    places.push({ form, harness: await gatewayOver(both, objects), simulator: simulatorOf(form, both) });
  }
  return { both, places };
}
