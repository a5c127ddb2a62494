/** The sixteen public scenarios with `streamRecovery: None`, in short times. */

import { scorecard } from "./card.ts";
import { SHORT } from "./catalogue.ts";
import { WITHOUT_RECOVERY } from "./expected.ts";

await scorecard(SHORT, "None", WITHOUT_RECOVERY);
