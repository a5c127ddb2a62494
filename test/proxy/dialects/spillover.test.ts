/** Is it seen that another deployment answered, however it is spelt? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { spilloverOf } from "../../../proxy/dialects/spillover.ts";

const ASKED = "gpt-4o-ptu";
const served = (by: string) => ({ "x-ms-deployment-name": by });

for (const [what, headers, expected] of [
  ["the deployment that was asked", served(ASKED), undefined],
  ["no word of it", {}, undefined],
  ["another deployment", served("gpt-4o-prod"), { to: "gpt-4o-prod", error: undefined }],
  [
    "the documents' form, with what the first one said",
    { ...served("gpt-4o-prod"), "x-ms-spillover-from-deployment": ASKED, "x-ms-spillover-error": "429" },
    { to: "gpt-4o-prod", error: "429" },
  ],
  [
    "the deployment in the header's name",
    { [`x-ms-spillover-from-${ASKED}`]: "true" },
    { to: undefined, error: undefined },
  ],
  ["a flag alone", { "x-ms-is-spilled-over": "true" }, { to: undefined, error: undefined }],
  [
    "the other one could not either",
    { ...served(ASKED), "x-ms-spillover-error": "503" },
    { to: undefined, error: "503" },
  ],
] as const) {
  test(what, () => assert.deepEqual(spilloverOf(headers, ASKED), expected));
}
