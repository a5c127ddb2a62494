/**
 * What holds of an object when an API server would have refused its change?
 *
 * Its former self, as after a refused `kubectl apply`: a slip in one field takes no provider and no client away.
 */
import { type Compiled, type CompileInput, compile } from "../routing/compile.ts";
import type { RoutingTable } from "../routing/table.ts";
import type { Kind, Verdict } from "../routing/verdict.ts";

/** The last form of each object that its schema took, by kind, namespace and name. */
export type ValidForms = ReadonlyMap<string, object>;

export interface CompiledForms extends Compiled {
  readonly forms: ValidForms;
}

interface Named {
  readonly kind: Kind;
  readonly metadata: { readonly namespace: string; readonly name: string };
}

/** As `compile`, with former forms in place of refused ones. The verdict of a refused object is on what is written. */
export function compileWithForms(
  input: Omit<CompileInput, "objects"> & { readonly objects: readonly object[] },
  lastTable: RoutingTable | undefined,
  before: ValidForms,
): CompiledForms {
  const written = compile(input, lastTable);
  const refused = new Map(written.verdicts.filter(isRefused).map((verdict) => [idOf(verdict), verdict]));
  const inForce = input.objects.map((object) => {
    const id = idOfObject(object);
    return refused.has(id) ? (before.get(id) ?? object) : object;
  });
  const valid = inForce.filter((object) => !refused.has(idOfObject(object)) || before.has(idOfObject(object)));
  const forms = new Map(valid.map((object) => [idOfObject(object), object]));
  if (inForce.every((object, i) => object === input.objects[i])) return { ...written, forms };
  const { table, verdicts } = compile({ ...input, objects: inForce }, lastTable);
  return { table, verdicts: verdicts.map((verdict) => refused.get(idOf(verdict)) ?? verdict), forms };
}

/** What does not fit the schema, or its rules, never gets past an API server. */
function isRefused({ conditions }: Verdict): boolean {
  return conditions.some(
    ({ type, status, reason }) => type === "Accepted" && status === "False" && reason === "Invalid",
  );
}

function idOf({ kind, namespace, name }: Pick<Verdict, "kind" | "namespace" | "name">): string {
  return `${kind} ${namespace}/${name}`;
}

function idOfObject(object: object): string {
  const { kind, metadata } = object as Named;
  return idOf({ kind, ...metadata });
}
