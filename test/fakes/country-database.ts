/**
 * A MaxMind database with a handful of networks, as a file's bytes.
 *
 * Written by MaxMind's own description of the format (maxmind.github.io/MaxMind-DB, version 2.0): a binary search tree over
 * the bits of IPv6 addresses (IPv4 below ::/96) with records of 32 bits, the data, and the metadata behind a marker.
 */
import { isIP } from "node:net";

const RECORD_BITS = 32;
const MARKER = Buffer.from("\xab\xcd\xefMaxMind.com", "latin1");
/** Between tree and data. */
const SEPARATOR = Buffer.alloc(16);

/** From CIDR to ISO code. */
export function countryDatabase(networks: Readonly<Record<string, string>>): Buffer {
  const tree = new Tree();
  const data: Buffer[] = [];
  let size = 0;
  for (const [cidr, code] of Object.entries(networks)) {
    tree.put(bitsOf(cidr), size);
    const entry = encode({ country: { iso_code: code } });
    data.push(entry);
    size += entry.length;
  }
  const metadata = encode({
    binary_format_major_version: { uint16: 2 },
    binary_format_minor_version: { uint16: 0 },
    build_epoch: { uint64: 1 },
    database_type: "Test-Country",
    description: { en: "for tests" },
    ip_version: { uint16: 6 },
    languages: ["en"],
    node_count: { uint32: tree.nodes.length },
    record_size: { uint16: RECORD_BITS },
  });
  return Buffer.concat([tree.bytes(), SEPARATOR, ...data, MARKER, metadata]);
}

type Leaf = { readonly node: number } | { readonly data: number } | undefined;

class Tree {
  readonly nodes: [Leaf, Leaf][] = [[undefined, undefined]];

  put(bits: readonly (0 | 1)[], offset: number): void {
    let at = 0;
    for (const [i, bit] of bits.entries()) {
      const node = this.nodes[at] as [Leaf, Leaf];
      if (i === bits.length - 1) {
        node[bit] = { data: offset };
        return;
      }
      let next = node[bit];
      if (!next || !("node" in next)) {
        next = { node: this.nodes.push([undefined, undefined]) - 1 };
        node[bit] = next;
      }
      at = next.node;
    }
  }

  bytes(): Buffer {
    const count = this.nodes.length;
    const written = (record: Leaf) =>
      record === undefined ? count : "node" in record ? record.node : count + SEPARATOR.length + record.data;
    const bytes = Buffer.alloc(count * 8);
    for (const [i, [left, right]] of this.nodes.entries()) {
      bytes.writeUInt32BE(written(left), i * 8);
      bytes.writeUInt32BE(written(right), i * 8 + 4);
    }
    return bytes;
  }
}

function bitsOf(cidr: string): readonly (0 | 1)[] {
  const [network = "", prefix = ""] = cidr.split("/");
  const isIPv4 = isIP(network) === 4;
  const bytes = isIPv4 ? [...new Array(12).fill(0), ...network.split(".").map(Number)] : bytesOfIPv6(network);
  const length = Number(prefix) + (isIPv4 ? 96 : 0);
  return Array.from({ length }, (_, i) => (((bytes[i >> 3] as number) >> (7 - (i & 7))) & 1) as 0 | 1);
}

function bytesOfIPv6(network: string): number[] {
  const [head = "", tail = ""] = network.split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16)));
  const [front, back] = [groups(head), groups(tail)];
  const all = [...front, ...new Array(8 - front.length - back.length).fill(0), ...back];
  return all.flatMap((group: number) => [group >> 8, group & 255]);
}

type Value = string | readonly Value[] | { readonly [key: string]: Value | number };

const UNSIGNED = {
  uint16: { type: 5, bytes: 2 },
  uint32: { type: 6, bytes: 4 },
  uint64: { type: 9, bytes: 8 },
} as const;

function encode(value: Value): Buffer {
  if (typeof value === "string") return Buffer.concat([control(2, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Array.isArray(value)) return Buffer.concat([control(11, value.length), ...value.map(encode)]);
  const entries = Object.entries(value);
  const [first] = entries;
  if (first && typeof first[1] === "number") return unsigned(first[0] as keyof typeof UNSIGNED, first[1]);
  const members = entries.flatMap(([key, member]) => [encode(key), encode(member as Value)]);
  return Buffer.concat([control(7, entries.length), ...members]);
}

function unsigned(kind: keyof typeof UNSIGNED, number: number): Buffer {
  const { type, bytes } = UNSIGNED[kind];
  const written = Buffer.alloc(8);
  written.writeBigUInt64BE(BigInt(number));
  return Buffer.concat([control(type, bytes), written.subarray(8 - bytes)]);
}

/** Type and size; types above 7 stand in a byte of their own. Sizes here are below 29. */
function control(type: number, size: number): Buffer {
  return type > 7 ? Buffer.from([size, type - 7]) : Buffer.from([(type << 5) | size]);
}
