import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { bytesOf, type Member } from "../../../lib/archive/member.ts";
import { inPieces, SendWindow } from "../../../lib/archive/send-window.ts";
import { TreeSink } from "../../../lib/archive/tree-sink.ts";
import { type Position, TreeSource } from "../../../lib/archive/tree-source.ts";
import { isRoot } from "../../../lib/is-root.ts";
import type { guestd } from "../../../proto/gen/messages.js";
import type { DialOptions } from "../dial.ts";
import { AttachError } from "./attach-error.ts";
import { CopyLink, LostLink, notesOf } from "./copy-link.ts";
import { hostTree, openDestination, openSource } from "./host-tree.ts";

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5000;
const GIVE_UP_MS = 60_000;

export interface CopyOptions extends Pick<DialOptions, "dialVsock"> {
  /** Keeps owners and ACLs. */
  readonly keepOwners?: boolean;
  /** Keeps set-user-id and set-group-id bits and file capabilities. */
  readonly keepPrivileges?: boolean;
  /** Follows a link at the end of the source's path. */
  readonly follow?: boolean;
  /** Called with the bytes and members so far. */
  onProgress?(bytes: number, members: number): void;
  /** Called when a connection is lost and the next attempt follows. */
  onDisconnect?(reason: string): void;
  /** How long attempts to connect again may fail, ms. Default: a minute. */
  readonly giveUpMs?: number;
  readonly signal?: AbortSignal;
}

/** A file or directory in a container; an empty container is the guest itself. */
export interface CopyPlace {
  readonly container: string;
  readonly path: string;
}

export interface CopyReport {
  readonly members: number;
  /** One line for each kind of thing that was left out. */
  readonly notes: readonly string[];
}

/** True for the source `DIR/.`: what is in the directory. */
const hasContentsMark = (path: string): boolean => /(^|\/)\.\/?$/.test(path);

/**
 * Copies out of a container to the host, by docker's rules for the destination. Continues over disconnections. Extracts
 * with care: the guest is not trusted. Throws AttachError, or ArchiveError of this side.
 */
export async function copyOut(
  address: string,
  { container, path }: CopyPlace,
  destination: string,
  options: CopyOptions = {},
): Promise<CopyReport> {
  const progress = new Progress(options);
  const contents = hasContentsMark(path);
  const request = { container_id: container, copy_id: randomUUID(), path, follow: options.follow ?? false, contents };
  const keepOwners = options.keepOwners === true && isRoot();
  const sys = hostTree();
  using opened = new DisposableStack();
  let sink: TreeSink | undefined;
  let [link, first]: [CopyLink | undefined, guestd.v1.CopyReady | undefined] = [undefined, undefined];
  let [after, part]: [string, { member: Member; bytes: number } | undefined] = ["", undefined];
  const begin = (ready: guestd.v1.CopyReady) => {
    const { name, directory } = ready;
    const root = openDestination(destination, { name: latin1(name), directory, contents }, opened);
    const made = new TreeSink(root, {
      ...{ sys, id: request.copy_id, keepPrivileges: options.keepPrivileges ?? false },
      owners: keepOwners ? "keep" : "mine",
      onTaken: (position) => link?.send("copyAck", position),
      onMember: (member) => {
        [after, part] = [member.name, undefined];
        progress.member();
      },
      onPart: (member, bytes) => {
        progress.bytes(bytes - (part?.bytes ?? member.from));
        part = { member, bytes };
      },
    });
    opened.defer(() => {
      made.close();
      made.discard();
    });
    return made;
  };
  const notes = await progress.untilDone(async (signal) => {
    const known = part && { name: bytesOf(part.member.name), bytes: part.bytes, version: part.member.version };
    const again = first && { epoch: first.epoch, place: first.place, after: bytesOf(after), part: known };
    using opening = await CopyLink.open(address, { ...request, ...again }, options, signal);
    link = opening;
    first ??= opening.ready;
    progress.isConnected();
    sink ??= begin(opening.ready);
    let notes: readonly string[] = [];
    await sink.extract(received(opening, (ended) => (notes = ended)));
    return [...notes, ...sink.notes];
  });
  const owners =
    options.keepOwners === true && !keepOwners ? ["owners: all files are yours, as only root can set them"] : [];
  return { members: progress.members, notes: [...notes, ...owners] };
}

async function* received(link: CopyLink, onEnd: (notes: readonly string[]) => void): AsyncGenerator<Uint8Array> {
  let received = 0;
  for await (const frame of link.frames()) {
    if (frame.type === "copyData" && frame.offset === received) {
      received += frame.payload.length;
      yield frame.payload;
    } else if (frame.type === "copyEnd" && frame.offset === received) onEnd(notesOf(frame));
    else throw new AttachError("internal", `copy: the agent sent ${frame.type} at ${frame.offset}, not at ${received}`);
  }
}

/** Copies into a container, by docker's rules for the destination. Continues over disconnections. */
export async function copyIn(
  address: string,
  source: string,
  { container, path }: CopyPlace,
  options: CopyOptions = {},
): Promise<CopyReport> {
  const progress = new Progress(options);
  using opened = new DisposableStack();
  const root = openSource(source, options.follow ?? false, opened);
  const { name, isDirectory } = root;
  const request = {
    ...{ container_id: container, copy_id: randomUUID(), in: true, path, name: bytesOf(name), directory: isDirectory },
    ...{ contents: hasContentsMark(source) },
    ...{ keep_owners: options.keepOwners ?? false, keep_privileges: options.keepPrivileges ?? false },
  };
  const sent = new SentMembers();
  let first: guestd.v1.CopyReady | undefined;
  const notes = await progress.untilDone(async (signal) => {
    const { after, next } = sent;
    const part = next && { name: bytesOf(next.name) };
    const again = first && { epoch: first.epoch, place: first.place, after: bytesOf(after), part };
    using link = await CopyLink.open(address, { ...request, ...again }, options, signal);
    first ??= link.ready;
    progress.isConnected();
    const position: Position = { after, part: next && { ...next, bytes: link.ready.part_bytes } };
    return await sendTree(link, root, position, sent, progress);
  });
  progress.set(sent.all);
  return { members: progress.members, notes };
}

async function sendTree(
  link: CopyLink,
  root: ReturnType<typeof openSource>,
  position: Position,
  sent: SentMembers,
  progress: Progress,
): Promise<readonly string[]> {
  const window = new SendWindow();
  sent.begin();
  let produced = 0;
  const source = new TreeSource(root, { sys: hostTree(), position, onMember: (member) => sent.add(member, produced) });
  const counted = async function* () {
    for await (const chunk of source.archive()) {
      yield chunk;
      produced += chunk.length;
    }
  };
  const sending = (async () => {
    for await (const piece of inPieces(counted())) {
      await window.room(piece.length, link.signal);
      const at = window.sent;
      window.sent += piece.length;
      link.send("copyData", at, piece);
      await link.drained();
    }
    link.sendEnd(window.sent);
  })();
  const answering = (async () => {
    for await (const frame of link.frames()) {
      if (frame.type === "copyEnd") return notesOf(frame);
      const before = window.acknowledged;
      if (frame.type !== "copyAck" || !window.acknowledge(frame.offset)) {
        throw new AttachError("internal", `copy: the agent sent ${frame.type} at ${frame.offset}`);
      }
      progress.bytes(frame.offset - before);
      progress.set(sent.acknowledge(frame.offset));
    }
    throw new LostLink("the connection ended");
  })();
  // The agent's refusal counts, not that nothing can be sent after it.
  sending.catch(() => undefined);
  answering.catch(() => undefined);
  const failedHere = sending.then(
    () => answering,
    (error: unknown) => (error instanceof LostLink ? answering : Promise.reject(error)),
  );
  const notes = await Promise.race([failedHere, answering]);
  return [...source.notes, ...notes];
}

/** Members that were sent over one connection, as far as the agent has not acknowledged them, and the last that it has. */
class SentMembers {
  after = "";
  #members: { name: string; version: string; start: number }[] = [];
  #complete = 0;

  /** The member that follows. */
  get next(): { readonly name: string; readonly version: string } | undefined {
    return this.#members[0];
  }

  /** Number of all members, once the copy is complete. */
  get all(): number {
    return this.#complete + this.#members.length;
  }

  /** Begins another connection. */
  begin(): void {
    this.#members = [];
  }

  add({ name, version }: Member, start: number): void {
    this.#members.push({ name, version, start });
  }

  /** Returns the number of members that are complete, once everything before `offset` is. */
  acknowledge(offset: number): number {
    for (
      let [first, second] = this.#members;
      first && second && second.start <= offset;
      [first, second] = this.#members
    ) {
      this.after = first.name;
      this.#members.shift();
      this.#complete++;
    }
    return this.#complete;
  }
}

/** Counts what was copied, and connects again after a disconnection. */
class Progress {
  members = 0;
  readonly #options: CopyOptions;
  #bytes = 0;
  #isConnected = false;

  constructor(options: CopyOptions) {
    this.#options = options;
  }

  member(): void {
    this.set(this.members + 1);
  }

  set(members: number): void {
    this.members = members;
    this.#options.onProgress?.(this.#bytes, this.members);
  }

  bytes(count: number): void {
    this.#bytes += count;
    this.#options.onProgress?.(this.#bytes, this.members);
  }

  isConnected(): void {
    this.#isConnected = true;
  }

  /** Calls `session` until one isn't cut off. Rejects with its other errors, or with AttachError "cut". */
  async untilDone<T>(session: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { giveUpMs = GIVE_UP_MS, onDisconnect, signal = new AbortController().signal } = this.#options;
    let [pause, lastConnected] = [FIRST_PAUSE_MS, performance.now()];
    for (;;) {
      signal.throwIfAborted();
      this.#isConnected = false;
      try {
        return await session(signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof LostLink)) throw error;
        if (this.#isConnected) [pause, lastConnected] = [FIRST_PAUSE_MS, performance.now()];
        if (performance.now() - lastConnected > giveUpMs) {
          throw new AttachError("cut", `copy: cut after ${this.#bytes} bytes: ${error.message}; copy again`);
        }
        onDisconnect?.(error.message);
      }
      await sleep(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
      pause = Math.min(pause * 2, MAX_PAUSE_MS);
    }
  }
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
