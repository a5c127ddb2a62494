/**
 * Does a value satisfy a CEL rule of the CRDs?
 *
 * CEL itself comes from a library; here stand the extensions of Kubernetes that the CRDs use.
 * https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-url-library
 */

import { Environment } from "@marcbachmann/cel-js";

/**
 * True or false, or undefined when the rule cannot be asked of this value (it reads a field that is not there).
 * Integers must be bigints, as CEL tells them from doubles.
 */
export type CompiledRule = (self: unknown) => boolean | undefined;

const compiled = new Map<string, CompiledRule>();
let environment: Environment | undefined;

/** Compiles once per rule, when it is first asked. Throws when the rule is no CEL over `self`. */
export function compileRule(rule: string): CompiledRule {
  let program = compiled.get(rule);
  if (program === undefined) {
    program = compile(rule);
    compiled.set(rule, program);
  }
  return program;
}

function compile(rule: string): CompiledRule {
  environment ??= newEnvironment();
  const evaluate = environment.parse(rule);
  const checked = evaluate.check();
  if (checked.error !== undefined) throw checked.error;
  return (self) => {
    try {
      return evaluate({ self }) === true;
    } catch {
      return undefined;
    }
  };
}

interface Url {
  readonly scheme: string;
  readonly hostname: string;
}

class CelUrl {
  readonly url: Url;

  constructor(url: Url) {
    this.url = url;
  }
}

function newEnvironment(): Environment {
  return new Environment({ enableOptionalTypes: true })
    .registerVariable("self", "dyn")
    .registerType("kubernetes.URL", CelUrl)
    .registerFunction("isURL(string): bool", (text: string) => parseUrl(text) !== undefined)
    .registerFunction("url(string): kubernetes.URL", (text: string) => {
      const url = parseUrl(text);
      if (url === undefined) throw new Error("not a URL");
      return new CelUrl(url);
    })
    .registerFunction("kubernetes.URL.getScheme(): string", ({ url }: CelUrl) => url.scheme)
    .registerFunction("kubernetes.URL.getHostname(): string", ({ url }: CelUrl) => url.hostname)
    .registerFunction("list.isSorted(): bool", isSorted);
}

function isSorted(list: readonly bigint[]): boolean {
  return list.every((item, i) => i === 0 || (list[i - 1] ?? item) <= item);
}

const CONTROL_CHARACTER = /\p{Cc}/u;
const URL_PARTS = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?]*))?([^?]*)/;
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;
/** Host with or without brackets, then a port that may be empty. */
const AUTHORITY = /^(?:[^@]*@)?(\[[0-9A-Fa-f:.%]*\]|[^:[\]]*)(?::[0-9]*)?$/;
const HOST = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:<>"[\]]|[^\0-\x7f]|%[0-9A-Fa-f]{2})*$/;

/**
 * As Go's `url.ParseRequestURI`, on which the API server's `isURL` rests, and not as browsers do: nothing is repaired.
 * An absolute path is a URL without scheme and host.
 */
function parseUrl(text: string): Url | undefined {
  if (text === "" || CONTROL_CHARACTER.test(text)) return undefined;
  const [, scheme, authority, path = ""] = URL_PARTS.exec(text) ?? [];
  if (scheme === undefined && !text.startsWith("/")) return undefined;
  if (BAD_ESCAPE.test(path)) return undefined;
  if (authority === undefined) return { scheme: scheme?.toLowerCase() ?? "", hostname: "" };
  const host = AUTHORITY.exec(authority)?.[1];
  if (host === undefined || !HOST.test(host)) return undefined;
  return { scheme: scheme?.toLowerCase() ?? "", hostname: host.replace(/^\[|\]$/g, "") };
}
