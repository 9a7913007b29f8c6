import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { giveFolder } from "../../lib/owned-folder.ts";
import { reason } from "../../lib/reason.ts";
import { removeTreeSync } from "../../lib/remove-tree.ts";
import { writeJson } from "../../lib/write-json.ts";
import { checkPrivateFolder } from "../private-folder.ts";
import { qemuCapabilities } from "./capabilities.ts";
import { removeGuestCgroup } from "./cgroup/guest-cgroup.ts";
import { Child, type ChildRecord, howEnded, readEnding } from "./child.ts";
import { Console } from "./console.ts";
import { FollowedFile } from "./followed-file.ts";
import type { GuestOptions, Machine } from "./guest-options.ts";
import { type GuestPlace, makeGuestPlace, OPEN_FILES, type OwnPlace, removePlace } from "./guest-place.ts";
import { MachineError } from "./machine-error.ts";
import type { SharePlace } from "./plugged-device.ts";
import { findQemu } from "./programs.ts";
import { mostMemoryMib, qemuArguments } from "./qemu-command.ts";
import { signalProcess } from "./signal-process.ts";
import { type Share, startVirtiofsd } from "./virtiofs.ts";
import {
  chooseVsock,
  findVsockDevice,
  isCidTaken,
  startVsockDevice,
  type VsockBackend,
  type VsockDevice,
  type VsockKind,
} from "./vsock-device.ts";

/** Milliseconds to wait for QEMU's own end after a device program ended with it. */
const TOGETHER_MS = 500;

/** A share of a running guest, with its virtiofsd. */
export interface RunningShare {
  readonly share: Share;
  readonly place: SharePlace;
  readonly program: Child;
}

interface Parts extends OwnPlace {
  readonly vsock: VsockDevice;
  readonly qemu: Child;
  /** Where its console begins in the file, which may have that of an earlier guest before. */
  readonly from: number;
}

/** Milliseconds for the removal of a directory in which programs that end still write. */
const REMOVE_MS = 2000;
/** File in the directory of a released guest by which another process of this user finds it. */
const RELEASED = "released.json";
/** Bytes at the end of the console that a process reads when it finds the guest. */
const LAST_BYTES = 64 << 10;

interface ReleasedGuest {
  readonly machine: Machine;
  readonly qemu: ChildRecord;
  readonly vsock: { readonly backend: VsockBackend; readonly program: ChildRecord | undefined };
  readonly shares: readonly { readonly share: Share; readonly place: SharePlace; readonly program: ChildRecord }[];
}

/** The directory, cgroup, device programs and QEMU of one guest; they are ended in reverse. */
export class GuestProcesses implements GuestPlace {
  readonly directory: string;
  readonly cgroup: string | undefined;
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
  readonly #keep: () => void;
  #expected = false;
  /** Set once the processes are released. */
  #machine: Machine | undefined;
  #end: Promise<void> | undefined;

  /** Starts the device programs, then QEMU with all devices. */
  static async start(machine: Machine, options: GuestOptions, signal: AbortSignal): Promise<GuestProcesses> {
    await using undo = new AsyncDisposableStack();
    const parts = await startDevice(machine, options, signal, undo);
    const { directory, vsock } = parts;
    const shares: RunningShare[] = [];
    undo.defer(async () => void (await Promise.all(shares.map(({ program }) => program.end(true)))));
    for (const share of options.shares ?? []) shares.push(await startShare(parts, share, shares.length, signal));
    await vsock.listening;
    const places = shares.map(({ place }) => place);
    const argv = qemuArguments({ ...machine, vsock: vsock.backend, shares: places, control: controlSocket(directory) });
    const qemu = startQemu(parts, argv, options);
    const processes = new GuestProcesses({ ...parts, ...qemu }, options);
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
    await using undo = new AsyncDisposableStack();
    const parts = await startDevice(machine, options, signal, undo);
    const { directory, vsock } = parts;
    // The kernel's device can be in a snapshot: it drops its connections.
    const backend = vsock.backend.kind === "vhost" ? vsock.backend : undefined;
    const control = controlSocket(directory);
    const argv = qemuArguments({ ...machine, vsock: backend, shares: [], control, incoming: { memory } });
    const qemu = startQemu(parts, argv, options);
    const processes = new GuestProcesses({ ...parts, ...qemu }, options);
    undo.move();
    return processes;
  }

  /** Finds the processes of a guest that another process has started and released. Throws FolderError or MachineError. */
  static find(directory: string): { readonly processes: GuestProcesses; readonly machine: Machine } {
    const { machine, qemu, vsock, shares } = readReleased(directory);
    const place = { directory, cgroup: qemu.cgroup };
    const remove = () => removePlace(place);
    const from = Math.max(0, sizeOf(qemu.output) - LAST_BYTES);
    const parts = { ...place, remove, keep: () => undefined, qemu: Child.find(qemu), from };
    const processes = new GuestProcesses({ ...parts, vsock: findVsockDevice(vsock.backend, vsock.program) }, {});
    for (const { program, ...share } of shares) processes.addShare({ ...share, program: Child.find(program) });
    processes.#machine = machine;
    return { processes, machine };
  }

  private constructor(parts: Parts, options: Pick<GuestOptions, "onConsole">) {
    const { directory, cgroup, remove, keep, vsock, qemu, from } = parts;
    this.directory = directory;
    this.cgroup = cgroup;
    this.#remove = remove;
    this.#keep = keep;
    this.#vsock = vsock;
    this.console = new Console({
      onLine: (line) => {
        this.firstLine ??= performance.now();
        options.onConsole?.(line);
      },
    });
    this.qemu = qemu;
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
    this.#write();
    await program.end(true);
  }

  /** Starts a program for the vsock device again, at the same address, hidden until `vsock.ready`. */
  async startVsock(signal: AbortSignal): Promise<VsockDevice> {
    this.#vsock = startVsockDevice(this.#vsock.backend.kind, this, signal);
    if (this.#vsock.program !== undefined) this.#watch(this.#vsock.program);
    await this.#vsock.listening;
    this.#vsock.hide();
    return this.#vsock;
  }

  /** Shares that are plugged in. */
  get shares(): readonly RunningShare[] {
    return this.#shares;
  }

  /** Lets the processes outlive this one, to which the directory no longer belongs. Resolves once another one finds them there. */
  async release(machine: Machine): Promise<void> {
    this.#machine = machine;
    this.#write();
    this.#keep();
    giveFolder(this.directory, this.qemu.record.monitor);
    await Promise.all([this.qemu, ...this.#devices].map((child) => child.release()));
  }

  /** Records another size of a released guest's machine. */
  note(machine: Machine): void {
    if (this.#machine !== undefined) this.#machine = machine;
    this.#write();
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
    this.#write();
    await share.program.end(true);
  }

  /** Records the programs of a released guest. */
  #write(): void {
    if (this.#machine === undefined) return;
    const { backend, program } = this.#vsock;
    const record: ReleasedGuest = {
      machine: this.#machine,
      qemu: this.qemu.record,
      vsock: { backend, program: program !== undefined && this.#devices.has(program) ? program.record : undefined },
      shares: this.#shares.map((share) => ({ ...share, program: share.program.record })),
    };
    writeJson(join(this.directory, RELEASED), record);
  }

  #watch(device: Child): void {
    this.#devices.add(device);
    this.#write();
    if (this.#machine !== undefined) void device.release();
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

  /** Ends all programs at once, as if they had died for this reason; does nothing if they are ending already. */
  async endFor(why: string): Promise<void> {
    if (this.#expected) return;
    this.#expected = true;
    this.#died.abort(new MachineError(`guest: ${why}`));
    await this.end(true);
  }

  async #report(child: Child): Promise<void> {
    if (this.#expected) return;
    this.#expected = true;
    const { message } = await child.failure();
    this.#died.abort(new MachineError(`guest: ${message}${this.tail()}`));
  }
}

/** Feeds a console with what a program adds to its file from byte `from` on. */
function followConsole({ record, ended }: Child, console: Console, from: number): FollowedFile {
  const followed = new FollowedFile(record.output, (bytes) => console.take(bytes), from);
  void ended.then(() => {
    followed.read();
    console.end();
  });
  return followed;
}

/** Starts the program of the vsock device in a new place; `undo` removes both. */
async function startDevice(machine: Machine, options: GuestOptions, signal: AbortSignal, undo: AsyncDisposableStack) {
  signal.throwIfAborted();
  const place = makeGuestPlace({ memoryMib: mostMemoryMib(machine), cpus: machine.cpus });
  undo.defer(place.remove);
  const vsock = startVsockDevice(await kindOf(machine, options), place, signal);
  undo.defer(async () => vsock.program?.end(true));
  return { ...place, vsock };
}

function startQemu(
  { directory, cgroup }: GuestPlace,
  argv: readonly string[],
  { consoleFile = join(directory, "console.log"), consoleInput = false }: GuestOptions,
): Pick<Parts, "qemu" | "from"> {
  const from = sizeOf(consoleFile);
  const options = {
    ...{ place: join(directory, "qemu"), cgroup, files: OPEN_FILES, capabilities: qemuCapabilities(argv) },
    output: consoleFile,
    stdin: consoleInput ? "pipe" : "ignore",
  } as const;
  return { qemu: Child.start("QEMU", [findQemu(), ...argv], options), from };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

async function kindOf({ hasChannel }: Machine, { vsock }: GuestOptions): Promise<VsockKind> {
  return hasChannel ? "serial" : chooseVsock(vsock);
}

/** Starts virtiofsd for a share, with its socket in the guest's directory. */
export async function startShare(
  { directory, cgroup }: GuestPlace,
  share: Share,
  index: number,
  signal: AbortSignal,
): Promise<RunningShare> {
  const place = { tag: share.tag, socket: join(directory, `fs${index}.sock`) };
  return { share, place, program: await startVirtiofsd(share, place.socket, signal, cgroup) };
}

function readReleased(directory: string): ReleasedGuest {
  try {
    // In /tmp another user may have the name of a folder that was removed.
    const folder = checkPrivateFolder(directory);
    if (folder === undefined) throw new MachineError("it doesn't exist");
    return JSON.parse(readFileSync(join(folder, RELEASED), "utf8")) as ReleasedGuest;
  } catch (error) {
    throw new MachineError(`find the guest of ${directory}: ${reason(error)}`, { cause: error });
  }
}

/** Returns how the QEMU of a released guest ended, in one line; undefined if it isn't known. */
export function qemuEnd(directory: string): string | undefined {
  try {
    const { qemu } = readReleased(directory);
    const ending = readEnding(qemu.place);
    return ending && howEnded(qemu, ending);
  } catch {
    return undefined;
  }
}

/** Ends the device programs that a released guest has left, and removes its directory and cgroup. */
export function cleanUpEnded(directory: string): void {
  try {
    const { qemu, vsock, shares } = readReleased(directory);
    for (const { program } of [vsock, ...shares]) if (program) signalProcess(program.monitor, "SIGQUIT");
    // Their monitors may still write to it.
    removeTreeSync(directory, { limitMs: REMOVE_MS });
    if (qemu.cgroup !== undefined) void removeGuestCgroup(qemu.cgroup);
  } catch {
    // It has no record, or can't be removed: a later guest's start tries again.
  }
}

/** Returns the path of QEMU's control socket. */
export function controlSocket(directory: string): string {
  return join(directory, "qmp.sock");
}
