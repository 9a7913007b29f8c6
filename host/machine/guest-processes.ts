import { rmSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { onProcessEnd } from "../../lib/process-end.ts";
import { makeTemporaryFolder } from "../private-folder.ts";
import { Child } from "./child.ts";
import { Console } from "./console.ts";
import { FollowedFile } from "./followed-file.ts";
import type { GuestOptions, Machine } from "./guest-options.ts";
import { MachineError } from "./machine-error.ts";
import type { SharePlace } from "./plugged-device.ts";
import { findQemu } from "./programs.ts";
import { qemuArguments } from "./qemu-command.ts";
import { type Share, startVirtiofsd } from "./virtiofs.ts";
import { chooseVsock, isCidTaken, startVsockDevice, type VsockDevice, type VsockKind } from "./vsock-device.ts";

/** Longest directory path: Unix socket paths have at most 107 bytes, and ours need about twenty after the directory. */
const DIRECTORY_LIMIT = 60;
/** Milliseconds to wait for QEMU's own end after a device program ended with it. */
const TOGETHER_MS = 500;

/** A share of a running guest, with its virtiofsd. */
export interface RunningShare {
  readonly share: Share;
  readonly place: SharePlace;
  readonly program: Child;
}

/** The directory, device programs and QEMU of one guest; they are ended in reverse. */
export class GuestProcesses {
  readonly directory: string;
  readonly qemu: Child;
  readonly console: Console;
  /** Times of QEMU's start and of the console's first line, from performance.now(). */
  readonly started = performance.now();
  firstLine: number | undefined;
  #vsock: VsockDevice;
  readonly #shares: RunningShare[] = [];
  readonly #devices = new Set<Child>();
  readonly #died = new AbortController();
  readonly #printed: FollowedFile;
  readonly #remove: () => Promise<void>;
  #expected = false;
  #end: Promise<void> | undefined;

  /** Starts the device programs, then QEMU with all devices. */
  static async start(machine: Machine, options: GuestOptions, signal: AbortSignal): Promise<GuestProcesses> {
    signal.throwIfAborted();
    await using undo = new AsyncDisposableStack();
    const { directory, remove } = await makeDirectory();
    undo.defer(remove);
    const vsock = startVsockDevice(await kindOf(machine, options), directory, signal);
    undo.defer(async () => vsock.program?.end(true));
    const shares: RunningShare[] = [];
    undo.defer(async () => void (await Promise.all(shares.map(({ program }) => program.end(true)))));
    for (const share of options.shares ?? []) shares.push(await startShare(directory, share, shares.length, signal));
    await vsock.listening;
    const places = shares.map(({ place }) => place);
    const argv = qemuArguments({ ...machine, vsock: vsock.backend, shares: places, control: controlSocket(directory) });
    const processes = new GuestProcesses(directory, remove, vsock, argv, options);
    for (const share of shares) processes.addShare(share);
    undo.move();
    return processes;
  }

  /**
   * Starts QEMU to wait for a snapshot's state, and beside it the program of a vsock device, to be plugged in once
   * `vsock.listening` has resolved.
   * @param memory the file with its memory, or "empty" for memory that is filled later
   */
  static async startIncoming(
    machine: Machine,
    memory: string,
    options: GuestOptions,
    signal: AbortSignal,
  ): Promise<GuestProcesses> {
    signal.throwIfAborted();
    await using undo = new AsyncDisposableStack();
    const { directory, remove } = await makeDirectory();
    undo.defer(remove);
    const vsock = startVsockDevice(await kindOf(machine, options), directory, signal);
    undo.defer(async () => vsock.program?.end(true));
    // The kernel's device can be in a snapshot: it drops its connections.
    const backend = vsock.backend.kind === "vhost" ? vsock.backend : undefined;
    const control = controlSocket(directory);
    const argv = qemuArguments({ ...machine, vsock: backend, shares: [], control, incoming: { memory } });
    const processes = new GuestProcesses(directory, remove, vsock, argv, options);
    undo.move();
    return processes;
  }

  private constructor(
    directory: string,
    remove: () => Promise<void>,
    vsock: VsockDevice,
    argv: readonly string[],
    options: GuestOptions,
  ) {
    this.directory = directory;
    this.#remove = remove;
    this.#vsock = vsock;
    this.console = new Console({
      onLine: (line) => {
        this.firstLine ??= performance.now();
        options.onConsole?.(line);
      },
    });
    const place = join(directory, "qemu");
    const output = options.consoleFile ?? join(directory, "console.log");
    const stdin = options.consoleInput === true ? "pipe" : "ignore";
    // The file may begin with the console of an earlier guest of this name, and its ready line.
    const from = statSync(output, { throwIfNoEntry: false })?.size ?? 0;
    this.qemu = new Child("QEMU", [findQemu(), ...argv], { place, output, stdin });
    this.#printed = followConsole(this.qemu, this.console, from);
    void this.qemu.ended.then(() => this.#report(this.qemu));
    if (vsock.program !== undefined) this.#watch(vsock.program);
  }

  get vsock(): VsockDevice {
    return this.#vsock;
  }

  /** Ends the program of a vsock device that was unplugged. */
  async endVsock(): Promise<void> {
    const { program } = this.#vsock;
    if (program === undefined) return;
    this.#devices.delete(program);
    await program.end(true);
  }

  /** Starts a program for the vsock device again, at the same address, hidden until `vsock.ready`. */
  async startVsock(signal: AbortSignal): Promise<VsockDevice> {
    this.#vsock = startVsockDevice(this.#vsock.backend.kind, this.directory, signal);
    if (this.#vsock.program !== undefined) this.#watch(this.#vsock.program);
    await this.#vsock.listening;
    this.#vsock.hide();
    return this.#vsock;
  }

  /** Shares that are plugged in. */
  get shares(): readonly RunningShare[] {
    return this.#shares;
  }

  /** Makes a share's program one of this guest's: they end together. */
  addShare(share: RunningShare): void {
    this.#shares.push(share);
    this.#watch(share.program);
  }

  /** Ends a share's program while the guest continues. */
  async removeShare(share: RunningShare): Promise<void> {
    this.#shares.splice(this.#shares.indexOf(share), 1);
    this.#devices.delete(share.program);
    await share.program.end(true);
  }

  #watch(device: Child): void {
    this.#devices.add(device);
    void device.ended
      .then(() => delay(TOGETHER_MS, undefined, { ref: false }))
      .then(() => (this.#devices.has(device) ? this.#report(device) : undefined));
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
    return this.qemu.errors(5).some(isCidTaken);
  }

  /** Marks QEMU's end as expected from now on. */
  expectEnd(): void {
    this.#expected = true;
  }

  /** Returns the console's last lines, formatted to follow an error message. */
  tail(): string {
    this.#printed.read();
    const lines = this.console.lastWords();
    return lines.length === 0 ? "; its console is empty" : `; its console's last lines:\n  ${lines.join("\n  ")}`;
  }

  /** Ends all programs, with SIGKILL if `now`, and removes the directory. Idempotent. */
  async end(now: boolean): Promise<void> {
    this.expectEnd();
    if (now) for (const child of [this.qemu, ...this.#devices]) child.kill("SIGKILL");
    this.#end ??= this.qemu
      .end(now)
      .then(() => Promise.all([...this.#devices].map((device) => device.end(now))))
      .then(() => this.#printed[Symbol.dispose]())
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

/** Feeds a console with what a program adds to its file from byte `from` on. */
function followConsole({ output, ended }: Child, console: Console, from: number): FollowedFile {
  const followed = new FollowedFile(output, (bytes) => console.take(bytes), from);
  void ended.then(() => {
    followed.read();
    console.end();
  });
  return followed;
}

async function kindOf({ hasChannel }: Machine, { vsock }: GuestOptions): Promise<VsockKind> {
  return hasChannel ? "serial" : chooseVsock(vsock);
}

/** Starts virtiofsd for a share, with its socket in the guest's directory. */
export async function startShare(
  directory: string,
  share: Share,
  index: number,
  signal: AbortSignal,
): Promise<RunningShare> {
  const place = { tag: share.tag, socket: join(directory, `fs${index}.sock`) };
  return { share, place, program: await startVirtiofsd(share, place.socket, signal) };
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
