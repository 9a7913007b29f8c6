import { afterAll, beforeAll, expect, test } from "vitest";
import { startRegistry, type TestRegistry } from "../../../image/registry/testing/registry.ts";
import { file } from "../../../image/testing/layers.ts";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { packTar } from "../../../image/write-layout.ts";
import { runGuestctl } from "../testing/run-guestctl.ts";

let folder: ReturnType<typeof temporaryDirectory>;
let registry: TestRegistry;
let digest: string;

beforeAll(async () => {
  folder = temporaryDirectory();
  registry = await startRegistry();
  const layers = [await packTar([file("f", "content")])];
  digest = registry.putImage(layers, "1");
  registry.putImage(layers, "2");
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const run = (...args: string[]) => runGuestctl(folder.path, args);
const named = (tag: string) => `${registry.host}/test/image:${tag}`;

test("pull, images and rmi", { timeout: 300_000 }, async () => {
  expect(await run("images")).toEqual({
    stdout: "REPOSITORY  TAG  IMAGE ID  PULLED  SIZE  USED BY\n",
    stderr: "",
    code: 0,
  });
  const pulled = await run("pull", named("1"));
  expect(pulled).toMatchObject({ stderr: "", code: 0 });
  expect(pulled.stdout).toMatch(new RegExp(`^${named("1")}: pulled, \\d+ B, ${digest}\n$`));
  expect((await run("pull", "-q", named("1"), named("2"))).stdout).toBe(`${named("1")}\n${named("2")}\n`);
  const [image, ...others] = JSON.parse((await run("images", "--output", "json")).stdout);
  expect(others).toEqual([]);
  expect(image).toMatchObject({ digest, names: [named("1"), named("2")], containers: [] });
  expect((await run("images", "--json", named("2"))).stdout).toContain(digest);
  expect((await run("images", "-q", "--no-trunc", `${registry.host}/test/image`)).stdout).toBe(`${digest}\n`);
  expect((await run("images", "-q", "busybox")).stdout).toBe("");
  expect((await run("images", named("2"))).stdout).toMatch(
    new RegExp(`\n${registry.host}/test/image  2 +${digest.slice(7, 19)} +\\d+ (s|min) +\\d+ B\n$`),
  );
  expect(await run("rmi", named("1"))).toEqual({ stdout: `${named("1")}\n`, stderr: "", code: 0 });
  expect((await run("rmi", digest.slice(7, 20))).code).toBe(0);
  expect((await run("images", "--json")).stdout).toBe("[]\n");
});

test.each<[string[], string | RegExp, number]>([
  [["pull", "UPPER"], 'guestctl: image "UPPER": its name is not valid; use lower case, digits, . _ - and /\n', 1],
  [
    ["pull", "HOST/test/image:none"],
    /^guestctl: pull HOST\/test\/image:none: GET http:.*: 404 \(MANIFEST_UNKNOWN .*\n$/,
    1,
  ],
  [["rmi", "none"], "guestctl: image none: not in the store; guestctl images lists those that are\n", 1],
  [["rmi", "sha256:abcd"], "guestctl: image sha256:abcd: not in the store; guestctl images lists those that are\n", 1],
  [["images", "a:b:c"], 'guestctl: image "a:b:c": its tag is not valid\n', 1],
  [
    ["images", "--output", "xml"],
    "guestctl: option '--output <format>' argument 'xml' is invalid. Allowed choices are text, json.\n",
    1,
  ],
  [
    ["run", "--pull", "never", "none"],
    "guestctl: image none: neither a file nor in the store; guestctl pull none, or leave out --pull never\n",
    125,
  ],
  [["run", "./none.tar"], "guestctl: image ./none.tar: no such file or folder\n", 125],
])("%j fails in one line", async (args, message, code) => {
  const ended = await run(...args.map((word) => word.replace("HOST", registry.host)));
  const stderr = ended.stderr.replaceAll(registry.host, "HOST");
  expect({ stdout: ended.stdout, code: ended.code }).toEqual({ stdout: "", code });
  if (typeof message === "string") expect(stderr).toBe(message);
  else expect(stderr).toMatch(message);
});

test("a registry that requires a login, and an invalid limit, are reported with their remedies", async () => {
  registry.handler = (_request, response) => {
    response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    return true;
  };
  expect((await run("pull", named("1"))).stderr).toMatch(
    /: 401, the registry accepts a login with basic; there are no credentials for it; docker login 127.0.0.1:\d+\n$/,
  );
  registry.handler = () => undefined;
  const ended = await runGuestctl(folder.path, ["pull", named("1")], { GUESTCTL_IMAGE_LIMIT: "much" });
  expect(ended.stderr).toMatch(/^guestctl: pull .*: GUESTCTL_IMAGE_LIMIT=much: expected a size such as 20g; .*\n$/);
});
