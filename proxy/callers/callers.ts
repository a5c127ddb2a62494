/**
 * Where does a caller belong, whose AIClient does not say?
 *
 * A verified token, then a header from a trusted proxy, then the address, in ranges and then in a database: the first that
 * says something. What says something that is no zone and no country is a mistake that must not send data anywhere.
 */
import type { IncomingMessage } from "node:http";
import type { Caller } from "../../routing/filters.ts";
import { ZONES, type Zone, zoneOfCountry } from "../../routing/zones.ts";
import { GatewayError } from "../errors.ts";
import type { AddressRange, CallerSettings } from "../settings.ts";
import { callerAt, peerOf, prefixOf, Ranges } from "./addresses.ts";
import type { Countries } from "./countries.ts";
import type { Tokens } from "./tokens.ts";

/** Addresses whose place is remembered. */
const KEPT = 8192;
const COUNTRY = /^[A-Za-z]{2}$/;

export class Callers {
  readonly #trusted: Ranges;
  readonly #residencyHeader: string | undefined;
  readonly #tokenHeader: string | undefined;
  readonly #tokens: Tokens | undefined;
  readonly #countries: Countries | undefined;
  readonly #ranges: readonly { readonly range: AddressRange; readonly list: Ranges }[];
  readonly #known = new Map<string, Caller>();
  #edition: number | undefined;

  constructor(settings: CallerSettings, tokens: Tokens | undefined, countries: Countries | undefined) {
    this.#trusted = new Ranges(settings.trustedProxies);
    this.#residencyHeader = settings.residencyHeader;
    this.#tokenHeader = settings.jwt?.header;
    this.#tokens = tokens;
    this.#countries = countries;
    this.#ranges = [...settings.cidrs]
      .sort((a, b) => prefixOf(b.cidr) - prefixOf(a.cidr))
      .map((range) => ({ range, list: new Ranges([range.cidr]) }));
  }

  /** Throws or rejects with a GatewayError where what is said cannot be. */
  locate(request: IncomingMessage): Caller | Promise<Caller> {
    const token = this.#tokenHeader === undefined ? undefined : request.headers[this.#tokenHeader];
    if (token === undefined || !this.#tokens) return this.#withoutToken(request);
    const claim = this.#tokens.claimOf(String(token));
    return claim instanceof Promise
      ? claim.then((text) => this.#withClaim(request, text))
      : this.#withClaim(request, claim);
  }

  #withClaim(request: IncomingMessage, claim: string | undefined): Caller {
    const residency = claim === undefined ? undefined : residencyIn(claim, `the header '${this.#tokenHeader}'`);
    return residency === undefined ? this.#withoutToken(request) : { ...this.placeOf(request), residency };
  }

  #withoutToken(request: IncomingMessage): Caller {
    const place = this.placeOf(request);
    const said = this.#headerOf(request);
    const residency = said === undefined ? undefined : residencyIn(said, `the header '${this.#residencyHeader}'`);
    return residency === undefined ? place : { ...place, residency };
  }

  /** Counts only from a proxy that is trusted. */
  #headerOf(request: IncomingMessage): string | undefined {
    const value = this.#residencyHeader === undefined ? undefined : request.headers[this.#residencyHeader];
    const peer = value === undefined ? undefined : peerOf(request);
    return peer !== undefined && this.#trusted.has(peer) ? String(value) : undefined;
  }

  /** By its address alone. */
  placeOf(request: IncomingMessage): Caller {
    const peer = peerOf(request);
    const address = peer && callerAt(peer, forwardedFor(request), this.#trusted);
    if (address === undefined) return {};
    if (this.#edition !== this.#countries?.edition) {
      this.#edition = this.#countries?.edition;
      this.#known.clear();
    }
    const known = this.#known.get(address);
    if (known) return known;
    const place = this.#placeAt(address);
    if (this.#known.size >= KEPT) this.#known.clear();
    this.#known.set(address, place);
    return place;
  }

  /** Residency and location may come from different ranges. */
  #placeAt(address: string): Caller {
    const ranges = this.#ranges.filter(({ list }) => list.has(address)).map(({ range }) => range);
    const country = this.#countries?.of(address);
    const residency = ranges.find((range) => range.residency !== undefined)?.residency;
    const location = ranges.find((range) => range.location !== undefined)?.location;
    return {
      residency: residency ?? (country === undefined ? undefined : zoneOfCountry(country)),
      location: location ?? country?.toLowerCase(),
    };
  }
}

function forwardedFor({ headers }: IncomingMessage): string | undefined {
  const value = headers["x-forwarded-for"];
  return value === undefined ? undefined : String(value);
}

/** A zone's name or a country's code; a country outside the zones says nothing. Throws GatewayError. */
function residencyIn(text: string, where: string): Zone | undefined {
  const word = text.trim();
  if (word === "") return undefined;
  const zone = ZONES.find((one) => one.toLowerCase() === word.toLowerCase());
  if (zone) return zone;
  if (COUNTRY.test(word)) return zoneOfCountry(word.toUpperCase());
  const message = `The caller's residency '${word.slice(0, 64)}', from ${where}, is no zone (${ZONES.join(", ")}) and no country's code, and nothing was sent. Whoever sets it has to mend that.`;
  throw new GatewayError("residency_unsatisfiable", message);
}
