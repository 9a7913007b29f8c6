import fc from "fast-check";
import { expect, test } from "vitest";
import { parseChallenge, tokenUrl } from "./bearer-challenge.ts";

test.each([
  [
    'Bearer realm="https://auth.x/token",service="reg,istry",scope="repository:a/b:pull"',
    { service: "reg,istry", scope: "repository:a/b:pull" },
  ],
  ['bearer REALM="https://auth.x/token" , service=plain', { service: "plain" }],
  ['Basic realm="x", Bearer realm="https://auth.x/token",service="s"', { service: "s" }],
  ['Bearer realm="https://auth.x/to\\ken"', {}],
])("the challenge %s is parsed", (header, parameters) => {
  const challenge = parseChallenge(header);
  expect(challenge?.scheme).toBe("bearer");
  expect(Object.fromEntries(challenge?.parameters ?? [])).toEqual({ realm: "https://auth.x/token", ...parameters });
});

test("other schemes are returned as they are, and invalid headers give none", () => {
  expect(parseChallenge('Basic realm="x"')?.scheme).toBe("basic");
  expect(parseChallenge("Negotiate")?.scheme).toBe("negotiate");
  expect(parseChallenge(undefined)).toBeUndefined();
  expect(parseChallenge("")).toBeUndefined();
});

test("any header is parsed quickly, however long", () => {
  const text = fc.array(fc.constantFrom("Bearer", " ", ",", "=", '"', "\\", "realm", "x", "\t"), { maxLength: 60 });
  fc.assert(fc.property(text, (parts) => void parseChallenge(parts.join(""))));
  for (const long of [
    'a="'.repeat(5000),
    "a ".repeat(20_000),
    `Bearer a="${"\\".repeat(20_000)}`,
    ", a".repeat(10_000),
  ])
    parseChallenge(long);
});

test("the token URL has the service, and the challenge's scope or else ours", () => {
  const url = (header: string) => {
    const challenge = parseChallenge(header);
    return challenge && tokenUrl(challenge, "repository:a:pull")?.href;
  };
  expect(url('Bearer realm="https://x/t?a=b",service="s p"')).toBe(
    "https://x/t?a=b&service=s+p&scope=repository%3Aa%3Apull",
  );
  expect(url('Bearer realm="https://x/t",scope="other"')).toBe("https://x/t?scope=other");
  expect(url('Bearer realm="no url"')).toBeUndefined();
  expect(url("Bearer")).toBeUndefined();
});
