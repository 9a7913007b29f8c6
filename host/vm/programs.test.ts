import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { findProgram, findQemu, findVhostDeviceVsock, findVirtiofsd, hasVhostDeviceVsock } from "./programs.ts";

describe("programs", () => {
  let directory = "";

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "programs-"));
    vi.stubEnv("PATH", `${directory}:/bin:/usr/bin`);
    vi.stubEnv("GUESTD_CACHE", join(directory, "cache"));
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    await rm(directory, { recursive: true });
  });

  async function program(name: string, text: string, below = ""): Promise<string> {
    const path = join(directory, below, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `#!/bin/sh\n${text}\n`);
    await chmod(path, 0o755);
    return path;
  }

  test("prefers a program in PATH over the usual directories", async () => {
    const path = await program("some-tool", "true");
    expect(findProgram("some-tool", ["/usr/lib"])).toBe(path);
  });

  test("ignores a file that can't be executed", async () => {
    await chmod(await program("some-tool", "true"), 0o644);
    expect(findProgram("some-tool")).toBeUndefined();
  });

  const qemuSays = "echo 'virtiofsd version 7.2.22 (Debian 1:7.2)'";
  /** Output for a user with supplementary groups. */
  const qemuFails = "echo 'setgroups() failed with error=1:Operation not permitted' >&2; exit 1";
  const rustSays = "echo 'virtiofsd 1.12.0'";
  const rustTranslates = "echo 'virtiofsd 1.13.2'; echo '      --translate-uid <TRANSLATE_UID>'";

  test.each([
    ["QEMU's", "qemu", false, qemuSays],
    ["QEMU's, which does not start", "qemu", false, qemuFails],
    ["the one in Rust", "rust", false, rustSays],
    ["one in Rust that translates ids", "rust", true, rustTranslates],
    ["an old one in Rust", "rust", false, "echo 'virtiofsd backend 1.4.0'; exit 1"],
  ])("detects virtiofsd's kind from its version output: %s", async (_, kind, translates, text) => {
    vi.spyOn(process, "getuid").mockReturnValue(0);
    const path = await program("virtiofsd", text);
    expect(await findVirtiofsd()).toEqual({ path, kind, translates });
  });

  test("prefers the Rust virtiofsd for an ordinary user, and the first one for root", async () => {
    const first = await program("virtiofsd", qemuFails);
    const built = await program("virtiofsd", rustSays, "cache/tools/bin");
    vi.spyOn(process, "getuid").mockReturnValue(1000);
    expect(await findVirtiofsd()).toMatchObject({ path: built, kind: "rust" });
    vi.spyOn(process, "getuid").mockReturnValue(0);
    expect(await findVirtiofsd()).toMatchObject({ path: first, kind: "qemu" });
  });

  test("uses the packages' virtiofsd where there is no other, and their vsock device only if asked for", async () => {
    const carried = join(directory, "package");
    vi.stubEnv("PATH", directory); // the machine may have the device
    vi.spyOn(process, "getuid").mockReturnValue(1000);
    await program("virtiofsd", qemuFails);
    const own = await program("virtiofsd", rustSays, "package");
    const device = await program("vhost-device-vsock", "true", "package");
    expect(await findVirtiofsd(carried)).toMatchObject({ path: own, kind: "rust" });
    expect([hasVhostDeviceVsock(), findVhostDeviceVsock(carried)]).toEqual([false, device]);
    await program("vhost-device-vsock", "true", "cache/tools/bin");
    expect(hasVhostDeviceVsock()).toBe(true);
  });

  test("names a missing program and the command that installs it", () => {
    vi.stubEnv("PATH", directory);
    expect(() => findQemu()).toThrow(/^qemu-system-\w+ is not installed; run "\.\/guestctl setup"$/);
  });
});
