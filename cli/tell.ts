/** How is a person at the terminal told something? Always on standard error: standard output is for programs. */

import { fieldNamedIn } from "../manifests/field-path.ts";
import type { Loaded } from "../manifests/load.ts";
import type { Verdict } from "../routing/verdict.ts";

/** Texts may come from files and providers: what a terminal would obey is left out. */
const CONTROLS = /[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

export function tell(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}

export function printable(line: string): string {
  return line.replace(CONTROLS, " ");
}

/** `FILE:LINE: `, as far as they are known. */
export function place(problem: { readonly file?: string | undefined; readonly line?: number | undefined }): string {
  if (problem.file === undefined) return "";
  return problem.line === undefined ? `${problem.file}: ` : `${problem.file}:${problem.line}: `;
}

/** One line for every condition that is not fully fine. */
export function linesOf({ kind, namespace, name, conditions }: Verdict, loaded: Pick<Loaded, "locate">): string[] {
  return conditions
    .filter(({ status, message }) => status !== "True" || message !== "")
    .map(({ type, status, reason, message }) => {
      const where = loaded.locate(kind, namespace, name, fieldNamedIn(message));
      const state = status === "True" ? "note" : `warning, ${type}=${status} ${reason}`;
      return `${where ? place(where) : ""}${kind} ${namespace}/${name}: ${state}: ${message}`;
    });
}
