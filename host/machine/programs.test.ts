import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { findProgram, findQemu, findVirtiofsd } from "./programs.ts";

describe("programs", () => {
  let directory = "";

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "programs-"));
    vi.stubEnv("PATH", `${directory}:/bin:/usr/bin`);
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(directory, { recursive: true });
  });

  async function program(name: string, text: string): Promise<string> {
    const path = join(directory, name);
    await writeFile(path, `#!/bin/sh\n${text}\n`);
    await chmod(path, 0o755);
    return path;
  }

  test("a program in PATH goes before one in its usual places", async () => {
    const path = await program("some-tool", "true");
    expect(findProgram("some-tool", ["/usr/lib"])).toBe(path);
  });

  test("a file that may not be executed is no program", async () => {
    await chmod(await program("some-tool", "true"), 0o644);
    expect(findProgram("some-tool")).toBeUndefined();
  });

  test("QEMU's virtiofsd is known by what it says of its version", async () => {
    const path = await program("virtiofsd", "echo 'virtiofsd version 7.2.22 (Debian 1:7.2)'");
    expect(await findVirtiofsd()).toEqual({ path, kind: "qemu" });
  });

  test("virtiofsd in Rust is known too", async () => {
    const path = await program("virtiofsd", "echo 'virtiofsd 1.13.2'");
    expect(await findVirtiofsd()).toEqual({ path, kind: "rust" });
  });

  test("what is missing is said in one line with the command that helps", () => {
    vi.stubEnv("PATH", directory);
    expect(() => findQemu()).toThrow(/^qemu-system-\w+ is not installed: run "npm run setup"$/);
  });
});
