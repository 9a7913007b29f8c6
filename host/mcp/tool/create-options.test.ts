import { mkdirSync, realpathSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import type { McpOptions } from "../mcp-options.ts";
import { createInput } from "./create-input.ts";
import { createOptions } from "./create-options.ts";

const allowed: McpOptions = {
  ...{ images: ["alpine:3.20", "/images/own.tar"], anyImage: false, network: false, folders: [] },
  ...{ maxSandboxes: 1, maxMemoryMib: 1024, maxCpus: 2 },
};
const input = { network: "none" as const, timeout_seconds: 60 };

test("without a wish, a sandbox is small, has limits, no network and the first image", () => {
  expect(createOptions(input, allowed)).toEqual({
    image: "alpine:3.20",
    options: {
      ...{ image: { reference: "alpine:3.20" }, memoryMib: 512, cpus: 1, limits: { pids: 1024 }, network: "none" },
      timeoutMs: 60_000,
    },
  });
});

test("a command runs below an init if the client asks for one", () => {
  const command = { ...input, command: ["server"] };
  expect(createOptions({ ...command, init: true }, allowed).options).toMatchObject({ command: ["server"], init: true });
  expect(createOptions({ ...command, init: false }, allowed).options).not.toHaveProperty("init");
  expect(createInput.safeParse({ timeoutMs: 1 }).error?.issues).toMatchObject([{ keys: ["timeoutMs"] }]);
});

test("a container at an agent has the same limits itself", () => {
  const agent = { address: "unix:///run/agent.sock", limits: true };
  const { options } = createOptions({ ...input, memory_mib: 256 }, { ...allowed, agent });
  const limits = { memory: 256 * 2 ** 20, cpus: 1, pids: 1024 };
  expect(options).toEqual({ image: { reference: "alpine:3.20" }, address: agent.address, limits, timeoutMs: 60_000 });
  const none = { ...allowed, agent: { ...agent, limits: false } };
  expect(createOptions(input, none).options.limits).toBe(undefined);
  expect(() => createOptions({ ...input, memory_mib: 256 }, none)).toThrow(/have no limits/);
});

test("a client may choose every image of a registry only with anyImage, and paths never", () => {
  const any = { ...allowed, anyImage: true };
  expect(createOptions({ ...input, image: "node:24" }, any).options.image).toEqual({ reference: "node:24" });
  const own = { ...input, image: "/images/own.tar" };
  expect(createOptions(own, allowed).options.image).toEqual({ path: "/images/own.tar" });
  expect(() => createOptions({ ...input, image: "node:24" }, allowed)).toThrow(
    /allowed are alpine:3.20, \/images\/own.tar/,
  );
  for (const image of ["/", "./host", "~/file", "host", "other.tar"]) {
    expect(() => createOptions({ ...input, image }, any), image).toThrow(/^sandbox_create: image /);
  }
});

test("folders are mounted read-only, by their real paths", () => {
  using place = temporaryDirectory();
  const path = join(realpathSync(place.path), "folder");
  mkdirSync(join(path, "below"), { recursive: true });
  const link = join(place.path, "link");
  symlinkSync(path, link);
  const folders = [{ path: link, real: path, writable: true }];
  const mounts = [{ host_path: join(link, "below"), path: "/mnt/" }];
  const { options } = createOptions({ ...input, mounts }, { ...allowed, folders });
  expect(options.volumes).toEqual([{ host: join(path, "below"), guest: "/mnt", readOnly: true }]);
});
