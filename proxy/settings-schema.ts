/**
 * Are these settings of a gateway as they should be?
 *
 * The chart's value `gateway:`, on a laptop `--settings FILE`. Sizes are Kubernetes quantities (`32Mi`). Loaded only
 * where settings are given: zod costs a start 25 ms and 13 MB.
 */
import { z } from "zod";
import { ZONES } from "../routing/zones.ts";
import { DEFAULT_SETTINGS, type GatewaySettings } from "./settings.ts";

const UNITS: Record<string, number> = { "": 1, Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3, k: 1000, M: 1e6, G: 1e9 };

const bytes = (min: number, max: number) =>
  z.union([z.string(), z.number()]).transform((value, context) => {
    const match = /^(\d{1,12})(Ki|Mi|Gi|k|M|G)?$/.exec(String(value));
    const size = match ? Number(match[1]) * (UNITS[match[2] ?? ""] ?? 1) : Number.NaN;
    if (size >= min && size <= max) return size;
    context.addIssue({ code: "custom", message: `${value} is not a size from ${min} to ${max} bytes, such as 32Mi` });
    return z.NEVER;
  });

/** Where callers send what lets them in. */
const KEY_HEADERS = ["authorization", "api-key"];

const cidr = z.union([z.cidrv4(), z.cidrv6()], { error: "is not a CIDR such as 10.0.0.0/8" });

const zone = z.enum(ZONES);
const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, { error: "is not a name of up to 63 letters, digits and . _ -" });
const header = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, { error: "is not the name of a header" })
  .transform((text) => text.toLowerCase())
  .refine((text) => !KEY_HEADERS.includes(text), { error: "is where the gateway's own keys are: name another header" });

const callers = z
  .strictObject({
    jwt: z
      .strictObject({
        header,
        issuer: z.string().min(1).max(2048),
        audience: z.string().min(1).max(2048),
        jwksURL: z.url({ protocol: /^https?$/, error: "is not an address such as https://login.example/keys" }),
        residencyClaim: z.string().min(1).max(256),
      })
      .optional(),
    trustedProxies: z.array(cidr).max(256).default([]),
    residencyHeader: header.optional(),
    cidrs: z
      .array(
        z
          .strictObject({ cidr, residency: zone.optional(), location: name.optional() })
          .refine((range) => range.residency !== undefined || range.location !== undefined, {
            error: "says neither residency nor location",
          }),
      )
      .max(1024)
      .default([]),
    maxmindPath: z.string().min(1).max(4096).optional(),
  })
  .refine((given) => given.residencyHeader === undefined || given.trustedProxies.length > 0, {
    path: ["trustedProxies"],
    error: "is empty, so that nobody's residencyHeader counts: name the networks of the proxies that set it",
  });

const { limits, egress, location } = DEFAULT_SETTINGS;

const MEBIBYTE = 1024 ** 2;

const schema = z.strictObject({
  limits: z
    .strictObject({
      requestBytes: bytes(1024, 512 * MEBIBYTE).default(limits.requestBytes),
      replayBytes: bytes(1024, 16_384 * MEBIBYTE).default(limits.replayBytes),
      headerBytes: bytes(1024, MEBIBYTE).default(limits.headerBytes),
    })
    .default(limits),
  egress: z
    .strictObject({
      allowedCIDRs: z.array(cidr).max(256).default([]),
      clusterCIDRs: z.array(cidr).max(64).default([]),
      proxyURL: z.union([z.literal(""), z.url({ protocol: /^https?$/ })]).default(""),
    })
    .default({ allowedCIDRs: [], clusterCIDRs: [], proxyURL: egress.proxyURL }),
  location: z.string().max(63).default(location),
  callers: callers.optional(),
  sharedState: z
    .strictObject({
      urlSecretRef: z.strictObject({ name: z.string().min(1).max(253), key: z.string().min(1).max(253) }),
    })
    .optional(),
});

/** Throws an Error with one sentence that names the field and the fix. */
export function parseSettings(value: unknown): GatewaySettings {
  const parsed = schema.safeParse(value ?? {});
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const unknown = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
    const path = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])].join(".");
    throw new Error(`settings: ${path || "the file"}: ${unknown === undefined ? issue?.message : "no such setting"}`);
  }
  return parsed.data;
}
