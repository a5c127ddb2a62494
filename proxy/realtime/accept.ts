/** How is the caller's request to upgrade answered with 101? */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { chosenProtocol } from "./ask.ts";

export interface Acceptance {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  /** Of the 101. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Largest frame that is taken. */
  readonly frameBytes: number;
}

/** The handshake was checked before: it cannot fail here but by the connection's end, of which the socket tells. */
export function accept({ request, socket, head, headers, frameBytes }: Acceptance): Promise<WebSocket> {
  // One for each socket: its only state are the headers.
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: frameBytes,
    handleProtocols: chosenProtocol,
  });
  server.on("headers", (lines) => {
    for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  });
  return new Promise((resolve) => server.handleUpgrade(request, socket, head, resolve));
}
