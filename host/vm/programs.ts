import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { isRoot } from "../../lib/is-root.ts";
import { setupCommand } from "./guestctl-command.ts";
import { MachineError } from "./machine-error.ts";
import { cacheDirectory, carriedPrograms } from "./paths.ts";

const run = promisify(execFile);

const VSOCK_PROGRAM = "vhost-device-vsock";

/** One of the two programs of that name: QEMU's own, up to QEMU 7.2, takes `-o`; its successor in Rust takes flags. */
export interface Virtiofsd {
  readonly path: string;
  readonly kind: "qemu" | "rust";
  /** True if it can map the owners of files. */
  readonly translates: boolean;
}

/** Returns QEMU's name for the host's architecture. */
export function qemuArchitecture(): "x86_64" | "aarch64" {
  if (process.arch === "x64") return "x86_64";
  if (process.arch === "arm64") return "aarch64";
  throw new MachineError(`guests run only on x64 and arm64; this host is ${process.arch}`);
}

export function findQemu(): string {
  const name = `qemu-system-${qemuArchitecture()}`;
  return required(name, findProgram(name));
}

/**
 * Returns the first virtiofsd for root. For an ordinary user prefers one in Rust, since QEMU's needs root. `carried` is the folder
 * of the programs that the packages carry, if any.
 */
export async function findVirtiofsd(carried = carriedPrograms()): Promise<Virtiofsd> {
  const places = [...ownDirectories(carried), "/usr/libexec", "/usr/lib/qemu", "/usr/lib"];
  let first: Virtiofsd | undefined;
  for (const path of findPrograms("virtiofsd", places)) {
    const kind = await virtiofsdKind(path);
    const found = {
      path,
      kind,
      translates: kind === "rust" && (await outputOf(path, "--help")).includes("--translate-uid"),
    };
    if (found.kind === "rust" || isRoot()) return found;
    first ??= found;
  }
  return required("virtiofsd", first, " --virtiofsd");
}

/** Finds the vhost-user vsock device, which set-up builds on request and packages carry. */
export function findVhostDeviceVsock(carried = carriedPrograms()): string {
  return required(VSOCK_PROGRAM, findProgram(VSOCK_PROGRAM, ownDirectories(carried)), " --vsock-device");
}

/** True if the user has installed the device. The packages' own is only for those who ask for it: the channel is faster. */
export function hasVhostDeviceVsock(): boolean {
  return findProgram(VSOCK_PROGRAM, [toolsDirectory()]) !== undefined;
}

/** Returns the path of an executable in PATH or, failing that, in one of `directories`. */
export function findProgram(name: string, directories: readonly string[] = []): string | undefined {
  return findPrograms(name, directories)[0];
}

function findPrograms(name: string, directories: readonly string[]): readonly string[] {
  const path = (process.env["PATH"] ?? "").split(delimiter).filter((directory) => directory !== "");
  return [...path, "/usr/sbin", "/sbin", ...directories]
    .map((directory) => join(directory, name))
    .filter((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Returns the directories of programs that set-up builds, and that packages carry. */
function ownDirectories(carried: string | undefined): readonly string[] {
  return carried === undefined ? [toolsDirectory()] : [toolsDirectory(), carried];
}

function toolsDirectory(): string {
  return join(cacheDirectory(), "tools/bin");
}

/**
 * Detects the kind from the version output: "virtiofsd 1.x" or, long ago, "virtiofsd backend 1.x" in Rust; "virtiofsd
 * version 7.2.x" from QEMU's, which for a user with supplementary groups only reports that setgroups failed.
 */
async function virtiofsdKind(path: string): Promise<Virtiofsd["kind"]> {
  return /^virtiofsd (backend )?\d/m.test(await outputOf(path, "--version")) ? "rust" : "qemu";
}

async function outputOf(path: string, flag: string): Promise<string> {
  const { stdout, stderr } = await run(path, [flag], { timeout: 5000 }).catch((error: unknown) => {
    if (isOutput(error)) return error;
    throw new MachineError(`virtiofsd ${path}: it can't be executed`, { cause: error });
  });
  return stdout + stderr;
}

function isOutput(error: unknown): error is { stdout: string; stderr: string } {
  return error instanceof Error && "stdout" in error && "stderr" in error && `${error.stdout}${error.stderr}` !== "";
}

function required<T>(name: string, found: T | undefined, flags = ""): T {
  if (found === undefined)
    throw new MachineError(`${name} is not installed; run "${setupCommand(flags)}"`, { kind: "not-installed" });
  return found;
}
