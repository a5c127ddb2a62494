/**
 * What does a field mean that is left out, where the schema cannot say it?
 *
 * A schema default may not depend on another field, and inside list items it makes `kubectl apply` print "configured"
 * for ever. All other defaults stand in the CRDs.
 */
export const OPENAI_ENDPOINT = "https://api.openai.com/v1";
export const AZURE_API_VERSION = "v1";
export const BACKEND_PRIORITY = 1;
export const BACKEND_WEIGHT = 1;
/** Milliseconds. */
export const COMMITMENT_WINDOW = 60_000;
