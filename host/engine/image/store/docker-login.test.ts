import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { temporaryDirectory } from "../../../../image/testing/tree.ts";
import { dockerLogin } from "./docker-login.ts";

let folder: ReturnType<typeof temporaryDirectory>;
const path = process.env["PATH"];
beforeEach(() => {
  folder = temporaryDirectory();
  process.env["PATH"] = `${folder.path}:${path}`;
});
afterEach(() => {
  process.env["PATH"] = path;
  folder[Symbol.dispose]();
});

const auth = (text: string) => ({ auth: Buffer.from(text).toString("base64") });
const configure = (config: unknown) => writeFileSync(join(folder.path, "config.json"), JSON.stringify(config));

/** A credential helper that knows one registry, as docker's helpers answer. */
function addHelper(name: string, registry: string, answer: string): void {
  const program = join(folder.path, `docker-credential-${name}`);
  const none = 'echo "credentials not found in native keychain"; exit 1';
  writeFileSync(
    program,
    `#!/bin/sh\nread -r url\n[ "$1 $url" = "get ${registry}" ] || { ${none}; }\necho '${answer}'\n`,
  );
  chmodSync(program, 0o755);
}

test.each([
  ["quay.io", "quay.io"],
  ["https://quay.io", "quay.io"],
  ["https://quay.io/v1/", "quay.io"],
  ["127.0.0.1:5000", "127.0.0.1:5000"],
  ["https://index.docker.io/v1/", "registry-1.docker.io"],
])("a login stored for %s is used for the registry %s", async (key, registry) => {
  configure({ auths: { "other.example": auth("no:no"), [key]: auth("me:a:b") } });
  expect(await dockerLogin(registry, folder.path)).toEqual({ username: "me", password: "a:b" });
});

test("there is no login without a file, for another registry or with an empty entry", async () => {
  expect(await dockerLogin("quay.io", folder.path)).toBeUndefined();
  configure({ auths: { "quay.io.evil.example": auth("me:secret"), "quay.io": {} } });
  expect(await dockerLogin("quay.io", folder.path)).toBeUndefined();
});

test("a credential helper is asked for its registry, and one for all for the others", async () => {
  addHelper("own", "ghcr.io", '{"Username":"a","Secret":"b"}');
  addHelper("all", "https://index.docker.io/v1/", '{"Username":"c","Secret":"d"}');
  configure({ credsStore: "all", credHelpers: { "ghcr.io": "own" }, auths: { "https://index.docker.io/v1/": {} } });
  expect(await dockerLogin("ghcr.io", folder.path)).toEqual({ username: "a", password: "b" });
  expect(await dockerLogin("registry-1.docker.io", folder.path)).toEqual({ username: "c", password: "d" });
  expect(await dockerLogin("quay.io", folder.path)).toBeUndefined();
});

test.each([
  [{ credsStore: "none" }, /config.json: credential helper docker-credential-none: not in PATH; install it, or/],
  [{ credsStore: "closed" }, /credential helper docker-credential-closed: not in PATH; install it, or/],
  [{ credsStore: "../x" }, /config.json: "..\/x" is no name of a credential helper/],
  [{ credsStore: "bad" }, /credential helper docker-credential-bad: its answer is not JSON$/],
  [{ auths: { "quay.io": { identitytoken: "x" } } }, /quay.io has an identity token, .* docker login with a password/],
])("%j is refused in one line", async (config, message) => {
  addHelper("bad", "quay.io", "secret");
  addHelper("closed", "quay.io", "secret");
  chmodSync(join(folder.path, "docker-credential-closed"), 0o644); // as in a folder that this user may not enter
  configure(config);
  await expect(dockerLogin("quay.io", folder.path)).rejects.toThrow(message);
});

test("a damaged file is reported with its place", async () => {
  writeFileSync(join(folder.path, "config.json"), '{\n  "auths": nope }');
  await expect(dockerLogin("quay.io", folder.path)).rejects.toThrow(/config.json:2:\d+: .*; correct the file, or set/);
});
