import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, describe, expect, test } from "vitest";
import { imageSpec } from "../../image/image-config.ts";
import { addRun } from "../command/run.ts";
import { type RunFlags, runOptions } from "./run-flags.ts";

const folder = mkdtempSync(join(tmpdir(), "guestd-flags-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Parses options of `run`. */
function flagsOf(...line: string[]): RunFlags {
  const program = new Command().exitOverride().enablePositionalOptions();
  addRun(program);
  const [command] = program.commands;
  let seen: RunFlags | undefined;
  command?.exitOverride().configureOutput({ writeErr: () => undefined });
  command?.action((_words: string[], flags: RunFlags) => {
    seen = flags;
  });
  program.parse(["run", ...line, "image"], { from: "user" });
  return seen ?? expect.fail("run was not called");
}

const optionsOf = (...line: string[]) => runOptions([], flagsOf(...line));
const specOf = (...line: string[]) =>
  imageSpec({ config: { Cmd: ["x"] } }, { host: "/nonexistent", guest: "/r" }, optionsOf(...line));
const bounding = (...line: string[]) => specOf(...line).Process?.Capabilities?.Bounding ?? [];

describe("docker's options of run", () => {
  test("--env-file sets the variables of its lines, and -e has priority", () => {
    const file = join(folder, "a.env");
    writeFileSync(file, "# comment\n\nA=1\r\nB= two words  \n  C=x=y\nGUESTD_NOT_SET_HERE\n");
    expect(optionsOf("--env-file", file, "-e", "A=2").env).toEqual(["A=1", "B= two words  ", "C=x=y", "A=2"]);
    expect(specOf("--env-file", file, "-e", "A=2").Process?.Env).toContain("A=2");
    expect(specOf("--env-file", file, "-e", "A=2").Process?.Env).not.toContain("A=1");
  });

  test("--env-file names the line that it can't read, and the file that doesn't exist", () => {
    const file = join(folder, "b.env");
    writeFileSync(file, "A=1\nexport B=2\n");
    expect(() => flagsOf("--env-file", file)).toThrow(`Line 2 of ${file} is not NAME=value.`);
    expect(() => flagsOf("--env-file", join(folder, "none"))).toThrow("ENOENT");
  });

  test("--hostname, --read-only and --tmpfs are fields of the spec", () => {
    const line = ["--hostname", "db-1.local", "--read-only", "--tmpfs", "/run", "--tmpfs", "/a/../b:size=1m,mode=755"];
    const spec = specOf(...line, "--mount", "type=tmpfs,target=/c");
    expect(spec).toMatchObject({ Hostname: "db-1.local", Root: { Readonly: true } });
    const options = ["nosuid", "nodev", "noexec"];
    expect(spec.Mounts?.slice(-3)).toEqual([
      { destination: "/c", source: "tmpfs", type: "tmpfs", options },
      { destination: "/run", source: "tmpfs", type: "tmpfs", options },
      { destination: "/b", source: "tmpfs", type: "tmpfs", options: [...options, "size=1m", "mode=755"] },
    ]);
  });

  test("--cap-add and --cap-drop change Docker's capabilities, and what is added counts more", () => {
    expect(bounding()).toHaveLength(14);
    expect(bounding("--cap-add", "net_admin", "--cap-add", "CAP_CHOWN")).toEqual([...bounding(), "CAP_NET_ADMIN"]);
    expect(bounding("--cap-drop", "MKNOD", "--cap-drop", "CAP_NET_RAW")).toEqual(
      bounding().filter((each) => !["CAP_MKNOD", "CAP_NET_RAW"].includes(each)),
    );
    expect(bounding("--cap-drop", "ALL")).toEqual([]);
    expect(bounding("--cap-drop", "all", "--cap-add", "KILL")).toEqual(["CAP_KILL"]);
    expect(bounding("--cap-add", "ALL", "--cap-drop", "SYS_ADMIN")).toHaveLength(40);
    expect(bounding("--cap-drop", "KILL", "--cap-add", "KILL")).toContain("CAP_KILL");
  });

  test("--privileged has all capabilities and system calls, and hides nothing", () => {
    const spec = specOf("--privileged", "--cap-drop", "KILL");
    expect(spec.Process?.Capabilities?.Bounding).toHaveLength(41);
    expect(spec.Linux).toMatchObject({ Seccomp: { DefaultAction: "SCMP_ACT_ALLOW" } });
    expect(spec.Linux?.MaskedPaths ?? []).toEqual([]);
    expect(spec.Linux?.ReadonlyPaths ?? []).toEqual([]);
    expect(spec.Mounts?.filter(({ options }) => options?.includes("ro"))).toEqual([]);
    expect(specOf().Linux).not.toHaveProperty("Seccomp");
    expect(specOf().Mounts?.filter(({ options }) => options?.includes("ro"))).toHaveLength(2);
  });

  test("--label, --stop-signal, --stop-timeout and --timeout are kept for other commands", () => {
    const line = ["-l", "app=web=1", "--label", "empty", "--stop-signal", "SIGRTMIN+3", "--stop-timeout", "0"];
    expect(flagsOf(...line, "--timeout", "5")).toEqual({
      label: { app: "web=1", empty: "" },
      ...{ stopSignal: 37, stopTimeout: 0, timeout: 5 },
    });
    const odd = flagsOf("--label", "__proto__=x").label ?? {};
    expect(Object.entries(odd)).toEqual([["__proto__", "x"]]);
  });

  test.each([
    ["--hostname", "-a"],
    ["--hostname", "x".repeat(65)],
    ["--hostname", "a b"],
    ["--label", "=x"],
    ["--cap-add", "NOTHING"],
    ["--tmpfs", "run"],
    ["--tmpfs", "/run:a;b"],
    ["--stop-signal", "SIGRTMIN+31"],
    ["--stop-timeout", "-1"],
    ["--timeout", "0"],
  ])("%s %s is refused", (...line) => {
    expect(() => flagsOf(...line)).toThrow("Expected");
  });
});
