import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ssh2 from "ssh2";
import { afterAll, beforeAll, expect, test } from "vitest";
import { authorizedKeys, newKey, proxyKeys } from "./proxy-keys.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "guestctl-keys-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("makes keys that only the user can read, once", () => {
  const made = proxyKeys(join(folder, "made"));
  const again = proxyKeys(join(folder, "made"));
  expect(again.hostKey).toBe(made.hostKey);
  expect(again.key.getPublicSSH()).toEqual(made.key.getPublicSSH());
  expect(statSync(made.keyFile).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, "made")).mode & 0o777).toBe(0o700);
  expect(readFileSync(made.knownHostsFile, "utf8")).toMatch(/^guestctl ssh-ed25519 AAAA[\w+/=]+\n$/);
});

test("every key that it makes can be read", () => {
  // Of 2000 keys that ssh2 makes, at least one can't be read, with a probability of 0.9996.
  const keys = Array.from({ length: 2000 }, newKey);
  expect(keys.filter((key) => ssh2.utils.parseKey(key) instanceof Error)).toEqual([]);
});

test("refuses a file that is no key, in one line", () => {
  const { keyFile } = proxyKeys(join(folder, "broken"));
  writeFileSync(keyFile, "no key");
  expect(() => proxyKeys(join(folder, "broken"))).toThrow(/key: not a private key; remove it$/);
});

test("reads public keys by lines, and refuses a file without one", () => {
  const { key } = proxyKeys(join(folder, "made"));
  const file = join(folder, "authorized");
  writeFileSync(file, `# mine\n\nno key\nssh-ed25519 ${key.getPublicSSH().toString("base64")} me\n`);
  expect(authorizedKeys(file).map((each) => each.getPublicSSH())).toEqual([key.getPublicSSH()]);
  writeFileSync(file, "# none\n");
  expect(() => authorizedKeys(file)).toThrow(/authorized: no public key in it; give a file such as/);
  expect(() => authorizedKeys(join(folder, "missing"))).toThrow(/missing: no such file$/);
});
