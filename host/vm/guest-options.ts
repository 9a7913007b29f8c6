import { readFile, stat } from "node:fs/promises";
import { type Accelerator, chooseAccelerator } from "./accelerator.ts";
import { guestFiles } from "./guest-files.ts";
import { MachineError } from "./machine-error.ts";
import { imagePaths } from "./paths.ts";
import { qemuArchitecture } from "./programs.ts";
import type { QemuMachine } from "./qemu-command.ts";
import { USER_NETWORK, type UserNetwork } from "./user-network.ts";
import type { Share } from "./virtiofs.ts";
import { chooseVsock, type VsockKind } from "./vsock-device.ts";
import type { WritableDisk } from "./writable-disks.ts";

export interface GuestOptions {
  /** Default: 512. */
  readonly memoryMib?: number;
  /** Default: 1. */
  readonly cpus?: number;
  /**
   * q35 only: allows plugging in three more processors, 4 GiB of memory in four slots and PCI devices in four ports
   * (`port0` … `port3`) through `Guest.qmp`.
   */
  readonly hotplug?: boolean;
  /** Default for this and the next two: the files that the build writes to build/image, or those of the installed guest package. */
  readonly kernel?: string;
  /** False for none: a kernel with built-in drivers mounts the image itself. */
  readonly initrd?: string | false;
  /** EROFS image with a pfn superblock in front, a whole number of MiB; false for none. */
  readonly image?: string | false;
  /** Words to append to the kernel command line. */
  readonly kernelArgs?: readonly string[];
  /** True to keep the kernel's tracefs, which takes 9 MiB of memory. Default: false. */
  readonly tracing?: boolean;
  readonly shares?: readonly Share[];
  /** None by default. */
  readonly network?: UserNetwork;
  /** True for a guest into which disks can be plugged (`attachDisk`). */
  readonly hasDisks?: boolean;
  /** With `hasDisks`: writable disks that it has from its start. */
  readonly writable?: readonly WritableDisk[];
  /** Additional raw QEMU arguments, such as disks and controllers. */
  readonly qemuArgs?: readonly string[];
  /** Default: q35, or virt on arm64. microvm gets the image as /dev/vda, without DAX. */
  readonly type?: "q35" | "microvm" | "virt" | undefined;
  /** False for a microvm without PCI: all its devices use virtio-mmio, and it can't have shares. */
  readonly pci?: boolean;
  /** Default: the result of `chooseAccelerator`. */
  readonly accelerator?: Accelerator["kind"];
  /** Default: the result of `chooseVsock`. */
  readonly vsock?: VsockKind | undefined;
  /** Console line that reports the guest's listener as ready; dialling earlier fails. */
  readonly readyLine?: RegExp;
  /** Called with every console line. */
  readonly onConsole?: (line: string) => void;
  /** True to allow `Guest.type`. */
  readonly consoleInput?: boolean;
  /** File that records the console; by default in the guest's own directory, which is removed with it. */
  readonly consoleFile?: string;
  /** Aborting it cancels the start or destroys the guest. */
  readonly signal?: AbortSignal;
  /** Time limit for the ready line; default: 60 s under KVM, 120 s under TCG. */
  readonly timeoutMs?: number;
}

/** The resolved options, without the devices that start first. */
export type Machine = Omit<QemuMachine, "vsock" | "shares" | "control" | "incoming">;

export async function resolveMachine(options: GuestOptions): Promise<Machine> {
  const architecture = qemuArchitecture();
  const type = options.type ?? (architecture === "x86_64" ? "q35" : "virt");
  const { kernel, initrd, image } = await bootFiles(options);
  const vsock = await chooseVsock(options.vsock);
  return {
    architecture,
    type,
    accelerator: options.accelerator ?? (await chooseAccelerator()).kind,
    memoryMib: options.memoryMib ?? 512,
    cpus: options.cpus ?? 1,
    hotplug: options.hotplug ?? false,
    kernel: await existing("kernel", kernel),
    initrd: initrd === false ? undefined : await existing("initrd", initrd),
    image: image === false ? undefined : { path: await existing("image", image), mib: await sizeMib(image) },
    kernelArgs: options.kernelArgs ?? [],
    tracing: options.tracing ?? false,
    extra: options.qemuArgs ?? [],
    disks: options.hasDisks ? [] : undefined,
    writable: options.writable,
    ...(options.network === undefined
      ? {}
      : { card: { ...options.network, mac: USER_NETWORK.mac, port: "card" as const } }),
    // With the kernel's vsock, clones map a template's file, in which QEMU would punch holes for all of them.
    returnsMemory: options.pci !== false && (type !== "q35" || vsock !== "vhost"),
    ...(vsock === "serial" ? { hasChannel: true } : {}),
    pci: options.pci,
    ...(type === "microvm" ? { tscKhz: await tscKhz() } : {}),
  };
}

/** Returns the given files, with the usual ones in place of those that aren't given. */
async function bootFiles({ kernel, initrd, image }: GuestOptions) {
  if (kernel !== undefined && initrd !== undefined && image !== undefined) return { kernel, initrd, image };
  const usual = await guestFiles();
  return { kernel: kernel ?? usual.kernel, initrd: initrd ?? usual.initrd, image: image ?? usual.image };
}

async function existing(what: "kernel" | "initrd" | "image", path: string): Promise<string> {
  await stat(path).catch((error: NodeJS.ErrnoException) => {
    const why = `${what} ${path}: ${error.code}`;
    if (path !== imagePaths[what]) throw new MachineError(why, { cause: error });
    throw new MachineError(`${why}; run "npm run build"`, { kind: "not-installed" });
  });
  return path;
}

async function sizeMib(image: string): Promise<number> {
  const mib = (await stat(image)).size / 2 ** 20;
  if (!Number.isInteger(mib)) throw new MachineError(`image ${image}: not a whole number of MiB; build it again`);
  return mib;
}

/** Returns the frequency of the host's time stamp counter in kHz, which a microvm guest can't measure itself. */
async function tscKhz(): Promise<number> {
  const mhz = /^cpu MHz\s*: ([\d.]+)$/m.exec(await readFile("/proc/cpuinfo", "utf8"))?.[1];
  if (mhz === undefined) throw new MachineError("/proc/cpuinfo: no CPU frequency; microvm guests need an x86 host");
  return Math.round(Number(mhz) * 1000);
}
