/** Where does a server listen? */
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface Address {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** Rejects when the address cannot be listened on. */
export async function listen(server: Server, address: Address): Promise<void> {
  server.listen(address.port, address.host);
  await once(server, "listening");
}

/** Of a server that listens. */
export function urlOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
