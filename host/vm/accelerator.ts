import { access, constants, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeTemporaryFolder } from "../private-folder.ts";
import { Child, isNotRun } from "./child.ts";
import { setupCommand } from "./guestctl-command.ts";
import { MachineError } from "./machine-error.ts";
import { acceleratorFile, chosenKernel } from "./paths.ts";
import { findQemu, qemuArchitecture } from "./programs.ts";

/** KVM or QEMU's software emulation (TCG, about twenty times slower), and the reason for the choice. */
export interface Accelerator {
  readonly kind: "kvm" | "tcg";
  readonly reason: string;
}

export interface AcceleratorOptions {
  /** File that caches the result. */
  readonly file?: string;
  /** Path of the KVM device. */
  readonly device?: string;
  /** Replaces the KVM probe. */
  readonly probe?: () => Promise<Accelerator>;
}

/** Time limit in milliseconds for a sign of life under KVM; a working one takes about 300. */
const PROBE_MS = 3000;

/**
 * Chooses KVM if it can really start a guest, otherwise TCG. A /dev/kvm may open and run firmware but then take minutes
 * for a kernel (if nested, or limited to one kind of guest), so this starts a kernel once per boot of the host and
 * caches the result. GUESTD_ACCEL=kvm or tcg overrides the probe.
 */
export async function chooseAccelerator(options: AcceleratorOptions = {}): Promise<Accelerator> {
  const { file = acceleratorFile(), device = "/dev/kvm", probe = probeKvm } = options;
  const wish = process.env["GUESTD_ACCEL"] ?? "";
  if (wish === "kvm" || wish === "tcg") return { kind: wish, reason: "set by GUESTD_ACCEL" };
  if (wish !== "") throw new MachineError(`GUESTD_ACCEL is "${wish}"; set it to kvm or tcg, or unset it`);
  const closed = await access(device, constants.R_OK | constants.W_OK).catch((error: NodeJS.ErrnoException) => error);
  if (closed !== undefined) return { kind: "tcg", reason: `${device} cannot be opened: ${closed.code}` };
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  const known = await readFile(file, "utf8").then(parse, () => undefined);
  if (known?.boot === boot) return { kind: known.kind, reason: known.reason };
  const found = await probe();
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify({ boot, ...found })}\n`);
  return found;
}

/** Starts a kernel without an init: it panics, and `panic=-1` with -no-reboot makes QEMU exit with status 0. */
async function probeKvm(): Promise<Accelerator> {
  const kernel = chosenKernel()?.kernel;
  if (kernel === undefined)
    throw new MachineError(`no kernel to probe KVM with; run "${setupCommand()}"`, { kind: "not-installed" });
  const [type, serial] = qemuArchitecture() === "x86_64" ? ["q35", "ttyS0"] : ["virt", "ttyAMA0"];
  const directory = makeTemporaryFolder("guestd-kvm-");
  try {
    const command = [
      ...[findQemu(), "-M", type, "-accel", "kvm", "-cpu", "host", "-m", "256M", "-nodefaults", "-no-user-config"],
      ...["-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", kernel],
      ...["-append", `console=${serial} panic=-1`],
    ];
    return await resultOf(Child.start("QEMU", command, { place: join(directory, "qemu") }));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function resultOf(qemu: Child): Promise<Accelerator> {
  const late = setTimeout(() => qemu.kill("SIGKILL"), PROBE_MS);
  const ended = await qemu.ended;
  clearTimeout(late);
  // Not a finding about KVM, which would be kept until the next boot of the host.
  if (isNotRun(ended)) throw await qemu.failure();
  const { status } = ended;
  const output = await readFile(qemu.record.output, "utf8");
  if (status === 0 && output.includes("Kernel panic")) return { kind: "kvm", reason: "a guest starts under KVM" };
  const why = status === undefined ? `not within ${PROBE_MS / 1000} s` : qemu.errors(1).join("");
  return { kind: "tcg", reason: `/dev/kvm opens, but a guest does not start under it: ${why}` };
}

function parse(text: string): (Accelerator & { boot: string }) | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("boot" in value && "kind" in value && "reason" in value))
      return;
    const { boot, kind, reason } = value;
    if (typeof boot !== "string" || typeof reason !== "string" || (kind !== "kvm" && kind !== "tcg")) return undefined;
    return { boot, kind, reason };
  } catch {
    return undefined;
  }
}
