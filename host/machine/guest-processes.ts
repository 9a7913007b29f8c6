import { rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { onProcessEnd } from "../../lib/process-end.ts";
import { makeTemporaryFolder } from "../private-folder.ts";
import { Child } from "./child.ts";
import { Console } from "./console.ts";
import type { GuestOptions, Machine } from "./guest-options.ts";
import { MachineError } from "./machine-error.ts";
import { findQemu } from "./programs.ts";
import { qemuArguments } from "./qemu-command.ts";
import { startVirtiofsd } from "./virtiofs.ts";
import { isCidTaken, startVsockDevice, type VsockDevice } from "./vsock-device.ts";

/** Longest directory path: Unix socket paths have at most 107 bytes, and ours need about twenty after the directory. */
const DIRECTORY_LIMIT = 60;
/** Milliseconds to wait for QEMU's own end after a device program ended with it. */
const TOGETHER_MS = 500;

/** The directory, device programs and QEMU of one guest, started in this order and ended in reverse. */
export class GuestProcesses {
  readonly directory: string;
  readonly vsock: VsockDevice;
  readonly qemu: Child;
  readonly console: Console;
  /** Times of QEMU's start and of the console's first line, from performance.now(). */
  readonly started = performance.now();
  firstLine: number | undefined;
  readonly #devices: readonly Child[];
  readonly #died = new AbortController();
  readonly #remove: () => Promise<void>;
  #expected = false;
  #end: Promise<void> | undefined;

  static async start(machine: Machine, options: GuestOptions, signal: AbortSignal): Promise<GuestProcesses> {
    signal.throwIfAborted();
    await using undo = new AsyncDisposableStack();
    const { directory, remove } = await makeDirectory();
    undo.defer(remove);
    const vsock = await startVsockDevice(directory, signal);
    const devices: Child[] = [];
    undo.defer(async () => void (await Promise.all(devices.map((device) => device.end(true)))));
    if (vsock.program !== undefined) devices.push(vsock.program);
    const shares: { tag: string; socket: string }[] = [];
    for (const [index, share] of (options.shares ?? []).entries()) {
      const socket = join(directory, `fs${index}.sock`);
      devices.push(await startVirtiofsd(share, socket, signal));
      shares.push({ tag: share.tag, socket });
    }
    const argv = [
      findQemu(),
      ...qemuArguments({ ...machine, vsock: vsock.backend, shares, control: controlSocket(directory) }),
    ];
    const processes = new GuestProcesses(directory, remove, vsock, devices, argv, options);
    undo.move();
    return processes;
  }

  private constructor(
    directory: string,
    remove: () => Promise<void>,
    vsock: VsockDevice,
    devices: readonly Child[],
    argv: readonly string[],
    options: GuestOptions,
  ) {
    this.directory = directory;
    this.#remove = remove;
    this.vsock = vsock;
    this.#devices = devices;
    this.console = new Console({
      file: options.consoleFile ?? join(directory, "console.log"),
      onLine: (line) => {
        this.firstLine ??= performance.now();
        options.onConsole?.(line);
      },
    });
    this.qemu = new Child("QEMU", argv, options.consoleInput === true ? "pipe" : "ignore");
    this.console.read(this.qemu.stdout);
    void this.qemu.ended.then(() => this.#report(this.qemu));
    for (const device of devices) {
      void device.ended.then(() => delay(TOGETHER_MS, undefined, { ref: false })).then(() => this.#report(device));
    }
  }

  /** Aborted with a MachineError when QEMU or a device program ends unexpectedly. */
  get died(): AbortSignal {
    return this.#died.signal;
  }

  get pids(): readonly number[] {
    return [this.qemu, ...this.#devices].map((child) => child.pid).filter((pid) => pid !== undefined);
  }

  /** True if QEMU ended because another guest has its context id; a new attempt gets another id. */
  get cidTaken(): boolean {
    return this.qemu.messages.tail(5).some(isCidTaken);
  }

  /** Marks QEMU's end as expected from now on. */
  expectEnd(): void {
    this.#expected = true;
  }

  /** Returns the console's last lines, formatted to follow an error message. */
  tail(): string {
    const lines = this.console.lastWords();
    return lines.length === 0 ? "; its console is empty" : `; its console's last lines:\n  ${lines.join("\n  ")}`;
  }

  /** Ends all programs, with SIGKILL if `now`, and removes the directory. Idempotent. */
  async end(now: boolean): Promise<void> {
    this.expectEnd();
    if (now) for (const child of [this.qemu, ...this.#devices]) child.kill("SIGKILL");
    this.#end ??= this.qemu
      .end(now)
      .then(() => Promise.all(this.#devices.map((device) => device.end(now))))
      .then(() => this.#remove());
    await this.#end;
  }

  async #report(child: Child): Promise<void> {
    if (this.#expected) return;
    this.#expected = true;
    const { message } = await child.failure();
    this.#died.abort(new MachineError(`guest: ${message}${this.tail()}`));
  }
}

/** Returns the path of QEMU's control socket. */
export function controlSocket(directory: string): string {
  return join(directory, "qmp.sock");
}

/** Creates the directory for sockets and the console log; it is removed when the process exits, if not before. */
async function makeDirectory(): Promise<{ directory: string; remove: () => Promise<void> }> {
  const parent = tmpdir().length > DIRECTORY_LIMIT ? "/tmp" : tmpdir();
  const directory = makeTemporaryFolder("guestd-vm-", parent);
  const forget = onProcessEnd(() => rmSync(directory, { recursive: true, force: true }));
  const remove = async () => {
    forget();
    await rm(directory, { recursive: true, force: true });
  };
  return { directory, remove };
}
