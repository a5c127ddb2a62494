/**
 * Does a request to this URL go through a forward proxy, and through which?
 *
 * The setting `egress.proxyURL`, else HTTPS_PROXY, HTTP_PROXY by the URL's scheme (lower case wins, as in curl and
 * Go). NO_PROXY makes exceptions from both: `*`, host names with all their subdomains, `host:port`, addresses, CIDRs.
 */
import { BlockList, isIP } from "node:net";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Throws when the variable that applies does not hold an http or https URL. */
export function forwardProxyFor(url: URL, proxyURL: string, env: Environment): URL | undefined {
  const name = url.protocol === "https:" ? "https_proxy" : "http_proxy";
  const chosen = proxyURL !== "" ? proxyURL : variable(env, name);
  if (chosen === "" || isExcepted(url, variable(env, "no_proxy"))) return undefined;
  const proxy = URL.canParse(chosen) ? new URL(chosen) : undefined;
  if (proxy?.protocol === "http:" || proxy?.protocol === "https:") return proxy;
  // The value may hold a password: it is not repeated.
  throw new Error(`${proxyURL !== "" ? "egress.proxyURL" : name.toUpperCase()} must be an http:// or https:// URL`);
}

function variable(env: Environment, name: string): string {
  return (env[name] ?? env[name.toUpperCase()] ?? "").trim();
}

function isExcepted(url: URL, noProxy: string): boolean {
  const host = bare(url.hostname);
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return noProxy.split(/[,\s]+/).some((entry) => entry !== "" && matches(entry.toLowerCase(), host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  if (entry.includes("/")) return isIP(host) !== 0 && inSubnet(entry, host);
  const [, name = entry, wanted] = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(entry) ?? [];
  if (wanted !== undefined && wanted !== port) return false;
  const domain = bare(name).replace(/^\*?\./, "");
  return host === domain || host.endsWith(`.${domain}`);
}

function inSubnet(cidr: string, host: string): boolean {
  const [network = "", prefix = ""] = cidr.split("/");
  const family = isIP(network);
  if (
    family === 0 ||
    family !== isIP(host) ||
    !/^\d{1,3}$/.test(prefix) ||
    Number(prefix) > (family === 4 ? 32 : 128)
  ) {
    return false;
  }
  const type = family === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(network, Number(prefix), type);
  return list.check(host, type);
}

/** Without the brackets of an IPv6 address and without the root's dot. */
function bare(hostname: string): string {
  return hostname.replace(/^\[(.+)\]$/, "$1").replace(/(.)\.$/, "$1");
}
