/**
 * May a request go to this address?
 *
 * Judged on the resolved address, and the connection goes to the very address that was judged, so that a name cannot
 * answer differently a moment later (DNS rebinding). Whoever may write an AIProvider must not reach the cluster, the
 * node or a cloud's metadata service through the gateway.
 */
import { type LookupAddress, lookup as systemLookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import type { EgressSettings } from "../settings.ts";
import { EgressError } from "./connect-error.ts";

/** `dns.lookup` with `all: true`; another one in tests. */
export type Lookup = (
  hostname: string,
  options: { all: true; family?: number },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * What no provider has, and why. IANA's special-purpose registries (RFC 6890) and, last, Azure's WireServer, which
 * answers on a public address on every Azure machine.
 */
const NEVER: readonly (readonly [cidr: string, what: string])[] = [
  ["127.0.0.0/8", "loopback"],
  ["::1/128", "loopback"],
  ["169.254.0.0/16", "link-local"],
  ["fe80::/10", "link-local"],
  ["0.0.0.0/8", "unspecified"],
  ["::/128", "unspecified"],
  ["224.0.0.0/4", "multicast"],
  ["ff00::/8", "multicast"],
  ["240.0.0.0/4", "reserved"],
  ["2001::/32", "a tunnel (Teredo)"],
  ["2002::/16", "a tunnel (6to4)"],
  ["64:ff9b:1::/48", "a translation prefix"],
  ["168.63.129.16/32", "Azure's platform address"],
];

/** RFC 1918, RFC 6598 (shared by carriers and clouds), RFC 4193, and what else is routed only inside. */
const PRIVATE: readonly string[] = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "192.0.0.0/24",
  "198.18.0.0/15",
  "fc00::/7",
  "fec0::/10",
];

/** Azure's private endpoints resolve these names, and their `privatelink.` forms, to addresses of a virtual network. */
const AZURE_HOST = /\.openai\.azure\.(?:com|us|cn)\.?$/i;

export class EgressGuard {
  readonly #never = NEVER.map(([cidr, what]) => ({ what, list: blockList([cidr]) }));
  readonly #private = blockList(PRIVATE);
  readonly #cluster: BlockList;
  readonly #allowed: BlockList;

  constructor(settings: EgressSettings) {
    this.#cluster = blockList(settings.clusterCIDRs);
    this.#allowed = blockList(settings.allowedCIDRs);
  }

  /** Undefined when requests for `host` may go to `address`, else what the address is. */
  refusal(host: string, address: string): string | undefined {
    const ip = embeddedIPv4(address);
    if (has(this.#allowed, ip)) return undefined;
    const never = this.#never.find(({ list }) => has(list, ip));
    if (never) return never.what;
    if (has(this.#cluster, ip)) return "the cluster's (egress.clusterCIDRs)";
    if (has(this.#private, ip) && !AZURE_HOST.test(host)) return "private";
    return undefined;
  }

  /** The error for a host of which only this address is known; undefined when it may be called. */
  check(host: string, address: string): EgressError | undefined {
    const what = this.refusal(host, address);
    if (what === undefined) return undefined;
    const subject = host === address ? `${address} is ${what}` : `${host} resolves to ${address}, which is ${what}`;
    const fix = `add ${address}/${isIP(address) === 6 ? 128 : 32} to the setting egress.allowedCIDRs if that is meant`;
    return new EgressError(host, address, `${subject}: requests may not go there; ${fix}`);
  }

  /**
   * The same for an endpoint whose host is an address, which is never looked up. Through a forward proxy, which resolves
   * names itself, this is all that is known.
   */
  checkLiteral(endpoint: URL): EgressError | undefined {
    const host = withoutBrackets(endpoint.hostname);
    return isIP(host) === 0 ? undefined : this.check(host, host);
  }

  /** A lookup for `net.connect` that answers with judged addresses only. */
  lookup(resolve: Lookup = systemLookup as Lookup): LookupFunction {
    return (hostname, options, callback) => {
      const family = options.family === 4 || options.family === 6 ? { family: options.family } : {};
      resolve(hostname, { all: true, ...family }, (error, found) => {
        if (error) return callback(error, []);
        const allowed = found.filter(({ address }) => this.refusal(hostname, address) === undefined);
        const [first] = allowed;
        if (first === undefined) return callback(this.#refused(hostname, found), []);
        return options.all ? callback(null, allowed) : callback(null, first.address, first.family);
      });
    };
  }

  #refused(hostname: string, found: readonly LookupAddress[]): Error {
    const [first] = found;
    const refused = first && this.check(hostname, first.address);
    return refused ?? Object.assign(new Error(`${hostname} has no address`), { code: "ENOTFOUND" });
  }
}

/** An IPv6 address as it stands in a URL, without its brackets. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[(.+)\]$/, "$1");
}

function blockList(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [network = "", prefix = ""] = cidr.split("/");
    list.addSubnet(network, Number(prefix), isIP(network) === 6 ? "ipv6" : "ipv4");
  }
  return list;
}

function has(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

/** IPv4 inside IPv6, in canonical form: mapped (RFC 4291), compatible (deprecated) and NAT64 (RFC 6052). */
const EMBEDDED = /^(?:::ffff:|::|64:ff9b::)([\da-f]{1,4}):([\da-f]{1,4})$/;

/** The IPv4 address that an IPv6 address stands for, else the address itself without its zone. */
function embeddedIPv4(address: string): string {
  const [plain = ""] = address.split("%");
  if (isIP(plain) !== 6) return plain;
  // The URL parser knows the one canonical spelling (RFC 5952).
  const canonical = new URL(`http://[${plain}]`).hostname.slice(1, -1);
  const match = EMBEDDED.exec(canonical);
  if (!match) return canonical;
  const [high, low] = [Number.parseInt(match[1] ?? "", 16), Number.parseInt(match[2] ?? "", 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}
