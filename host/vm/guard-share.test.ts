import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { isRoot } from "../../lib/is-root.ts";
import { Child } from "./child.ts";
import { canGuard, guarded, mountForGuest, mountInShare, openToGuest } from "./guard-share.ts";

const root = isRoot();
const can = await canGuard(root);

describe.skipIf(!can)(`a guarded share${can ? "" : " (skipped: this user can't mount in a namespace)"}`, () => {
  let work: string;
  let share: { tag: string; directory: string; guard: string };
  let served: Child;

  /** Runs commands in the share server's namespaces and returns their exit codes. */
  const asServer = (...commands: readonly string[]) => {
    const user = root ? [] : ["--user", "--preserve-credentials"];
    const enter = ["--target", `${served.pid}`, "--mount", ...user, "sh", "-c"];
    const script = commands.map((command) => `(cd ${share.directory}; ${command}) 2>/dev/null; echo $?`).join("\n");
    return execFileSync("nsenter", [...enter, script], { encoding: "utf8" })
      .trim()
      .split("\n")
      .map(Number);
  };

  beforeEach(async () => {
    work = mkdtempSync(join(tmpdir(), "guard-"));
    share = { tag: "t", directory: join(work, "shared"), guard: join(work, "guard") };
    mkdirSync(join(share.directory, "c1/rootfs"), { recursive: true });
    const command = guarded(["sh", "-c", "echo up; exec sleep 1000"], share.directory, root);
    served = Child.start("server", command, { place: join(work, "server") });
    await expect.poll(() => readFileSync(served.record.output, "utf8"), { timeout: 50_000 }).toBe("up\n");
    writeFileSync(share.guard, `${served.pid}`);
  });
  afterEach(async () => {
    await served.end(true);
    rmSync(work, { recursive: true });
  });

  test("is read-only for its server except in opened directories, and writable for the host", () => {
    const attempts = ["touch x", "ln -s /etc c1/link", "touch c1/rootfs/x", "mv c1 c2", "mv c1/rootfs c1/gone"];
    expect(asServer(...attempts)).toEqual([1, 1, 1, 1, 1]);
    openToGuest(share, join(share.directory, "c1/rootfs"));
    expect(asServer(...attempts)).toEqual([1, 1, 0, 1, 1]);
    mkdirSync(join(share.directory, "c2/rootfs"), { recursive: true });
    openToGuest(share, join(share.directory, "c2/rootfs"));
    expect(asServer("test -d c2/rootfs && touch c2/rootfs/x", "touch c2/x")).toEqual([0, 1]);
    expect(readdirSync(join(share.directory, "c1/rootfs"))).toEqual(["x"]);
  });

  test("loses an opened directory when the host removes it, and adds no mounts on the host", () => {
    openToGuest(share, join(share.directory, "c1/rootfs"));
    rmSync(join(share.directory, "c1"), { recursive: true });
    expect(asServer("test -e c1", `grep -c " ${share.directory}" /proc/self/mounts | grep -qx 1`)).toEqual([1, 0]);
    expect(execFileSync("cat", ["/proc/self/mounts"], { encoding: "utf8" })).not.toContain(work);
  });

  test("makes an engine's mounts: read-only ones are never writable, and removing their places spares the sources", () => {
    const source = join(work, "source");
    mkdirSync(source);
    writeFileSync(join(source, "file"), "");
    for (const place of ["ro", "rw", "memory"]) mkdirSync(join(share.directory, place));
    writeFileSync(join(share.directory, "file"), "");
    const at = (name: string) => join(share.directory, name);
    const bind = (from: string, ...options: string[]) => ({ type: "bind", source: from, options });
    mountInShare(share, bind(source, "rbind", "ro"), at("ro"));
    mountInShare(share, bind(source, "rbind", "rw"), at("rw"));
    mountInShare(share, bind(join(source, "file"), "rbind", "ro"), at("file"));
    mountInShare(share, { type: "tmpfs", source: "tmpfs", options: ["size=64k"] }, at("memory"));
    const attempts = ["touch ro/x", "touch rw/x", "cp /proc/version file", "touch memory/x"];
    expect(asServer(...attempts)).toEqual([1, 0, 1, 0]);
    expect(() => mountInShare(share, bind("/nonexistent"), at("ro"))).toThrow(/^share t: mount \/nonexistent: [^\n]+$/);
    for (const name of ["ro", "rw", "memory", "file"]) rmSync(at(name), { recursive: true });
    expect(readdirSync(source).sort()).toEqual(["file", "x"]);
    expect(readdirSync(work).filter((name) => name.startsWith("mount-"))).toEqual([]);
    expect(execFileSync("cat", ["/proc/self/mounts"], { encoding: "utf8" })).not.toContain(work);
  });

  test("mounts a folder where the user may not write util-linux's list of mounts, /run/mount/utab", () => {
    vi.stubEnv("LIBMOUNT_UTAB", "/proc/version");
    onTestFinished(() => void vi.unstubAllEnvs());
    mkdirSync(join(work, "folder"));
    mkdirSync(join(share.directory, "rw"));
    mountForGuest(share, join(work, "folder"), join(share.directory, "rw"), "rw");
    expect(asServer("touch rw/x")).toEqual([0]);
  });

  test("mounts a folder of the host, optionally read-only, which survives the removal of its mount point", () => {
    const folder = join(work, "folder");
    mkdirSync(folder);
    writeFileSync(join(folder, "file"), "");
    for (const mode of ["rw", "ro"] as const) {
      mkdirSync(join(share.directory, mode));
      mountForGuest(share, folder, join(share.directory, mode), mode);
    }
    expect(asServer("touch rw/x", "rm ro/file", "test -e ro/x")).toEqual([0, 1, 0]);
    for (const mode of ["rw", "ro"]) rmSync(join(share.directory, mode), { recursive: true });
    expect(asServer("test -e rw", "test -e ro")).toEqual([1, 1]);
    expect(readdirSync(folder)).toEqual(["file", "x"]);
  });

  describe("while the mount of a folder is made", () => {
    let folder: string;
    const at = () => join(share.directory, "at");
    beforeEach(() => {
      folder = join(work, "folder");
      for (const path of [folder, at(), join(work, "bin")]) mkdirSync(path);
      writeFileSync(join(folder, "file"), "");
    });

    /** Mounts the folder with a mount(8) that runs a line of shell before it, or after it. */
    function mountBeside(mode: "rw" | "ro", { before = ":", after = ":" }): void {
      const real = execFileSync("sh", ["-c", "command -v mount"], { encoding: "utf8" }).trim();
      const lines = ["#!/bin/sh", before, `${real} "$@"`, "result=$?", after, "exit $result"];
      writeFileSync(join(work, "bin/mount"), lines.join("\n"), { mode: 0o755 });
      const path = process.env["PATH"];
      process.env["PATH"] = `${join(work, "bin")}:${path}`;
      try {
        mountForGuest(share, folder, at(), mode);
      } finally {
        process.env["PATH"] = path;
      }
    }

    test("the guest can write to a read-only one at no time", () => {
      const steps = join(work, "steps");
      mountBeside("ro", { after: `(: >>${at()}/file) 2>/dev/null && echo open >>${steps} || echo closed >>${steps}` });
      expect(readFileSync(steps, "utf8")).toBe("closed\nclosed\nclosed\n");
      expect(asServer("test -e at/file", "touch at/file")).toEqual([0, 1]);
    });

    test("a link in place of the folder leads nowhere", () => {
      const before = `[ -L ${folder} ] || { mv ${folder} ${folder}-gone; ln -s /etc ${folder}; }`;
      for (const mode of ["ro", "rw"] as const) {
        expect(() => mountBeside(mode, { before })).toThrow(
          `share t: mount ${folder}: it was replaced meanwhile; try again`,
        );
        expect(asServer("test -e at/passwd")).toEqual([1]);
        rmSync(folder);
        mkdirSync(folder);
        rmSync(`${folder}-gone`, { recursive: true });
      }
      expect(readdirSync(work).filter((name) => name.startsWith("mount-"))).toEqual([]);
      expect(asServer(`grep -q " ${work}/mount-" /proc/self/mounts`)).toEqual([1]);
    });

    test("one that was a link before is refused", () => {
      rmSync(folder, { recursive: true });
      symlinkSync("/etc", folder);
      expect(() => mountForGuest(share, folder, at(), "ro")).toThrow(`share ${folder}: it leads through a link`);
    });
  });

  test.runIf(root)("lets no other user reach a set-id program that the guest has made in a folder", () => {
    // Not in the folder of this run, which is closed to others itself.
    const above = mkdtempSync("/tmp/guestd-above-");
    onTestFinished(() => rmSync(above, { recursive: true }));
    const folder = join(above, "folder");
    for (const path of [folder, join(share.directory, "at")]) mkdirSync(path);
    mountForGuest(share, folder, join(share.directory, "at"), "rw");
    expect(asServer("cp $(command -v id) at/id && chmod 4755 at/id && chmod 777 at")).toEqual([0]);
    const find = () => execFileSync("test", ["-u", join(folder, "id")], { uid: 65_534, gid: 65_534 });
    expect(find).toThrow("Command failed");
    chmodSync(above, 0o711);
    expect(find).not.toThrow();
    expect(() => mountForGuest(share, folder, join(share.directory, "at"), "rw")).toThrow(
      `share ${folder}: other users can enter it, and a container could make programs there that run as root; add :ro`,
    );
  });

  test("refuses to open a directory once its server has ended, and never touches the host's mounts", async () => {
    await served.end(true);
    for (const pid of [served.pid ?? 2 ** 22, process.pid]) {
      writeFileSync(share.guard, `${pid}`);
      expect(() => openToGuest(share, join(share.directory, "c1/rootfs"))).toThrow("share t: the guest has ended");
    }
  });
});

test("opening is a no-op without a guard or if the user can't mount", () => {
  const directory = mkdtempSync(join(tmpdir(), "guard-"));
  openToGuest({ tag: "t", directory }, directory);
  writeFileSync(join(directory, "guard"), "0");
  const share = { tag: "t", directory, guard: join(directory, "guard") };
  openToGuest(share, directory);
  expect(() => mountForGuest(share, "/usr", directory, "ro")).toThrow(
    "mount /usr: this user can't mount in a namespace",
  );
  rmSync(directory, { recursive: true });
});
