import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { EMULATED } from "../../../host/vm/qemu-command.ts";
import { type CpioEntry, cpioArchive } from "../../../rootfs-builder/initramfs/cpio.ts";
import { makeWorkDirectory } from "../../clean-up/work-directory.ts";

const repository = join(import.meta.dirname, "../../..");
const kernel = join(repository, "build/image/vmlinuz");

/** Returns why this machine can't boot init, or undefined. */
export function whyNoMachine(): string | undefined {
  if (process.arch !== "x64") return `this machine is ${process.arch}, and the test boots a PC`;
  if (!existsSync("/usr/bin/qemu-system-x86_64")) return "no qemu-system-x86_64: apt-get install qemu-system-x86";
  if (!existsSync("/bin/busybox")) return "no /bin/busybox: apt-get install busybox-static";
  return existsSync(kernel) ? undefined : `no ${kernel}: build the image first`;
}

/** A file of an initramfs. */
export const file = (path: string, content: string | Buffer, mode = 0o755): CpioEntry => ({
  path,
  type: "file",
  mode,
  content: Buffer.from(content),
});
const directories = ["bin", "dev", "proc", "sys", "run", "tmp", "lib", "usr", "usr/lib", "usr/lib/guestd"];

/**
 * Boots init from an initramfs with these files. Returns the console's text once the machine has powered off by itself.
 */
export async function boot(entries: readonly CpioEntry[], commandLine: string): Promise<string> {
  const directory = makeWorkDirectory("boot");
  const initrd = join(directory, "initrd");
  const init = readFileSync(join(repository, "build/native/init"));
  const folders = directories.map((path): CpioEntry => ({ path, type: "directory", mode: 0o755 }));
  writeFileSync(initrd, cpioArchive([...folders, file("init", init), ...entries]));
  const machine = [
    "-M",
    "q35",
    "-accel",
    "tcg",
    "-cpu",
    "max",
    "-m",
    "256",
    "-nodefaults",
    "-no-user-config",
    "-no-reboot",
  ];
  const serial = ["-display", "none", "-serial", "stdio"];
  const system = [
    "-kernel",
    kernel,
    "-initrd",
    initrd,
    "-append",
    `console=ttyS0 loglevel=1 panic=-1 cryptomgr.notests ${EMULATED.join(" ")} ${commandLine}`,
  ];
  // QEMU dies with a test run that is killed.
  const command = ["--pdeathsig", "KILL", "/usr/bin/qemu-system-x86_64"];
  const qemu = spawn("setpriv", [...command, ...machine, ...serial, ...system], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const limit = setTimeout(() => qemu.kill("SIGKILL"), 110_000);
  const stop = () => qemu.kill("SIGKILL");
  process.once("exit", stop);
  let console = "";
  for (const stream of [qemu.stdout, qemu.stderr]) {
    stream.on("data", (data: Buffer) => {
      console += data.toString();
    });
  }
  try {
    const [code] = await once(qemu, "close");
    expect(code, `the machine did not power off within 110 s; its console: ${console}`).toBe(0);
    return console.replaceAll("\r", "");
  } finally {
    clearTimeout(limit);
    process.off("exit", stop);
    rmSync(directory, { recursive: true, force: true });
  }
}
