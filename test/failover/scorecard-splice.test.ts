/** The sixteen public scenarios with `streamRecovery: Splice`, in short times. */

import { scorecard } from "./card.ts";
import { SHORT } from "./catalogue.ts";
import { WITH_SPLICE } from "./expected.ts";

await scorecard(SHORT, "Splice", WITH_SPLICE);
