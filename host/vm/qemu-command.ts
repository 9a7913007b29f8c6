import { DISK_SHARE, SLOTS } from "./disk-memory.ts";
import { diskArguments, type PluggedDisk } from "./disks.ts";
import {
  CHANNEL_NAME,
  channelBus,
  deviceArguments,
  doubleCommas,
  portArguments,
  type SharePlace,
  shareDevice,
  vsockDevice,
} from "./plugged-device.ts";
import { cardArguments, type NetworkCard } from "./user-network.ts";
import type { VsockBackend } from "./vsock-device.ts";
import { type WritableDisk, writableArguments } from "./writable-disks.ts";

/** Resources that can be plugged into a guest with `hotplug`, beyond the initial ones. */
const MORE_CPUS = 3;
const MORE_SLOTS = 4;
const MORE_MIB = 4096;
const MORE_PORTS = 4;

/** QEMU's seccomp filter: no fork or exec, no change of ids or priorities. The kernel kills a QEMU that tries. */
export const FILTER = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/**
 * MiB of the cache for translated code, which QEMU empties when it is full. With less, V8's new code empties it too often: 64
 * make a compiler in the guest 1.7 times as slow, while QEMU's own default lets each guest take 1 GiB
 * (docs/numbers.md#the-translation-cache).
 */
const TRANSLATED_MIB = 96;

/** The guest's kernel reports free memory in blocks of 2 MiB, which QEMU gives back. With an address of its own it moves no other device. */
const BALLOON = ["-device", "virtio-balloon-pci,id=balloon,free-page-reporting=on,addr=0x1b"];

/** Input of QEMU's command line. Sizes are in MiB, paths are absolute. */
export interface QemuMachine {
  readonly architecture: "x86_64" | "aarch64";
  readonly type: "q35" | "microvm" | "virt";
  /** False for a microvm without PCI: all its devices use virtio-mmio, and it can't have shares. */
  readonly pci?: boolean | undefined;
  readonly accelerator: "kvm" | "tcg";
  readonly memoryMib: number;
  readonly cpus: number;
  /** MiB that the balloon leaves the guest; default: all of its memory. */
  readonly usableMib?: number | undefined;
  /** True to leave room for plugging in processors, memory and devices. */
  readonly hotplug: boolean;
  /** Path of the control socket. */
  readonly control?: string;
  readonly kernel: string;
  readonly initrd: string | undefined;
  /** Path and size of a disk image, read-only and shared by all guests: /dev/pmem0, or /dev/vda on microvm. */
  readonly image: { readonly path: string; readonly mib: number } | undefined;
  readonly kernelArgs: readonly string[];
  /** True to keep the kernel's tracefs. */
  readonly tracing?: boolean;
  /** True for a guest that returns the memory which it frees to the host. */
  readonly returnsMemory?: boolean | undefined;
  /** True for a guest that is reached over virtio-serial: `vsock` is a port of it. */
  readonly hasChannel?: boolean;
  /** Undefined if it is plugged in later, as in a restored guest. */
  readonly vsock: VsockBackend | undefined;
  readonly shares: readonly SharePlace[];
  readonly card?: NetworkCard;
  /** Set for a guest that can have disks: those that it had when it was saved. */
  readonly disks?: readonly PluggedDisk[] | undefined;
  /** Its writable disks, of a guest with `disks`. */
  readonly writable?: readonly (WritableDisk & { readonly unit?: number })[] | undefined;
  /** A guest that waits for a snapshot's state: the file with its memory, mapped copy-on-write, or "empty". */
  readonly incoming?: { readonly memory: string | "empty" };
  /** Additional raw arguments. */
  readonly extra?: readonly string[];
  /** TSC frequency in kHz; without it, a microvm guest hangs. */
  readonly tscKhz?: number;
}

/** Returns QEMU's arguments, without the program. The serial console uses stdin and stdout. */
export function qemuArguments(machine: QemuMachine): readonly string[] {
  return [
    ...["-M", machineType(machine), "-accel", accelerator(machine)],
    ...["-cpu", processorModel(machine), "-smp", processors(machine)],
    ...["-m", memory(machine)],
    ...["-object", memoryBackend(machine)],
    // -display none rather than -nographic, with which the firmware writes to the serial line too.
    ..."-nodefaults -no-user-config -display none -serial stdio -no-reboot".split(" "),
    ...["-sandbox", FILTER],
    ...(machine.incoming === undefined ? bootArguments(machine) : []),
    ...imageDevice(machine),
    ...portArguments(machine.type),
    ...(machine.returnsMemory ? BALLOON : []),
    ...(machine.hasChannel ? deviceArguments(channelBus(machine)) : []),
    ...(machine.vsock === undefined ? [] : deviceArguments(vsockDevice(machine.vsock, machine))),
    ...(machine.hotplug ? ports() : []),
    ...(machine.control === undefined ? [] : ["-qmp", `unix:${doubleCommas(machine.control)},server=on,wait=off`]),
    ...machine.shares.flatMap((share, index) => deviceArguments(shareDevice(share, index, machine))),
    ...(machine.card === undefined ? [] : cardArguments(machine.card, machine)),
    ...(machine.disks === undefined ? [] : diskArguments(machine.disks)),
    ...(machine.disks === undefined ? [] : writableArguments(machine.writable ?? [])),
    ...(machine.extra ?? []),
    ...(machine.incoming === undefined ? [] : ["-S", "-incoming", "defer"]),
  ];
}

function machineType({ type, image, pci }: QemuMachine): string {
  // A microvm has PCI only on request.
  if (type === "microvm") return `microvm,${pci === false ? "" : "pcie=on,"}rtc=on,memory-backend=mem`;
  return `${type},${type === "q35" && image !== undefined ? "nvdimm=on," : ""}memory-backend=mem`;
}

function accelerator({ accelerator }: QemuMachine): string {
  return accelerator === "tcg" ? `tcg,tb-size=${TRANSLATED_MIB}` : accelerator;
}

/**
 * Returns the value of -cpu. Hides features without KVM: ERMS and FSRM make a guest clear and copy pages bytewise, and TCG
 * emulates string instructions element by element, which takes eight times as many steps. LA57 adds a level to each of the
 * page tables, which TCG walks. With PKU, V8 allows and forbids writing to code by WRPKRU, after each of which TCG looks up all
 * addresses again.
 */
function processorModel({ accelerator, architecture }: QemuMachine): string {
  if (accelerator === "kvm") return "host";
  return architecture === "x86_64" ? "max,-erms,-fsrm,-la57,-pku" : "max";
}

/** The memory that QEMU and its device programs share; of a guest that maps a snapshot's, changes stay its own. */
function memoryBackend({ memoryMib, incoming }: QemuMachine): string {
  const size = `id=mem,size=${memoryMib}M`;
  if (incoming === undefined || incoming.memory === "empty") return `memory-backend-memfd,${size},share=on`;
  return `memory-backend-file,${size},mem-path=${doubleCommas(incoming.memory)},share=off`;
}

/** MiB that a guest can have, with all that can be plugged in. */
export function mostMemoryMib({
  memoryMib,
  usableMib = memoryMib,
  hotplug,
}: Pick<QemuMachine, "memoryMib" | "usableMib" | "hotplug">): number {
  return usableMib + (hotplug ? MORE_MIB : 0);
}

function processors({ cpus, hotplug }: QemuMachine): string {
  return hotplug ? `${cpus},maxcpus=${cpus + MORE_CPUS}` : String(cpus);
}

/** Formats the memory option. An NVDIMM takes a slot and counts toward maxmem. */
function memory({ type, image, memoryMib, hotplug, disks }: QemuMachine): string {
  const hasImage = image !== undefined && type !== "microvm";
  if (!hotplug && !hasImage) return `${memoryMib}M`;
  const hasDisks = type === "q35" && hasImage && disks !== undefined;
  const slots = hasDisks ? SLOTS : hotplug ? MORE_SLOTS + 2 : 2;
  const more = (hasDisks ? memoryMib * DISK_SHARE : 0) + (hotplug ? MORE_MIB : 1024);
  return `${memoryMib}M,slots=${slots},maxmem=${memoryMib + (image?.mib ?? 0) + more}M`;
}

/** Returns ports for one hot-plugged device each, with addresses after all other devices, whose slots stay the same. */
function ports(): string[] {
  return Array.from({ length: MORE_PORTS }, (_, index) => [
    ...[
      "-device",
      `pcie-root-port,id=port${index},chassis=${index + 1},bus=pcie.0,addr=0x${(16 + index).toString(16)}`,
    ],
  ]).flat();
}

/**
 * The kernel's self-tests of its crypto algorithms take a third of its start without KVM; the files of its tracing take
 * 9 MiB.
 */
const SELF_TESTS_OFF = "cryptomgr.notests";
const TRACING_OFF = "initcall_blacklist=tracer_init_tracefs";

/**
 * Without KVM, QEMU translates the guest's code, so that measures against its speculative execution protect nothing. On a
 * busy host the timer's test, which counts ticks in a loop of fixed length, fails and panics.
 */
export const EMULATED = ["mitigations=off", "no_timer_check"];

/** A restored guest has its kernel in memory. */
function bootArguments(machine: QemuMachine): readonly string[] {
  const initrd = machine.initrd === undefined ? [] : ["-initrd", machine.initrd];
  return ["-kernel", machine.kernel, ...initrd, "-append", kernelCommandLine(machine)];
}

function kernelCommandLine({ type, accelerator, image, kernelArgs, tscKhz, tracing, hasChannel }: QemuMachine): string {
  const console = type === "virt" ? "ttyAMA0" : "ttyS0";
  return [
    `console=${console}`,
    "quiet",
    "panic=-1",
    SELF_TESTS_OFF,
    ...(tracing === true ? [] : [TRACING_OFF]),
    ...(accelerator === "tcg" && type !== "virt" ? EMULATED : []),
    // The NVDIMM is above 4 GiB, for which Linux would reserve 66 MB of bounce buffers.
    ...(image === undefined ? [] : ["swiotlb=noforce", ...rootOf(type)]),
    ...(type === "microvm" && tscKhz !== undefined ? [`tsc_early_khz=${tscKhz}`] : []),
    ...(hasChannel ? [`agent.channel=${CHANNEL_NAME}`] : []),
    ...kernelArgs,
  ].join(" ");
}

/** Mounts the image's first partition: with DAX if the image is memory, otherwise as a disk. */
function rootOf(type: QemuMachine["type"]): readonly string[] {
  return type === "microvm"
    ? ["root=/dev/vda1", "rootfstype=erofs", "ro"]
    : ["root=/dev/pmem0p1", "rootfstype=erofs", "rootflags=dax=always", "ro"];
}

function imageDevice({ type, image, pci }: QemuMachine): readonly string[] {
  if (image === undefined) return [];
  const file = doubleCommas(image.path);
  if (type === "microvm") {
    const drive = `driver=raw,node-name=image,read-only=on,file.driver=file,file.filename=${file}`;
    return ["-blockdev", drive, "-device", `virtio-blk-${pci === false ? "device" : "pci"},drive=image`];
  }
  const backend = `memory-backend-file,id=image,mem-path=${file},size=${image.mib}M,share=on,readonly=on`;
  const device = type === "q35" ? "nvdimm,memdev=image,unarmed=on" : "virtio-pmem-pci,memdev=image";
  return ["-object", backend, "-device", device];
}
