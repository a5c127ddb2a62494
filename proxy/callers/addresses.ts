/**
 * From which address does a request come, and in which ranges is it?
 *
 * A proxy in front of the gateway is the peer of its connection. What it says in X-Forwarded-For counts only when it
 * belongs to a trusted network: from the right, up to the first address that does not.
 */
import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";

/** Longest X-Forwarded-For that is read, in characters. */
const LONGEST_CHAIN = 4096;
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

export class Ranges {
  readonly #list = new BlockList();

  constructor(cidrs: readonly string[]) {
    for (const cidr of cidrs) {
      const [network = "", prefix = ""] = cidr.split("/");
      this.#list.addSubnet(network, Number(prefix), familyOf(network));
    }
  }

  has(address: string): boolean {
    return isIP(address) !== 0 && this.#list.check(address, familyOf(address));
  }
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}

/** Bits of the network's prefix. */
export function prefixOf(cidr: string): number {
  return Number(cidr.slice(cidr.indexOf("/") + 1));
}

/** The other end of the connection; undefined once it is gone. */
export function peerOf({ socket }: IncomingMessage): string | undefined {
  return socket.remoteAddress === undefined ? undefined : plain(socket.remoteAddress);
}

/** The caller's own address, behind trusted proxies. Undefined where what they say is no address. */
export function callerAt(peer: string, forwarded: string | undefined, trusted: Ranges): string | undefined {
  if (!trusted.has(peer) || forwarded === undefined) return peer;
  if (forwarded.length > LONGEST_CHAIN) return undefined;
  const hops = forwarded.split(",").map((hop) => plain(hop.trim()));
  const [first] = hops;
  const nearest = hops.findLast((hop) => !trusted.has(hop)) ?? first ?? "";
  return isIP(nearest) === 0 ? undefined : nearest;
}

/** IPv4 inside IPv6, a port (`1.2.3.4:80`, `[::1]:80`) and a zone (`%eth0`) are left out. */
function plain(text: string): string {
  const bare = text.replace(/^\[([^\]]*)\](?::\d+)?$/, "$1").replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, "$1");
  const [address = ""] = bare.split("%");
  return MAPPED.exec(address)?.[1] ?? address;
}
