import { stat } from "node:fs/promises";
import { type Accelerator, chooseAccelerator } from "./accelerator.ts";
import { MachineError } from "./machine-error.ts";
import { imagePaths } from "./paths.ts";
import { qemuArchitecture } from "./programs.ts";
import type { QemuMachine } from "./qemu-command.ts";
import { tscKhz } from "./tsc.ts";
import type { Share } from "./virtiofs.ts";

export interface GuestOptions {
  /** 512 when left out. */
  readonly memoryMib?: number;
  /** 1 when left out. */
  readonly cpus?: number;
  /**
   * q35 only: three more processors, 4 GiB of memory in four slots and four ports for PCI devices (`port0` … `port3`) can be
   * plugged in, through `Guest.qmp`.
   */
  readonly hotplug?: boolean;
  /** The kernel, initramfs and image that the build leaves in build/image, when left out. */
  readonly kernel?: string;
  /** False for none: a kernel that has the drivers built in mounts the image itself. */
  readonly initrd?: string | false;
  /** EROFS with a pfn superblock in front, a whole number of MiB; false for none. */
  readonly image?: string | false;
  /** Words for the kernel command line, after ours. */
  readonly kernelArgs?: readonly string[];
  /** True: the kernel has its tracefs, which takes 9 MiB; false when left out. */
  readonly tracing?: boolean;
  readonly shares?: readonly Share[];
  /** More arguments for QEMU, as they are: disks, and controllers to plug into. */
  readonly qemuArgs?: readonly string[];
  /** q35 (virt on arm64) when left out. microvm gets the image as /dev/vda, without DAX. */
  readonly type?: "q35" | "microvm" | "virt";
  /** False: a microvm without PCI, all of whose devices are on virtio-mmio; it can have no shares. */
  readonly pci?: boolean;
  /** Asked of the machine when left out. */
  readonly accelerator?: Accelerator["kind"];
  /** The console line that says that the guest's listener is up; nobody may dial before. */
  readonly readyLine?: RegExp;
  /** Every line of the console as it comes. */
  readonly onConsole?: (line: string) => void;
  /** `Guest.type` can be used. */
  readonly consoleInput?: boolean;
  /** Where the console is written too; in the guest's own directory, which goes with it, when left out. */
  readonly consoleFile?: string;
  /** Aborted: the start is given up, or the guest destroyed. */
  readonly signal?: AbortSignal;
  /** Until the ready line: 60 s under KVM and 120 s under TCG when left out. */
  readonly timeoutMs?: number;
}

/** What the options come to, but for the devices that have to be started first. */
export type Machine = Omit<QemuMachine, "vsock" | "shares" | "control">;

export async function resolveMachine(options: GuestOptions): Promise<Machine> {
  const architecture = qemuArchitecture();
  const type = options.type ?? (architecture === "x86_64" ? "q35" : "virt");
  const image = options.image ?? imagePaths.image;
  const initrd = options.initrd ?? imagePaths.initrd;
  return {
    architecture,
    type,
    accelerator: options.accelerator ?? (await chooseAccelerator()).kind,
    memoryMib: options.memoryMib ?? 512,
    cpus: options.cpus ?? 1,
    hotplug: options.hotplug ?? false,
    kernel: await existing("kernel", options.kernel ?? imagePaths.kernel),
    initrd: initrd === false ? undefined : await existing("initrd", initrd),
    image: image === false ? undefined : { path: await existing("image", image), mib: await sizeMib(image) },
    kernelArgs: options.kernelArgs ?? [],
    tracing: options.tracing ?? false,
    extra: options.qemuArgs ?? [],
    ...(options.pci === undefined ? {} : { pci: options.pci }),
    ...(type === "microvm" ? { tscKhz: await tscKhz() } : {}),
  };
}

async function existing(what: "kernel" | "initrd" | "image", path: string): Promise<string> {
  await stat(path).catch((error: NodeJS.ErrnoException) => {
    const remedy = path === imagePaths[what] ? ': run "npm run build"' : "";
    throw new MachineError(`${what} ${path}: ${error.code}${remedy}`);
  });
  return path;
}

async function sizeMib(image: string): Promise<number> {
  const mib = (await stat(image)).size / 2 ** 20;
  if (!Number.isInteger(mib)) throw new MachineError(`image ${image}: not a whole number of MiB: build it again`);
  return mib;
}
