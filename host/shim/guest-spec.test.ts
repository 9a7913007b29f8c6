import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { guestProcess, guestResources, guestSpec } from "./guest-spec.ts";

const directory = mkdtempSync(join(tmpdir(), "spec-"));
const file = join(directory, "file");
const socket = join(directory, "socket");
const link = join(directory, "link");
const fifo = join(directory, "fifo");
const server = createServer();
beforeAll(async () => {
  writeFileSync(file, "");
  symlinkSync(file, link);
  execFileSync("mkfifo", [fifo]);
  await new Promise<void>((resolve) => void server.listen(socket, resolve));
});
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

const places = { root: "/share/c/rootfs", bind: (index: number) => `/share/c/volumes/${index}` };
const namespaces = ["pid", "network", "mount", "ipc"].map((type) => ({ type, path: `/proc/1/ns/${type}` }));
const spec = (more: object, linux: object = {}) =>
  guestSpec(
    {
      ociVersion: "1.0",
      process: { args: ["sh"] },
      root: { path: "rootfs" },
      ...more,
      linux: { namespaces, ...linux },
    },
    places,
    "container c",
  );
const bind = (source: string, options: readonly string[] = ["rbind"]) => ({
  destination: "/d",
  type: "bind",
  source,
  options,
});

test("has the guest's paths, and nothing that means something on the host alone", () => {
  const process = { args: ["sh"], apparmorProfile: "a", selinuxLabel: "l", oomScoreAdj: 5 };
  const resources = {
    devices: [{ allow: true }],
    memory: { limit: 7 },
    hugepageLimits: [{ pageSize: "2MB", limit: 1 }],
  };
  const hooks = { prestart: [{ path: "/bin/true" }] };
  const made = spec({ process, hooks, futureField: 1 }, { resources, mountLabel: "l", cgroupsPath: "/a/b" }).spec;
  expect(made.Root).toMatchObject({ Path: "/share/c/rootfs" });
  expect(made.Hooks).toBeNull();
  expect(made.Process).toMatchObject({ Args: ["sh"], ApparmorProfile: "", SelinuxLabel: "", OOMScoreAdj: 5 });
  expect(made.Linux).toMatchObject({ MountLabel: "", CgroupsPath: "/a/b" });
  expect(made.Linux?.Namespaces.map(({ Type, Path }) => [Type, Path])).toEqual([
    ["pid", ""],
    ["mount", ""],
    ["ipc", ""],
  ]);
  expect(made.Linux?.Resources).toMatchObject({ Devices: [], HugepageLimits: [], Memory: { Limit: 7 } });
});

test("takes files and folders from the share, in order; other mounts stay", () => {
  const proc = { destination: "/proc", type: "proc", source: "proc" };
  const mounts = [proc, bind(directory, ["rbind", "ro"]), { ...bind(file), type: "none", options: ["bind"] }];
  const { spec: made, binds } = spec({ mounts: [...mounts, bind(link)] });
  expect(binds).toEqual([
    { source: directory, options: ["rbind", "ro"], isFile: false },
    { source: file, options: ["bind"], isFile: true },
    { source: link, options: ["rbind"], isFile: true },
  ]);
  expect(made.Mounts.map(({ type, source, options }) => [type, source, options])).toEqual([
    ["proc", "proc", []],
    ["bind", "/share/c/volumes/0", ["rbind", "ro"]],
    ["bind", "/share/c/volumes/1", ["bind"]],
    ["bind", "/share/c/volumes/2", ["rbind"]],
  ]);
});

test("gives /dev/shm of an engine as memory of the guest", () => {
  const { spec: made, binds } = spec({ mounts: [{ ...bind("/nonexistent"), destination: "/dev/shm" }] });
  expect([binds, made.Mounts[0]?.type]).toEqual([[], "tmpfs"]);
});

test.each([
  ["a socket", () => spec({ mounts: [bind(socket)] }), /^container c: mount \S+socket: it is a socket of the host/],
  ["a pipe", () => spec({ mounts: [bind(fifo)] }), /mount \S+fifo: it is a device or pipe of the host/],
  [
    "nothing",
    () => spec({ mounts: [bind("/nonexistent")] }),
    /mount \/nonexistent: no such file or folder; create it$/,
  ],
  ["a mount without a source", () => spec({ mounts: [{ ...bind(""), source: undefined }] }), /no such file or folder/],
  [
    "a device",
    () => spec({}, { devices: [{ path: "/dev/sda" }] }),
    /can't use the host's device \/dev\/sda; leave out --device/,
  ],
  ["the host's network", () => spec({}, { namespaces: [{ type: "pid" }] }), /can't use the host's network/],
  ["the host's processes", () => spec({}, { namespaces: [{ type: "network" }] }), /can't use the host's processes/],
  ["no spec", () => guestSpec(null, places, "container c"), /can't use the host's network/],
  ["a wrong type", () => spec({ hostname: 5 }), /^container c: hostname is not a string$/],
])("refuses %s in one line", (_, make, line) => {
  expect(make).toThrow(line);
  expect(make).not.toThrow(/\n/);
});

test("turns processes and limits of an engine into those of a guest", () => {
  expect(guestProcess({ args: ["a"], apparmorProfile: "x", cwd: "/" }, "exec e")).toMatchObject({
    Args: ["a"],
    ApparmorProfile: "",
  });
  expect(() => guestProcess({ args: "a" }, "exec e")).toThrow("exec e: process.args is not a list");
  expect(guestResources({ cpu: { quota: 5 }, blockIO: {} }, "container c")).toMatchObject({
    CPU: { Quota: 5 },
    BlockIO: null,
  });
});
