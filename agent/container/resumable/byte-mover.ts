import { constants, openSync } from "node:fs";
import { AgentError, SystemError } from "../../kernel/error.ts";
import type { MoveNote, StreamLedger } from "../../kernel/journal/stream-ledger.ts";
import type { Fd, Kernel, PipeEnds } from "../../kernel/kernel.ts";
import type { KeptPipes } from "./kept-pipes.ts";
import type { SpoolFile } from "./spool-file.ts";

/** How bytes are cut into frames: at most `most` bytes each; `headers` returns the equally long headers of so many bytes. */
export interface Framing {
  readonly most: number;
  headers(length: number): Uint8Array;
}

type OpenFile = (place: number, stream: 0 | 1) => SpoolFile | undefined;

const NAME = "mover";
const NO_HEADERS = new Uint8Array();
/** Most bytes of one move: the usual size of a pipe. */
const MAX_MOVE = 65_536;
/** Size of the mover's pipe, and of an output's pipe once a client acknowledges. */
export const LARGE_PIPE_BYTES = 262_144;
/** Most bytes of an output that a client has not acknowledged: less than a unix socket takes, which wakes its writer late. */
export const MAX_WINDOW_BYTES = 196_608;

/**
 * Moves bytes between pipes so that the ledger's positions are exact at whatever moment the agent dies. Bytes pass through
 * a pipe of its own that init keeps and that is empty between moves: splice(2) takes them from one pipe and puts them into
 * the next in one step, so that pipe's content tells the next agent how far the move got.
 */
export class ByteMover {
  readonly #sys: Kernel["sys"];
  readonly #ledger: StreamLedger;
  readonly #pipe: Fd;
  readonly #scratch = Buffer.allocUnsafeSlow(MAX_MOVE);
  /** Takes frames to a socket; empty between calls. With room for headers between all of `#pipe`. */
  #frames: PipeEnds | undefined;

  /** Completes the move that the previous agent had begun. `openFile` opens the file of an output, for this call. */
  constructor(sys: Kernel["sys"], pipes: KeptPipes, ledger: StreamLedger, openFile: OpenFile) {
    this.#sys = sys;
    this.#ledger = ledger;
    this.#pipe = pipes.open(NAME, LARGE_PIPE_BYTES);
    this.#complete(openFile);
  }

  /** Drops up to `count` bytes from the beginning of an output's pipe and advances its position. */
  discard(place: number, stream: 0 | 1, from: Fd, count: number): void {
    for (let left = count; left > 0; ) {
      const base = this.#ledger.base(place, stream);
      this.#ledger.begin({ kind: "discard", place, stream, base, count: left });
      const moved = this.#sys.splice(from, this.#pipe, left);
      this.#ledger.setBase(place, stream, base + Math.max(moved, 0));
      this.#ledger.endMove();
      if (moved <= 0) return;
      this.#empty(moved);
      left -= moved;
    }
  }

  /**
   * Hands up to `bytes.length` bytes of input to `move`, which splices them from a pipe, and advances the position. Returns
   * how many were moved, less than 1 if none.
   */
  feed(place: number, bytes: Uint8Array, move: (from: Fd, length: number) => number): number {
    const base = this.#ledger.stdin(place);
    const note = { place, stream: 0, base } as const;
    this.#ledger.begin({ kind: "fill", count: 0, ...note });
    try {
      const count = this.#sys.write(this.#pipe, bytes.subarray(0, MAX_MOVE));
      this.#ledger.begin({ kind: "feed", count, ...note });
      const moved = move(this.#pipe, count);
      this.#ledger.setStdin(place, base + Math.max(moved, 0));
      return moved;
    } finally {
      this.#ledger.endMove();
      this.#drain();
    }
  }

  /**
   * Moves up to `most` bytes from an output's pipe to its file, where they replace the oldest, and advances its positions.
   * The file has room at its end. Returns how many were moved, 0 at the end of the output, -1 if there is nothing to move.
   */
  store(place: number, stream: 0 | 1, from: Fd, most: number, file: SpoolFile): number {
    const base = this.#ledger.end(place, stream);
    const length = Math.min(most, file.roomAt(base % this.#ledger.capacity(place, stream)), MAX_MOVE);
    const note = { place, stream, base } as const;
    this.#ledger.begin({ kind: "take", count: 0, ...note });
    try {
      const count = this.#sys.splice(from, this.#pipe, length);
      if (count > 0) {
        this.#ledger.begin({ kind: "store", count, ...note });
        this.#storeRest({ kind: "store", count, ...note }, count, file);
      }
      return count;
    } finally {
      this.#ledger.endMove();
      this.#drain();
    }
  }

  /**
   * Copies up to `most` bytes that follow the first `skip` bytes of a pipe, and leaves all of them in it. The result begins with
   * `room` bytes for the caller, and is valid until the next call.
   */
  copy(from: Fd, skip: number, most: number, room = 0): Buffer {
    try {
      const end = room + this.#tee(from, skip, Math.min(most, MAX_MOVE - room));
      let at = room;
      while (at < end) at += this.#read(this.#scratch.subarray(at, end));
      return this.#scratch.subarray(0, at);
    } catch (error) {
      this.#drain();
      throw error;
    }
  }

  /**
   * Sends up to `most` bytes that follow the first `skip` bytes of a pipe to a socket, and leaves all of them in the pipe.
   * Returns the number of bytes that were to be sent, and of those sent, with the headers of `framing`: less than 1 if the socket
   * is full, or nothing follows the first `skip` bytes within the mover's pipe.
   */
  send(from: Fd, skip: number, most: number, to: Fd, framing?: Framing): [number, number] {
    this.#frames ??= this.#sys.pipe({ sizeBytes: 2 * LARGE_PIPE_BYTES });
    const frames = this.#frames;
    try {
      const length = this.#tee(from, skip, most);
      if (length <= 0) return [0, 0];
      const headers = framing?.headers(length) ?? NO_HEADERS;
      const sent = this.#sys.sendFrames(this.#pipe, frames, to, length, framing?.most ?? length, headers);
      this.#moveAll(frames.read, devNull(), length + headers.length - Math.max(sent, 0));
      return [length, sent];
    } catch (error) {
      this.#frames = undefined; // it may hold bytes
      this.#sys.close(frames.read);
      this.#sys.close(frames.write);
      this.#drain();
      throw error;
    }
  }

  /** Puts a copy of the bytes after the first `skip` ones into the mover's pipe. Returns their number, less than 1 if none. */
  #tee(from: Fd, skip: number, most: number): number {
    const copied = this.#sys.tee(from, this.#pipe, skip + most);
    if (skip > 0 && copied > 0) this.#drop(Math.min(skip, copied));
    return copied - skip;
  }

  /** Moves the last `left` bytes of a move from the mover's pipe to the file. */
  #storeRest({ place, stream, base, count }: MoveNote, left: number, file: SpoolFile): void {
    const end = base + count;
    const capacity = this.#ledger.capacity(place, stream);
    this.#ledger.setBase(place, stream, Math.max(this.#ledger.base(place, stream), end - capacity));
    try {
      for (let rest = left; rest > 0; ) {
        const moved = this.#sys.spliceAt(this.#pipe, file.fd, rest, (end - rest) % capacity);
        if (moved <= 0) break;
        rest -= moved;
      }
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
    // The memory is allocated, so nothing is left. If it were, all until here would count as dropped.
    if (this.#sys.readable(this.#pipe) > 0) this.#ledger.setBase(place, stream, end);
    this.#ledger.setEnd(place, stream, end);
  }

  #complete(openFile: OpenFile): void {
    const { note } = this.#ledger;
    if (note !== undefined) {
      const inPipe = this.#sys.readable(this.#pipe);
      const { kind, place, stream, base, count } = note;
      if (kind === "discard") this.#ledger.setBase(place, stream, base + inPipe);
      else if (kind === "feed") this.#ledger.setStdin(place, base + count - inPipe);
      else if (kind === "store") this.#completeStore(note, inPipe, openFile);
      else if (kind === "take" && inPipe > 0) {
        const taken = { ...note, kind: "store", count: inPipe } as const;
        this.#ledger.begin(taken); // this agent may die too
        this.#completeStore(taken, inPipe, openFile);
      }
      this.#ledger.endMove();
    }
    this.#drain();
  }

  #completeStore(note: MoveNote, inPipe: number, openFile: OpenFile): void {
    const file = openFile(note.place, note.stream);
    if (file === undefined) return; // the process was removed with all its output
    try {
      this.#storeRest(note, inPipe, file);
    } finally {
      file.close();
    }
  }

  /** Drops the first bytes of the mover's pipe. */
  #drop(count: number): void {
    this.#moveAll(this.#pipe, devNull(), count);
  }

  /** Reads from the mover's pipe, which has bytes. Returns their number. */
  #read(into: Uint8Array): number {
    const count = this.#sys.read(this.#pipe, into);
    if (count > 0) return count;
    throw new AgentError("internal", `read ${into.length} bytes: the pipe has no more`);
  }

  /** Drops all `count` bytes of the mover's pipe. */
  #empty(count: number): void {
    try {
      this.#drop(count);
    } catch {
      this.#drain();
    }
  }

  #moveAll(from: Fd, to: Fd, count: number): void {
    for (let left = count; left > 0; ) {
      const moved = this.#sys.splice(from, to, left);
      if (moved <= 0) throw new AgentError("internal", `splice ${left} bytes: the pipe has no more, or no room`);
      left -= moved;
    }
  }

  #drain(): void {
    while (this.#sys.readable(this.#pipe) > 0) this.#sys.read(this.#pipe, this.#scratch);
  }
}

let nothing: Fd | undefined;

/** Returns /dev/null, into which splice(2) drops bytes without copying them. */
function devNull(): Fd {
  nothing ??= openSync("/dev/null", constants.O_WRONLY);
  return nothing;
}
