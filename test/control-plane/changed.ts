/** Which objects are nearly right? Ones of a table, with a value replaced, removed or doubled. */

import fc from "fast-check";
import type { TestObject } from "./objects.ts";

/** Values that one may write by mistake, or that some check reads in its own way. */
const VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1, 0.5, 101, 2 ** 31, 2 ** 53, 1e21],
  ...[
    "",
    "x",
    "a",
    "b",
    "*",
    "All",
    "None",
    "EU",
    "on",
    "a b",
    "ä",
    "<a&b>",
    'say "a"',
    "tab\t",
    "\u0001",
    "x".repeat(300),
  ],
  ...["0s", "1ms", "10s", "24h", "25h", "999999h", "1h60m", "1.5s", "01", "1.", "2.50"],
  ...[
    "https://a",
    "HTTP://A.b",
    "https://a:b",
    "https://a:8/",
    "http://[::1]",
    "https://a/%zz",
    "https://a b",
    "//a/b",
    "a:b",
    "/x",
  ],
  ...[[], [null], ["a"], ["a", "a"], [{}], {}, { a: 1 }, { name: "a" }],
];

type Change = { readonly at: number } & ({ readonly to: unknown } | { readonly how: "remove" | "double" });

/** One or two changes below `spec`. */
export function changed(objects: readonly TestObject[]): fc.Arbitrary<TestObject> {
  const change = fc.oneof(
    { weight: 4, arbitrary: fc.record({ at: fc.nat(), to: fc.constantFrom(...VALUES) }) },
    {
      weight: 1,
      arbitrary: fc.record({ at: fc.nat(), how: fc.constantFrom<"remove" | "double">("remove", "double") }),
    },
  );
  const parts = fc.record({
    object: fc.constantFrom(...objects),
    changes: fc.array(change, { minLength: 1, maxLength: 2 }),
  });
  return parts.map(({ object, changes }) => {
    const copy = JSON.parse(JSON.stringify(object)) as TestObject;
    for (const one of changes) applyChange(copy, one);
    return copy;
  });
}

interface Place {
  readonly parent: Record<string, unknown>;
  readonly key: string;
}

function applyChange(object: TestObject, change: Change): void {
  const places = placesIn({ parent: object as Record<string, unknown>, key: "spec" });
  const { parent, key } = places[change.at % places.length] as Place;
  if ("to" in change) parent[key] = structuredClone(change.to);
  else if (Array.isArray(parent))
    parent.splice(Number(key), 1, ...(change.how === "double" ? [parent[Number(key)], parent[Number(key)]] : []));
  else if (change.how === "remove") delete parent[key];
  else parent[`${key}2`] = parent[key];
}

function placesIn(place: Place): Place[] {
  const value = place.parent[place.key];
  if (typeof value !== "object" || value === null) return [place];
  const parent = value as Record<string, unknown>;
  return [place, ...Object.keys(parent).flatMap((key) => placesIn({ parent, key }))];
}
