import { access, constants, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { Child } from "./child.ts";
import { Console } from "./console.ts";
import { MachineError } from "./machine-error.ts";
import { acceleratorFile, cachedKernels } from "./paths.ts";
import { findQemu, qemuArchitecture } from "./programs.ts";

/** KVM, or QEMU's software emulation (TCG, some twenty times slower), and why. */
export interface Accelerator {
  readonly kind: "kvm" | "tcg";
  readonly reason: string;
}

export interface AcceleratorOptions {
  /** Where the answer is kept. */
  readonly file?: string;
  /** The KVM device. */
  readonly device?: string;
  /** How KVM is tried. */
  readonly probe?: () => Promise<Accelerator>;
}

/** Milliseconds in which a guest has to show life under KVM; a good one takes about 300. */
const PROBE_MS = 3000;

/**
 * KVM where it can really start a guest, else TCG. A /dev/kvm may open, run firmware, and then take minutes for a kernel
 * (nested, or a KVM for guests of one kind only), so a kernel is started once per boot of this machine and the answer is
 * kept in build/. GUESTD_ACCEL=kvm or tcg decides without a look.
 */
export async function chooseAccelerator(options: AcceleratorOptions = {}): Promise<Accelerator> {
  const { file = acceleratorFile, device = "/dev/kvm", probe = probeKvm } = options;
  const wish = process.env["GUESTD_ACCEL"] ?? "";
  if (wish === "kvm" || wish === "tcg") return { kind: wish, reason: "GUESTD_ACCEL says so" };
  if (wish !== "") throw new MachineError(`GUESTD_ACCEL is "${wish}": set it to kvm or tcg, or leave it out`);
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

/** Starts a kernel with nothing to run: it panics, and `panic=-1` with -no-reboot ends QEMU with status 0. */
async function probeKvm(): Promise<Accelerator> {
  const kernel = cachedKernels()[0]?.kernel;
  if (kernel === undefined) throw new MachineError('no kernel to try KVM with: run "npm run setup"');
  const [type, serial] = qemuArchitecture() === "x86_64" ? ["q35", "ttyS0"] : ["virt", "ttyAMA0"];
  const qemu = new Child("QEMU", [
    ...[findQemu(), "-M", type, "-accel", "kvm", "-cpu", "host", "-m", "256M", "-nodefaults", "-no-user-config"],
    ...[
      "-display",
      "none",
      "-serial",
      "stdio",
      "-no-reboot",
      "-kernel",
      kernel,
      "-append",
      `console=${serial} panic=-1`,
    ],
  ]);
  const output = new Console({ lines: 200 });
  output.read(qemu.stdout);
  const late = setTimeout(() => qemu.kill("SIGKILL"), PROBE_MS);
  const { status } = await qemu.ended;
  clearTimeout(late);
  if (status === 0 && output.text.includes("Kernel panic")) return { kind: "kvm", reason: "a guest starts under KVM" };
  const why = status === undefined ? `not within ${PROBE_MS / 1000} s` : qemu.messages.tail(1).join("");
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
