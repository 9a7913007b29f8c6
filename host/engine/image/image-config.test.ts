import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Image } from "../../../image/read-image.ts";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { grpc } from "../../../proto/gen/messages.js";
import { imageSpec, type RunOptions } from "./image-config.ts";

/** Returns the spec as the guest decodes it. */
function specOf(config: Image["config"], options: RunOptions = {}): grpc.Spec {
  using temporary = temporaryDirectory();
  mkdirSync(join(temporary.path, "etc"));
  writeFileSync(join(temporary.path, "etc/passwd"), "ann:x:1000:100::/home/ann:/bin/sh\n");
  const spec = imageSpec({ config }, { host: temporary.path, guest: "/run/c1/rootfs" }, options);
  return grpc.Spec.decode(grpc.Spec.encode(spec).finish());
}

test("an image with only a command gets Docker's defaults", () => {
  const spec = specOf({ Cmd: ["sh"] });
  expect(spec.Root).toMatchObject({ Path: "/run/c1/rootfs" });
  expect(spec.Process).toMatchObject({
    Args: ["sh"],
    Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    Cwd: "/",
    User: { AdditionalGids: [0] },
    Rlimits: [{ Type: "RLIMIT_NOFILE", Soft: 1024, Hard: 1048576 }],
  });
  expect(spec.Process?.Capabilities?.Bounding).toHaveLength(14);
  expect(spec.Process?.Capabilities?.Effective).toHaveLength(14);
  expect(spec.Mounts.map((mount) => mount.destination)).toEqual([
    ...["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"],
  ]);
  expect(spec.Linux?.Namespaces.map(({ Type }) => Type)).toEqual(["ipc", "uts", "mount", "cgroup"]);
  expect(spec.Linux?.MaskedPaths).toContain("/proc/kcore");
  expect(spec.Linux?.ReadonlyPaths).toContain("/proc/sys");
});

test("joins entrypoint and command, each replaced by the caller's", () => {
  const config = { Entrypoint: ["/entry"], Cmd: ["a", "b"] };
  expect(specOf(config).Process?.Args).toEqual(["/entry", "a", "b"]);
  expect(specOf(config, { args: ["c"] }).Process?.Args).toEqual(["/entry", "c"]);
  expect(specOf(config, { entrypoint: ["/other"] }).Process?.Args).toEqual(["/other"]);
  expect(specOf(config, { entrypoint: [], args: ["d"] }).Process?.Args).toEqual(["d"]);
  expect(specOf({ Entrypoint: null, Cmd: ["x"] }).Process?.Args).toEqual(["x"]);
  expect(() => specOf({})).toThrow("the image has neither Entrypoint nor Cmd; give a command");
});

test("merges the caller's environment over the image's", () => {
  const env = specOf({ Cmd: ["x"], Env: ["PATH=/bin", "A=1", "B=x=y"] }, { env: ["A=2", "C="] }).Process?.Env;
  expect(env).toEqual(["PATH=/bin", "A=2", "B=x=y", "C="]);
});

test("a terminal has a size and TERM, which the image may override", () => {
  const terminal = { rows: 30, columns: 100 };
  expect(specOf({ Cmd: ["x"] }, { terminal }).Process).toMatchObject({
    Terminal: true,
    ConsoleSize: { Height: 30, Width: 100 },
    Env: [expect.stringMatching(/^PATH=/), "TERM=xterm"],
  });
  expect(specOf({ Cmd: ["x"], Env: ["TERM=vt100"] }, { terminal }).Process?.Env).toContain("TERM=vt100");
});

test("looks up a user in the image, and gives only root effective capabilities", () => {
  const process = specOf({ Cmd: ["x"], User: "ann", WorkingDir: "/home/ann" }).Process;
  expect(process).toMatchObject({ User: { UID: 1000, GID: 100, AdditionalGids: [100] }, Cwd: "/home/ann" });
  expect(process?.Capabilities).toMatchObject({ Effective: [], Permitted: [] });
  expect(process?.Capabilities?.Bounding).toHaveLength(14);
  expect(specOf({ Cmd: ["x"], User: "ann" }, { user: "0" }).Process?.Capabilities?.Effective).toHaveLength(14);
});

test("passes on limits, host name and other options", () => {
  const limits = { memory: 64 << 20, cpus: 1.5, pids: 100 };
  const mounts = [{ destination: "/data", source: "/run/x", type: "bind", options: ["rbind"] }];
  const spec = specOf(
    { Cmd: ["x"] },
    { limits, mounts, hostname: "h", readonlyRoot: true, noNewPrivileges: true, cgroupsPath: "/c1" },
  );
  expect(spec).toMatchObject({ Hostname: "h", Root: { Readonly: true }, Process: { NoNewPrivileges: true } });
  expect(spec.Mounts.at(-1)).toMatchObject({ destination: "/data" });
  expect(spec.Linux).toMatchObject({
    CgroupsPath: "/c1",
    Resources: { Memory: { Limit: 67108864 }, CPU: { Quota: 150000, Period: 100000 }, Pids: { Limit: 100 } },
  });
});
