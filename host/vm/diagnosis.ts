import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { guestPackage, guestPackageName } from "../../lib/guest-package.ts";
import { isCheckout } from "../../lib/package-root.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { cgroupPlace } from "./cgroup/cgroup-place.ts";
import { setupCommand } from "./guestctl-command.ts";
import { chosenKernel, imagePaths } from "./paths.ts";
import { findProgram, findQemu, findVhostDeviceVsock, findVirtiofsd, hasVhostDeviceVsock } from "./programs.ts";
import { FILTER } from "./qemu-command.ts";
import { startRemedy } from "./start-failures.ts";
import { vhostVsockUsable } from "./vsock-device.ts";

/** State of something that guests need, or are better with. */
export interface Finding {
  readonly name: string;
  readonly state: "ok" | "better" | "missing";
  /** One line: what was found or, unless the state is ok, what is wrong and the remedy. */
  readonly text: string;
}

/** Memory that a guest of the default size takes, with QEMU and its devices. */
const GUEST_KIB = 700 * 1024;

/** Returns what guests need on this machine, in the order of their start. Changes nothing. */
export async function diagnose(): Promise<readonly Finding[]> {
  return [
    ...[node(), guest(), kernel(), await qemu(), setpriv(), await virtiofsd()],
    ...[await vsock(), await kvm(), await memory(), cgroup()],
  ];
}

function node(): Finding {
  return { name: "Node", state: "ok", text: `${process.version}, ${process.execPath}` };
}

function guest(): Finding {
  const found = isCheckout() ? existsSync(imagePaths.image) && imagePaths.image : guestPackage();
  if (found) return { name: "guest", state: "ok", text: found };
  const remedy = isCheckout() ? "run npm run build" : `install ${guestPackageName()}`;
  return missing("guest", `there is no guest for this machine's architecture; ${remedy}`);
}

function kernel(): Finding {
  const found = chosenKernel();
  if (found !== undefined) return { name: "kernel", state: "ok", text: `${found.version}, ${found.kernel}` };
  return missing("kernel", `there is none for guests; run ${setupCommand()}, or ${setupCommand(" --kernel FILE")}`);
}

async function qemu(): Promise<Finding> {
  const found = needed("QEMU", findQemu, "runs guests");
  if (found.state !== "ok") return found;
  const filter = ["-sandbox", FILTER, "-version"];
  const failed = await promisify(execFile)(found.text, filter, { timeout: 5000 }).then(
    () => undefined,
    (error: { stderr?: string; message: string }) => (error.stderr || error.message).trim().split("\n").at(-1) ?? "",
  );
  if (failed === undefined) return found;
  return missing("QEMU", `${failed}; ${startRemedy(failed) ?? `run ${setupCommand()}`}`);
}

function cgroup(): Finding {
  const place = cgroupPlace();
  if (!("folder" in place)) {
    const what = "guests' programs have no limits on memory, processes and processors";
    return better("cgroup", `${what}: ${place.missing}; ${place.remedy}`);
  }
  const { folder, limitsProcessors } = place;
  if (limitsProcessors)
    return { name: "cgroup", state: "ok", text: `guests' memory, processes and processors: ${folder}` };
  const remedy = "with systemd, give Delegate=cpu memory pids to user@.service";
  return better("cgroup", `guests' memory and processes: ${folder}; their processors have no limit: ${remedy}`);
}

function setpriv(): Finding {
  return needed(
    "setpriv",
    () => findProgram("setpriv"),
    "ends the program of a guest's share with its monitor; part of util-linux",
  );
}

async function virtiofsd(): Promise<Finding> {
  const found = await findVirtiofsd().catch(() => undefined);
  if (found === undefined)
    return better("virtiofsd", `not found; run -v needs it: run ${setupCommand(" --virtiofsd")}`);
  const { path, kind, translates } = found;
  if (kind === "rust") return { name: "virtiofsd", state: "ok", text: `${path}${translates ? ", maps owners" : ""}` };
  if (process.getuid?.() === 0) return { name: "virtiofsd", state: "ok", text: `${path}, of QEMU` };
  const remedy = `run ${setupCommand(" --virtiofsd")}, which builds the one in Rust`;
  return better("virtiofsd", `${path} is QEMU's, which needs root; run -v needs another: ${remedy}`);
}

async function vsock(): Promise<Finding> {
  if (await vhostVsockUsable()) return { name: "vsock", state: "ok", text: "/dev/vhost-vsock" };
  const remedy = "for the kernel's: modprobe vhost_vsock, and add yourself to its group, kvm";
  const instead = hasVhostDeviceVsock() ? findVhostDeviceVsock() : "virtio-serial";
  return better("vsock", `${instead}, as /dev/vhost-vsock is unusable; ${remedy}`);
}

async function kvm(): Promise<Finding> {
  const slower = "guests run some twenty times slower";
  try {
    const { kind, reason } = await chooseAccelerator();
    if (kind === "kvm") return { name: "KVM", state: "ok", text: reason };
    return better("KVM", `${slower}: ${reason}; enable virtualization for this machine, and join the group kvm`);
  } catch (error) {
    return better("KVM", `not tried: ${(error as Error).message}`);
  }
}

async function memory(): Promise<Finding> {
  const text = await readFile("/proc/meminfo", "utf8");
  const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0);
  const mib = `${Math.round(available / 1024)} MiB available`;
  if (available >= GUEST_KIB) return { name: "memory", state: "ok", text: mib };
  return better(
    "memory",
    `${mib}, and a guest takes up to ${GUEST_KIB / 1024}; free some, or use a smaller --vm-memory`,
  );
}

/** Returns the path that `find` returns; missing if it returns none or throws. */
function needed(name: string, find: () => string | undefined, purpose: string): Finding {
  try {
    const path = find();
    if (path !== undefined) return { name, state: "ok", text: path };
  } catch {
    // Reported below.
  }
  return missing(name, `not found (${purpose}); run ${setupCommand()}`);
}

function missing(name: string, text: string): Finding {
  return { name, state: "missing", text };
}

function better(name: string, text: string): Finding {
  return { name, state: "better", text };
}
