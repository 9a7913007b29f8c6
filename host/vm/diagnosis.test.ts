import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { diagnose } from "./diagnosis.ts";
import { qemuArchitecture } from "./programs.ts";

/** Puts a QEMU in front of PATH that says this about -sandbox. */
function putQemu(script: string): string {
  const directory = mkdtempSync(join(tmpdir(), "diagnosis-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const qemu = join(directory, `qemu-system-${qemuArchitecture()}`);
  writeFileSync(qemu, `#!/bin/sh\n${script}\n`);
  chmodSync(qemu, 0o755);
  vi.stubEnv("PATH", `${directory}${delimiter}${process.env["PATH"]}`);
  vi.stubEnv("GUESTD_ACCEL", "tcg");
  onTestFinished(() => void vi.unstubAllEnvs());
  return qemu;
}

const find = async (wanted: string) => (await diagnose()).find(({ name }) => name === wanted);

test("a QEMU that was built without seccomp is reported as missing, with a remedy", async () => {
  putQemu('echo "qemu: -sandbox support is not enabled in this QEMU binary" >&2; exit 1');
  expect(await find("QEMU")).toEqual({
    name: "QEMU",
    state: "missing",
    text: expect.stringMatching(/^qemu: -sandbox support .*; this QEMU was built without seccomp.*; run [^\n]+$/),
  });
});

test("a QEMU that takes the filter is ok, and the line of the cgroup says where it is or what to do", async () => {
  const qemu = putQemu('[ "$1" = -sandbox ] && [ "$3" = -version ]');
  expect(await find("QEMU")).toEqual({ name: "QEMU", state: "ok", text: qemu });
  expect((await find("cgroup"))?.text).toMatch(
    /^guests' (memory, processes and processors: \/|memory and processes: \/[^;]*; |programs have no limits [^;]+: [^;]+; )/,
  );
});
