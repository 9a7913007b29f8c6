import { type Check, check, shown } from "./check.ts";

export interface KernelImage {
  /** `uname -r`; undefined if the file doesn't contain it. */
  readonly release: string | undefined;
  /** In Node's words, such as "x64"; undefined for an ELF of neither. */
  readonly architecture: "x64" | "arm64" | undefined;
  /** The kernel's complete version line. */
  readonly banner: string;
  readonly check: Check;
}

const X86_MAGIC = "HdrS";
const ARM64_MAGIC = "ARM\x64";
const PE = "MZ";
const BANNER = "Linux version ";
/** e_type of a program at a fixed address. */
const EXECUTABLE = 2;
/** e_machine of a program. */
const MACHINES: Readonly<Record<number, "x64" | "arm64">> = { 62: "x64", 183: "arm64" };
/** End of the header's offset of the version, kernel_version. */
const X86_HEADER = 0x210;
const MAX_BANNER = 400;

export function isKernel(bytes: Buffer): boolean {
  return (
    isVmlinux(bytes) ||
    bytes.toString("latin1", 0x202, 0x206) === X86_MAGIC ||
    bytes.toString("latin1", 56, 60) === ARM64_MAGIC
  );
}

/** True for an ELF program with a Linux version. */
function isVmlinux(bytes: Buffer): boolean {
  return bytes.length > 64 && bytes.readUInt32BE(0) === 0x7f454c46 && bytes.includes(BANNER);
}

/** Reads a kernel's header: bzImage on x86 (Documentation/arch/x86/boot.rst), Image on arm64. */
export function kernelImage(bytes: Buffer): KernelImage {
  const elf = isVmlinux(bytes);
  const x86 = !elf && bytes.length >= X86_HEADER && bytes.toString("latin1", 0x202, 0x206) === X86_MAGIC;
  const architecture = elf ? MACHINES[bytes.readUInt16LE(18)] : x86 ? "x64" : "arm64";
  const banner = x86 ? x86Banner(bytes) : bannerIn(bytes);
  const release = /^\d+\.\d+[^\s]*/.exec(banner)?.[0];
  const protocol = `bzImage, boot protocol ${bytes[0x207]}.${String(bytes[0x206]).padStart(2, "0")}`;
  const what = elf ? "ELF, not packed" : x86 ? protocol : "arm64 Image";
  const bootable = elf
    ? bytes.readUInt16LE(16) === EXECUTABLE
    : x86
      ? bytes.readUInt16LE(0x1fe) === 0xaa55
      : bytes.toString("latin1", 0, 2) === PE;
  const found = `${what}, Linux ${shown(release ?? "of unknown version")}`;
  return {
    release,
    architecture,
    banner,
    check: check("kernel", bootable && release !== undefined, found, "a bootable kernel"),
  };
}

/** Returns the version line in the data of an uncompressed kernel. */
function bannerIn(bytes: Buffer): string {
  for (let at = bytes.indexOf(BANNER); at !== -1; at = bytes.indexOf(BANNER, at + 1)) {
    const text = bytes.toString("latin1", at + BANNER.length, at + BANNER.length + MAX_BANNER);
    if (/^\d/.test(text)) return /^[\x20-\x7e]*/.exec(text)?.[0] ?? "";
  }
  return "";
}

function x86Banner(bytes: Buffer): string {
  const at = bytes.readUInt16LE(0x20e) + 0x200;
  return bytes.toString("latin1", at, at + MAX_BANNER).replace(/\0.*$/s, "");
}
