import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { chooseAccelerator } from "../accelerator.ts";
import { MachineError } from "../machine-error.ts";
import { qemuArchitecture } from "../programs.ts";
import { chooseVsock } from "../vsock-device.ts";
import { commandShape } from "./command-shape.ts";
import { fileDigest } from "./file-digest.ts";
import { AGAIN, type BootFile, type Manifest } from "./manifest.ts";

/** Rejects with one line if this machine or a file isn't as when the snapshot was made. */
export async function checkMachine(snapshot: string, manifest: Manifest): Promise<void> {
  const { machine, command, vsock, processor } = manifest;
  expectSame(snapshot, "architecture", machine.architecture, qemuArchitecture());
  expectSame(snapshot, "accelerator", machine.accelerator, (await chooseAccelerator()).kind);
  // The channel is on every machine.
  if (vsock !== "serial") expectSame(snapshot, "vsock device", vsock, await chooseVsock());
  expectSame(snapshot, "processor", processor, await processorOf(machine.accelerator));
  if (commandShape(machine) !== command) {
    throw new MachineError(`restore ${snapshot}: guests of this guestctl have other devices; ${AGAIN}`);
  }
  for (const name of ["kernel", "initrd", "image"] as const) await checkFile(snapshot, name, manifest[name]);
  for (const disk of manifest.disks) await checkFile(snapshot, "disk", disk);
}

/** Rejects if the QEMU that was started has another version. */
export function checkQemu(snapshot: string, { qemu }: Manifest, version: string): void {
  expectSame(snapshot, "QEMU", qemu, version);
}

/** Returns model and flags of the host's processor under KVM, which the guest has too. */
export async function processorOf(accelerator: "kvm" | "tcg"): Promise<string> {
  if (accelerator === "tcg") return "";
  const text = await readFile("/proc/cpuinfo", "utf8");
  const [model, flags] = [/^model name\s*: (.*)$/m.exec(text)?.[1], /^(?:flags|Features)\s*: (.*)$/m.exec(text)?.[1]];
  const digest = createHash("sha256").update(`${flags}`).digest("hex");
  return `${model ?? "unknown"}, flags ${digest.slice(0, 12)}`;
}

async function checkFile(snapshot: string, name: string, file: BootFile | undefined): Promise<void> {
  if (file === undefined) return;
  const digest = await fileDigest(file.path).catch((error: NodeJS.ErrnoException) => {
    throw new MachineError(`restore ${snapshot}: ${name} ${file.path}: ${error.code}; ${AGAIN}`, { cause: error });
  });
  if (digest === file.digest) return;
  throw new MachineError(`restore ${snapshot}: ${name} ${file.path} has changed since; ${AGAIN}`);
}

function expectSame(snapshot: string, what: string, then: string, now: string): void {
  if (then === now) return;
  throw new MachineError(`restore ${snapshot}: ${what} was ${then || "none"} and is ${now || "none"}; ${AGAIN}`);
}
