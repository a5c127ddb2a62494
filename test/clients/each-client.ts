/**
 * How is each case tried with each class of the official Node client, over each provider form?
 *
 * Everything that is sent and comes back is held against OpenAI's document on the way.
 */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import OpenAI, { AzureOpenAI, type ClientOptions } from "openai";
import { Exchanges } from "../contracts/checked-fetch.ts";
import type { Form } from "../e2e/over-simulators.ts";
import { type Harness, KEY } from "../proxy/harness.ts";
import { gateways, type Place } from "./gateways.ts";

type Options = Pick<ClientOptions, "maxRetries" | "fetch">;

/** Each class as its users construct it; only URL and key are Tandem's. */
const CLASSES: Readonly<Record<string, (harness: Harness, options: Options) => OpenAI>> = {
  OpenAI: ({ url }, options) => new OpenAI({ apiKey: KEY, baseURL: `${url}/v1`, ...options }),
  AzureOpenAI: ({ url }, options) =>
    new AzureOpenAI({ apiKey: KEY, endpoint: url, apiVersion: "2025-04-01-preview", ...options }),
};

export interface Client {
  readonly sdk: OpenAI;
  readonly form: Form;
  readonly place: Place;
}

const { both, places } = await gateways();
beforeEach(() => {
  both.openai.reset();
  both.azure.reset();
});

export function eachClient(what: string, act: (client: Client) => Promise<void>): void {
  for (const place of places) {
    for (const [name, construct] of Object.entries(CLASSES)) {
      const { form } = place;
      test(`${name} over ${form}: ${what}`, async () => {
        const exchanges = new Exchanges();
        const sdk = construct(place.harness, { maxRetries: 0, fetch: exchanges.fetch });
        await act({ sdk, form, place });
        await exchanges.settled();
        assert.deepEqual(exchanges.faults, []);
      });
    }
  }
}

/** What `assert.rejects` expects where no provider of the route has the operation. */
export const NOT_OFFERED = { status: 404, code: "operation_not_supported" };

/** Begins a tag at the end of an id. */
export const TAG = "_tdm";

/** Cancelled, or over before the cancelling arrived. */
export async function stopped(
  cancel: () => Promise<{ readonly status?: string }>,
  retrieve: () => Promise<{ readonly status?: string }>,
): Promise<void> {
  const { status } = await cancel().catch((error: unknown) => {
    assert.ok(error instanceof OpenAI.APIError, String(error));
    return retrieve();
  });
  assert.ok(["cancelling", "cancelled", "completed", "succeeded"].includes(status ?? ""), `it is ${status}`);
}
