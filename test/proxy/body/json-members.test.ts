/** Are the members that a parser finds the ones that are shown, and those that it hides as well? */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { eachMember } from "../../../proxy/body/json-members.ts";

function shown(text: string): string[] | undefined {
  const found: string[] = [];
  const isWhole = eachMember(Buffer.from(text), ({ key, holder, depth, kind, isEmpty, ...member }) => {
    found.push([key, holder, depth, kind, isEmpty].join(" "));
    void member;
  });
  return isWhole ? found : undefined;
}

function kindOf(value: unknown): string {
  if (typeof value === "string") return "string";
  if (Array.isArray(value)) return "array";
  return typeof value === "object" && value !== null ? "object" : "literal";
}

function isEmpty(value: unknown): boolean {
  if (typeof value === "string") return /^[ \t\r\n]*$/.test(value);
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === null || value === false;
}

/** As the walk goes: what is inside first. */
function parsed(value: unknown, holder = "", depth = 1): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => parsed(item, holder, depth + 1));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => {
    const key = name.toLowerCase();
    return [...parsed(member, key, depth + 1), [key, holder, depth, kindOf(member), isEmpty(member)].join(" ")];
  });
}

test("any JSON shows the members that a parser finds", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(0, 1), (text, indented) => {
      const value = JSON.parse(text);
      const written = indented ? JSON.stringify(value, null, 2) : text;
      assert.deepEqual(shown(written), parsed(value));
    }),
    { numRuns: 2000 },
  );
});

test("a member whose name stands twice is shown twice, under what its name means", () => {
  assert.deepEqual(shown('{"A":1,"\\u0061":[{"b":""}]}'), [
    "a  1 literal false",
    "b a 3 string true",
    "a  1 array false",
  ]);
});
