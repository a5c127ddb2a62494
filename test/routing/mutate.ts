/** How is a value spoilt in one place, for tests of what must bear anything? */
import fc from "fast-check";

/** Values that have surprised programs before. */
export const surprising = fc.oneof(
  fc.constantFrom<unknown>(null, "", 0, -1, 1e308, "*", "__proto__", "constructor", "ai/x", [], {}, true, "0s", "9h"),
  fc.jsonValue(),
);

/** Which member to take at each depth. */
export const place = fc.array(fc.nat(30), { minLength: 1, maxLength: 6 });

/** A copy with `put` at the place. */
export function mutated(value: unknown, at: readonly number[], put: unknown): unknown {
  const [pick, ...deeper] = at;
  if (pick === undefined || typeof value !== "object" || value === null) return put;
  const keys = Object.keys(value);
  const key = keys[pick % Math.max(keys.length, 1)];
  if (key === undefined) return put;
  const member = mutated((value as Record<string, unknown>)[key], deeper, put);
  if (Array.isArray(value)) return value.map((item, i) => (String(i) === key ? member : item));
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, k === key ? member : v]));
}
