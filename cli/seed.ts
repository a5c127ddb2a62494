/** What may stand in a gateway's YAML of old? */
import { z } from "zod";

const text = z.string().min(1);

const provider = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("openai"),
    api_key: text,
    base_url: text.optional(),
    models: z.array(text).default([]),
  }),
  z.strictObject({
    type: z.literal("azure"),
    api_key: text,
    endpoint: text,
    api_version: text.optional(),
    /** From deployment to model. */
    deployments: z.record(text, text).default({}),
  }),
]);

const routing = z.strictObject({
  default_provider: text,
  fallback_provider: text.optional(),
  /** From the model that is asked for to what it is called at a provider, by the provider's name or type. */
  model_mapping: z.record(text, z.record(text, text)).default({}),
});

const failover = z.strictObject({
  health_check_interval: text.optional(),
  failure_threshold: z.int().optional(),
  providers: z
    .record(
      text,
      z.strictObject({
        priority: z.int().optional(),
        health_endpoint: text.optional(),
        timeout: text.optional(),
      }),
    )
    .default({}),
  on_failure: z
    .strictObject({ retry_same_provider: z.int().optional(), fallback_to_next: z.boolean().optional() })
    .default({}),
  circuit_breaker: z
    .strictObject({
      enabled: z.boolean().optional(),
      failure_threshold: z.int().optional(),
      recovery_timeout: text.optional(),
    })
    .default({}),
});

const seed = z.strictObject({ providers: z.record(text, provider), routing, failover: failover.prefault({}) });

export type Seed = z.infer<typeof seed>;
export type SeedProvider = z.infer<typeof provider>;

/** Throws an Error whose sentence names the field. */
export function readSeed(value: unknown): Seed {
  const parsed = seed.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const unknown = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
    const path = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])].join(".");
    throw new Error(`${path || "the file"}: ${unknown === undefined ? issue?.message : "no such field"}`);
  }
  refuseUnknownNames(parsed.data);
  return parsed.data;
}

function refuseUnknownNames({ providers, routing: { default_provider, fallback_provider }, failover }: Seed): void {
  const named: [string, string | undefined][] = [
    ["routing.default_provider", default_provider],
    ["routing.fallback_provider", fallback_provider],
    ...Object.keys(failover.providers).map((name): [string, string] => ["failover.providers", name]),
  ];
  for (const [field, name] of named) {
    if (name === undefined || Object.hasOwn(providers, name)) continue;
    throw new Error(`${field}: '${name}' is not under providers: add it there, or name another`);
  }
}
