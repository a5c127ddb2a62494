/**
 * In which country is an address?
 *
 * From a MaxMind database file (GeoLite2-Country, GeoIP2-City and their like), read whole into memory. A new file in its
 * place is read within seconds; one that cannot be read leaves the last good one in force.
 */
import { unwatchFile, watchFile } from "node:fs";
import { type CountryResponse, open, type Reader } from "maxmind";

export interface Countries {
  /** ISO 3166-1 code in upper case; undefined: the database does not have the address. */
  of(address: string): string | undefined;
  /** Counts the files that were read: what an earlier one said may be wrong. */
  readonly edition: number;
  close(): void;
}

/** Milliseconds between two looks at the file. The library's own watching would end the process at a broken file. */
const LOOK_EVERY = 5_000;

/** Rejects with an Error that names the file. `onProblem` is told of a later file that cannot be read. */
export async function openCountries(path: string, onProblem: (message: string) => void): Promise<Countries> {
  let reader = await read(path);
  let edition = 1;
  const onChange = () => {
    void read(path).then(
      (next) => {
        reader = next;
        edition++;
      },
      (error: unknown) => onProblem((error as Error).message),
    );
  };
  watchFile(path, { persistent: false, interval: LOOK_EVERY }, onChange);
  return {
    of: (address) => reader.get(address)?.country?.iso_code?.toUpperCase(),
    get edition() {
      return edition;
    },
    close: () => unwatchFile(path, onChange),
  };
}

async function read(path: string): Promise<Reader<CountryResponse>> {
  try {
    return await open<CountryResponse>(path);
  } catch (cause) {
    const { message } = cause as Error;
    throw new Error(`callers.maxmindPath: ${path} cannot be read as a MaxMind database: ${message}`, { cause });
  }
}
