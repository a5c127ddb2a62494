/** The sixteen public scenarios with `streamRecovery: Splice`, in the published times. */

import { scorecard } from "./card.ts";
import { PUBLISHED } from "./catalogue.ts";
import { WITH_SPLICE } from "./expected.ts";

await scorecard(PUBLISHED, "Splice", WITH_SPLICE);
