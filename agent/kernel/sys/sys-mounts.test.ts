import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRoot } from "../../../lib/is-root.ts";
import { MNT_DETACH, MOUNT_ATTR_NODEV, MOUNT_ATTR_RDONLY, MS_NOSUID } from "../constants.ts";
import { leavesNoDescriptors } from "../testing/leaves-no-descriptors.ts";
import { openSys } from "./sys.ts";

const sys = openSys();
const why = isRoot() ? "" : " (skipped: needs root)";
const DEVPTS = [["newinstance"], ["ptmxmode", "0666"], ["mode", "0620"]] as const;
let dir = "";

leavesNoDescriptors();
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "guestd-mounts-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

const mountLine = (path: string) =>
  readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .find((line) => line.split(" ")[1] === path);

test("a failed mount names type, source, target and reason", async () => {
  const missing = join(dir, "missing");
  await expect(sys.mount("tmpfs", missing, "tmpfs", 0, "")).rejects.toThrow(
    isRoot() ? `mount tmpfs tmpfs on ${missing}: ENOENT` : /^mount tmpfs tmpfs on .*: (ENOENT|EPERM)/,
  );
  await expect(sys.umount(missing, 0)).rejects.toThrow(`umount ${missing}: E`);
});

test("an unknown file system is refused, naming it", () => {
  expect(() => sys.detachedMount("nosuchfs", [], 0)).toThrow(
    isRoot() ? "fsopen nosuchfs: ENODEV" : "fsopen nosuchfs: E",
  );
});

test("openTerminal refuses a directory that isn't a devpts", () => {
  const fd = openSync(dir, "r");
  expect(() => sys.openTerminal(fd)).toThrow(`open terminal in fd ${fd}: ENODEV (not a devpts directory)`);
  expect(() => sys.terminalNumber(fd)).toThrow(`ioctl TIOCGPTN fd ${fd}: ENOTTY`);
  expect(() => sys.terminalPeer(fd)).toThrow(`ioctl TIOCGPTPEER fd ${fd}: ENOTTY`);
  expect(() => sys.setWindowSize(fd, 1, 1)).toThrow(`ioctl TIOCSWINSZ fd ${fd}: ENOTTY`);
  closeSync(fd);
});

describe.skipIf(!isRoot())(`with root${why}`, () => {
  test("a mount is created with its flags and data off the main thread, and removed", async () => {
    await sys.mount("guestd-test", dir, "tmpfs", MS_NOSUID, "size=64k");
    try {
      expect(mountLine(dir)).toMatch(/^guestd-test \S+ tmpfs rw,nosuid,.*size=64k/);
    } finally {
      await sys.umount(dir, MNT_DETACH);
    }
    expect(mountLine(dir)).toBeUndefined();
  });

  test("a detached tmpfs has its options, and keeps files, although nothing is mounted on a path", () => {
    const fd = sys.detachedMount("tmpfs", [["size", "64k"], ["mode", "0700"], ["noswap"]], MOUNT_ATTR_NODEV);
    const path = `/proc/self/fd/${fd}/`;
    const { type, blocks, bsize } = statfsSync(path);
    expect([type, blocks * bsize, statSync(path).mode & 0o777]).toEqual([0x01021994, 65_536, 0o700]);
    writeFileSync(`${path}file`, "in it");
    expect(readFileSync(`${path}file`, "utf8")).toBe("in it");
    sys.close(fd);
  });

  test("attributes apply to the detached mount itself", () => {
    const fd = sys.detachedMount("tmpfs", [], MOUNT_ATTR_RDONLY);
    expect(() => mkdirSync(`/proc/self/fd/${fd}/x`)).toThrow("EROFS");
    sys.close(fd);
  });

  test("a bad option is reported in the kernel's words", () => {
    expect(() => sys.detachedMount("tmpfs", [["size", "lots"]], 0)).toThrow(
      "fsconfig tmpfs: EINVAL (tmpfs: Bad value for 'size')",
    );
    expect(() => sys.detachedMount("tmpfs", [["nosuchoption"]], 0)).toThrow(
      "fsconfig tmpfs: EINVAL (tmpfs: Unknown parameter 'nosuchoption')",
    );
    expect(() => sys.detachedMount("tmpfs", [], 0x8000)).toThrow("fsmount tmpfs: EINVAL (invalid argument)");
  });

  test("a pty of a detached devpts has number 0, keeps the size that was set, and ends with its last slave", async () => {
    const devpts = sys.detachedMount("devpts", DEVPTS, 0);
    const master = sys.openTerminal(devpts);
    expect(sys.terminalNumber(master)).toBe(0);
    expect(existsSync(`/proc/self/fd/${devpts}/0`)).toBe(true);
    const peer = sys.terminalPeer(master);
    sys.setWindowSize(master, 30, 100);
    expect(execFileSync("stty", ["size"], { stdio: [peer, "pipe", "inherit"] }).toString()).toBe("30 100\n");
    sys.setWindowSize(master, 50, 132);
    expect(execFileSync("stty", ["size"], { stdio: [peer, "pipe", "inherit"] }).toString()).toBe("50 132\n");
    sys.write(peer, Buffer.from("shown\n"));
    const into = new Uint8Array(64);
    expect(Buffer.from(into.subarray(0, sys.read(master, into))).toString()).toBe("shown\r\n");
    const end = sys.poll(master, "read");
    sys.close(peer);
    await end;
    expect(sys.read(master, into)).toBe(0);
    sys.close(master);
    sys.close(devpts);
  });

  test("a ptmx with another mount on top is refused", async () => {
    await sys.mount("devpts", dir, "devpts", 0, "newinstance,ptmxmode=0666");
    try {
      await sys.mount("/dev/null", join(dir, "ptmx"), "", 4096, "");
      const fd = openSync(dir, "r");
      expect(() => sys.openTerminal(fd)).toThrow(`open terminal in fd ${fd}: EXDEV`);
      closeSync(fd);
    } finally {
      await sys.umount(dir, MNT_DETACH);
    }
  });
});
