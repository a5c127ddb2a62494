/** How does the end of one socket look on the other? (RFC 6455, 7.4; https://www.iana.org/assignments/websocket) */
import type { WebSocket } from "ws";

export const NORMAL = 1000;
export const GOING_AWAY = 1001;
/** Closed without saying why. */
export const NO_STATUS = 1005;
/** Not closed but broken: never sent, only told. */
export const ABNORMAL = 1006;
/** Whoever asked may not, or not any more. */
export const NOT_ALLOWED = 1008;
export const TOO_BIG = 1009;
export const FAILED = 1011;
export const SERVICE_RESTART = 1012;

/** Codes that may stand in a close frame. */
function isSendable(code: number): boolean {
  const reserved = code === 1004 || code === NO_STATUS || code === ABNORMAL;
  return (code >= NORMAL && code <= 1014 && !reserved) || (code >= 3000 && code <= 4999);
}

/** Closes as the other side did. */
export function closeLike(socket: WebSocket, code: number, reason: Buffer): void {
  if (code === NO_STATUS) socket.close();
  else if (isSendable(code)) socket.close(code, reason);
  else socket.close(FAILED, `closed with ${code}`);
}

/** Whether whoever closed with this code was content. */
export function isContent(code: number): boolean {
  return code === NORMAL || code === GOING_AWAY || code === NO_STATUS;
}
