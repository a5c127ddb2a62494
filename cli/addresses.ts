/** How are addresses written on a command line, and what is told when one cannot be used? */
import type { Address } from "../proxy/address.ts";
import { UsageError } from "./command.ts";

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/;
const HIGHEST_PORT = 65_535;

/** `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:0`. */
export function readAddress(flag: string, text: string): Address {
  const match = ADDRESS.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > HIGHEST_PORT) {
    throw new UsageError(`--${flag} ${text}: not an address such as 127.0.0.1:8080`);
  }
  return { host: match[1] ?? (match[2] as string), port };
}

/** `HOST=URL`, each. */
export function readConnectTo(pairs: readonly string[], dev: boolean): ReadonlyMap<string, string> {
  if (pairs.length > 0 && !dev) {
    throw new UsageError("--connect-to sends keys and prompts elsewhere than the manifests say: it needs --dev");
  }
  return new Map(
    pairs.map((pair) => {
      const mark = pair.indexOf("=");
      const host = pair.slice(0, mark);
      const url = URL.parse(pair.slice(mark + 1));
      if (mark < 1 || !url || !/^https?:$/.test(url.protocol)) {
        throw new UsageError(`--connect-to ${pair}: not HOST=URL such as api.openai.com=http://127.0.0.1:8101`);
      }
      return [host.toLowerCase(), url.href.replace(/\/$/, "")];
    }),
  );
}

/** Why an address cannot be listened on, and what to do. `flags` choose another. */
export function listenProblem(error: Error, flags = "--listen and --admin"): string {
  const { code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  const where = `${address}:${port}`;
  if (code === "EADDRINUSE") return `${where} is in use: stop what listens there, or choose another with ${flags}`;
  if (code === "EACCES") return `${where} may not be listened on by this user: choose a port above 1023 with ${flags}`;
  if (code === "EADDRNOTAVAIL") return `${address} is not an address of this machine: choose another with ${flags}`;
  if (code === "ENOTFOUND")
    return `${(error as { hostname?: string }).hostname} has no address: choose another with ${flags}`;
  return error.message;
}
