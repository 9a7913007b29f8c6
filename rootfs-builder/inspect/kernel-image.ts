import { type Check, check, shown } from "./check.ts";

export interface KernelImage {
  /** As `uname -r` says; undefined when the file does not say it. */
  readonly release: string | undefined;
  /** The whole line that the kernel greets with. */
  readonly banner: string;
  readonly check: Check;
}

const X86_MAGIC = "HdrS";
const ARM64_MAGIC = "ARM\x64";
const PE = "MZ";

export function isKernel(bytes: Buffer): boolean {
  return bytes.toString("latin1", 0x202, 0x206) === X86_MAGIC || bytes.toString("latin1", 56, 60) === ARM64_MAGIC;
}

/** What a kernel's own header says: bzImage of x86 (Documentation/arch/x86/boot.rst), Image of arm64. */
export function kernelImage(bytes: Buffer): KernelImage {
  const x86 = bytes.toString("latin1", 0x202, 0x206) === X86_MAGIC;
  const banner = x86
    ? x86Banner(bytes)
    : (/Linux version ([\x20-\x7e]{1,400})/.exec(bytes.toString("latin1"))?.[1] ?? "");
  const release = /^\d+\.\d+[^\s]*/.exec(banner)?.[0];
  const what = x86 ? `bzImage, boot protocol ${bytes[0x207]}.${String(bytes[0x206]).padStart(2, "0")}` : "arm64 Image";
  const bootable = x86 ? bytes.readUInt16LE(0x1fe) === 0xaa55 : bytes.toString("latin1", 0, 2) === PE;
  const found = `${what}, Linux ${shown(release ?? "of no version")}`;
  return {
    release,
    banner,
    check: check("kernel", bootable && (release !== undefined || !x86), found, "one that boots"),
  };
}

function x86Banner(bytes: Buffer): string {
  const at = bytes.readUInt16LE(0x20e) + 0x200;
  return bytes.toString("latin1", at, Math.max(at, bytes.indexOf(0, at)));
}
