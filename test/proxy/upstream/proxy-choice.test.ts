/** Which requests go through a forward proxy? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { forwardProxyFor } from "../../../proxy/upstream/proxy-choice.ts";

const HTTPS = new URL("https://api.openai.com/v1");
const HTTP = new URL("http://vllm.internal:8000/v1");

function chosen(url: URL, proxyURL: string, env: Record<string, string>): string | undefined {
  return forwardProxyFor(url, proxyURL, env)?.host;
}

test("none without settings", () => {
  assert.equal(chosen(HTTPS, "", {}), undefined);
  assert.equal(chosen(HTTPS, "", { HTTPS_PROXY: "" }), undefined);
});

test("the variable of the URL's scheme, lower case first", () => {
  const env = { HTTPS_PROXY: "http://a:1", https_proxy: "http://b:2", HTTP_PROXY: "http://c:3" };
  assert.equal(chosen(HTTPS, "", env), "b:2");
  assert.equal(chosen(HTTP, "", env), "c:3");
  assert.equal(chosen(HTTP, "", { HTTPS_PROXY: "http://a:1" }), undefined);
});

test("the setting before the variables, for both schemes", () => {
  const env = { HTTPS_PROXY: "http://a:1" };
  assert.equal(chosen(HTTPS, "http://set:9", env), "set:9");
  assert.equal(chosen(HTTP, "http://set:9", env), "set:9");
});

const EXCEPTIONS: readonly (readonly [noProxy: string, url: string, direct: boolean])[] = [
  ["*", "https://api.openai.com", true],
  ["openai.com", "https://api.openai.com", true],
  [".openai.com", "https://api.openai.com", true],
  ["*.openai.com", "https://api.openai.com", true],
  ["API.OpenAI.com", "https://api.openai.com", true],
  ["ai.com", "https://api.openai.com", false],
  ["api.openai.com:443", "https://api.openai.com", true],
  ["api.openai.com:8443", "https://api.openai.com", false],
  ["foo, ,bar api.openai.com", "https://api.openai.com", true],
  ["10.0.0.0/8", "http://10.1.2.3:8000", true],
  ["10.0.0.0/8", "http://11.1.2.3:8000", false],
  ["10.0.0.0/99,nonsense/8", "http://10.1.2.3:8000", false],
  ["fd00::/8", "http://[fd00::1]:8000", true],
  ["[fd00::1]:8000", "http://[fd00::1]:8000", true],
  ["localhost", "http://localhost:8000", true],
];

for (const [noProxy, url, direct] of EXCEPTIONS) {
  test(`NO_PROXY=${noProxy}: ${url} ${direct ? "straight" : "through the proxy"}`, () => {
    assert.equal(chosen(new URL(url), "http://proxy:3128", { NO_PROXY: noProxy }), direct ? undefined : "proxy:3128");
  });
}

test("a value that is no URL names its variable and not its password", () => {
  const env = { HTTPS_PROXY: "socks5://user:hunter2@proxy:1080" };
  assert.throws(
    () => forwardProxyFor(HTTPS, "", env),
    (error: Error) => /HTTPS_PROXY must be an http/.test(error.message) && !error.message.includes("hunter2"),
  );
});
