import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { MachineError } from "./machine-error.ts";
import { cacheDirectory } from "./paths.ts";

const run = promisify(execFile);

/** The two programs of that name: QEMU's own, up to QEMU 7.2, takes `-o`; the one in Rust that followed takes flags. */
export interface Virtiofsd {
  readonly path: string;
  readonly kind: "qemu" | "rust";
}

/** QEMU's name for this machine's architecture. */
export function qemuArchitecture(): "x86_64" | "aarch64" {
  if (process.arch === "x64") return "x86_64";
  if (process.arch === "arm64") return "aarch64";
  throw new MachineError(`guests run on x64 and arm64 only: this machine is ${process.arch}`);
}

export function findQemu(): string {
  const name = `qemu-system-${qemuArchitecture()}`;
  return required(name, findProgram(name));
}

export async function findVirtiofsd(): Promise<Virtiofsd> {
  const path = required("virtiofsd", findProgram("virtiofsd", ["/usr/libexec", "/usr/lib/qemu", "/usr/lib"]));
  return { path, kind: await virtiofsdKind(path) };
}

/** The vhost-user vsock device for machines without a usable /dev/vhost-vsock. */
export function findVhostDeviceVsock(): string {
  return required("vhost-device-vsock", findProgram("vhost-device-vsock", [join(cacheDirectory(), "tools/bin")]));
}

/** The path of an executable in PATH or else in one of `directories`. */
export function findProgram(name: string, directories: readonly string[] = []): string | undefined {
  const path = (process.env["PATH"] ?? "").split(delimiter).filter((directory) => directory !== "");
  return [...path, "/usr/sbin", "/sbin", ...directories]
    .map((directory) => join(directory, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** QEMU's says "virtiofsd version 7.2.x" and copyright of QEMU; the Rust one "virtiofsd 1.x". Some answer with status 1. */
async function virtiofsdKind(path: string): Promise<Virtiofsd["kind"]> {
  const answer = await run(path, ["--version"], { timeout: 5000 }).catch((error: unknown) => {
    if (isOutput(error)) return error;
    throw new MachineError(`virtiofsd ${path}: it does not run`, { cause: error });
  });
  return /^virtiofsd version/m.test(answer.stdout + answer.stderr) ? "qemu" : "rust";
}

function isOutput(error: unknown): error is { stdout: string; stderr: string } {
  return error instanceof Error && "stdout" in error && "stderr" in error && `${error.stdout}${error.stderr}` !== "";
}

function required(name: string, path: string | undefined): string {
  if (path === undefined) throw new MachineError(`${name} is not installed: run "npm run setup"`);
  return path;
}
