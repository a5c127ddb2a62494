/** Is a provider to be found elsewhere than its endpoint says? */

/** What `--connect-to` says of this endpoint, by host and port, else by host; undefined: nothing. */
export function connectedInstead(endpoint: URL, connectTo: ReadonlyMap<string, string>): URL | undefined {
  const port = endpoint.port || (endpoint.protocol === "https:" ? "443" : "80");
  const target = connectTo.get(`${endpoint.hostname}:${port}`) ?? connectTo.get(endpoint.hostname);
  return target === undefined ? undefined : new URL(target);
}
