/** The sixteen public scenarios with `streamRecovery: None`, in the published times. */

import { scorecard } from "./card.ts";
import { PUBLISHED } from "./catalogue.ts";
import { WITHOUT_RECOVERY } from "./expected.ts";

await scorecard(PUBLISHED, "None", WITHOUT_RECOVERY);
