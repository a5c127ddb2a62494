/**
 * How is one HTTP/1.1 message read as cheaply as possible?
 *
 * The load client and the provider stand-in must cost far less than what they measure, so they read messages by
 * hand: no header objects, no body copies, payload bytes only counted. Loopback peers only; not a safe parser for a network.
 */

const LF = 10;
const CR = 13;
const SEMICOLON = 59;
const CRLF_BYTES = 2;
const HEAD_END = "\r\n\r\n";

type Part = "head" | "length" | "size" | "data" | "trailer" | "done";

/** Reads one message at a time; `reset()` before the next one. Peers here never pipeline. */
export class MessageReader {
  /** Start line and headers, without the blank line; empty until they are whole. */
  head = "";
  /** Payload so far, without the chunked framing. */
  payloadBytes = 0;
  #part: Part = "head";
  #carry: Buffer | undefined;
  /** Bytes left of the body or the chunk, its CRLF included. */
  #left = 0;
  #size = 0;
  #inExtension = false;
  #lineBytes = 0;

  reset(): void {
    this.head = "";
    this.payloadBytes = 0;
    this.#part = "head";
    this.#carry = undefined;
  }

  /** @returns true when the message is whole. @throws Error on bytes that do not belong to it. */
  push(bytes: Buffer): boolean {
    if (this.#part !== "head") return this.#readBody(bytes, 0);
    const all = this.#carry === undefined ? bytes : Buffer.concat([this.#carry, bytes]);
    const end = all.indexOf(HEAD_END);
    if (end < 0) {
      // A copy: the caller reuses its read buffer.
      this.#carry = all === bytes ? Buffer.from(bytes) : all;
      return false;
    }
    this.#startBody(all.toString("latin1", 0, end));
    return this.#readBody(all, end + HEAD_END.length);
  }

  #startBody(head: string): void {
    this.head = head;
    this.#carry = undefined;
    const length = /\r\ncontent-length: *(\d+)/i.exec(head);
    const chunked = length === null && /\r\ntransfer-encoding: *chunked/i.test(head);
    this.#part = chunked ? "size" : "length";
    this.#left = Number(length?.[1] ?? 0);
    this.#size = 0;
    this.#inExtension = false;
  }

  #readBody(bytes: Buffer, at: number): boolean {
    return this.#part === "length" ? this.#readLength(bytes.length - at) : this.#readChunks(bytes, at);
  }

  #readLength(bytes: number): boolean {
    this.#left -= bytes;
    this.payloadBytes += bytes;
    if (this.#left < 0) throw new Error(`${-this.#left} bytes after the end of the body`);
    return this.#left === 0;
  }

  #readChunks(bytes: Buffer, from: number): boolean {
    let at = from;
    while (at < bytes.length) {
      if (this.#part === "data") {
        const taken = Math.min(this.#left, bytes.length - at);
        at += taken;
        this.#left -= taken;
        if (this.#left === 0) this.#part = "size";
      } else if (this.#part === "size") {
        this.#readSizeByte(bytes[at++] as number);
      } else if (this.#part === "trailer") {
        this.#readTrailerByte(bytes[at++] as number);
      } else {
        throw new Error("bytes after the last chunk");
      }
    }
    return this.#part === "done";
  }

  #readSizeByte(byte: number): void {
    if (byte === LF) {
      this.#part = this.#size === 0 ? "trailer" : "data";
      this.#lineBytes = 0;
      this.#left = this.#size + CRLF_BYTES;
      this.payloadBytes += this.#size;
      this.#size = 0;
      this.#inExtension = false;
    } else if (byte === SEMICOLON) {
      this.#inExtension = true;
    } else if (byte !== CR && !this.#inExtension) {
      this.#size = this.#size * 16 + hexDigit(byte);
    }
  }

  #readTrailerByte(byte: number): void {
    if (byte === LF && this.#lineBytes === 0) this.#part = "done";
    else if (byte === LF) this.#lineBytes = 0;
    else if (byte !== CR) this.#lineBytes += 1;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = byte | 32;
  if (letter >= 97 && letter <= 102) return letter - 87;
  throw new Error(`byte ${byte} in a chunk size`);
}
