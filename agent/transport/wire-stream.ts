import { Duplex } from "node:stream";
import type { Fd } from "../kernel/kernel.ts";
import { HeaderGate } from "./header-gate.ts";
import { nextBatch } from "./next-batch.ts";
import { QUIET_MS, QuietWatch } from "./quiet-watch.ts";
import type { WireSys } from "./wire.ts";

const scratch = Buffer.allocUnsafeSlow(64 * 1024);

type Done = (error?: Error | null) => void;

/**
 * Returns the class of an accepted connection as a stream, for HTTP/2. Made at its first use, because Node's streams take 4 ms
 * of an agent's start, and ttRPC needs none.
 *
 * A stream reports every byte that the kernel accepts: libuv's streams don't say how far a failed write got. It owns the
 * descriptor, which is non-blocking. If the peer ends its side, the connection counts as lost: the stream is destroyed at once,
 * even if nothing reads from it.
 */
export function wireStreamClass() {
  made ??= makeClass();
  return made;
}

export type WireStream = InstanceType<ReturnType<typeof makeClass>>;

let made: ReturnType<typeof makeClass> | undefined;

function makeClass() {
  return class WireStream extends Duplex {
    readonly #sys: WireSys;
    readonly #fd: Fd;
    readonly #gate = new HeaderGate();
    #unwatch: (() => void) | undefined;
    /** Runs while the stream is full: the descriptor isn't watched then, so the peer's end would go unnoticed. */
    readonly #unread: QuietWatch;
    /** Called with the number of bytes read. */
    onReceived: (bytes: number) => void = () => undefined;
    /** Called with the bytes written, before the write completes. */
    onSent: (bytes: Uint8Array) => void = () => undefined;

    constructor(sys: WireSys, fd: Fd, quietMs: number = QUIET_MS) {
      super();
      this.#sys = sys;
      this.#fd = fd;
      this.#unread = new QuietWatch(quietMs, () => this.#notRead());
      // A session whose settings the client hasn't acknowledged is a global handle until V8 collects its native half, which
      // the error that ended the session refers to: through these listeners the one would keep the other.
      this.once("close", () => this.removeAllListeners());
    }

    override _read(): void {
      this.#unread.stop();
      try {
        this.#unwatch ??= this.#sys.watch(
          this.#fd,
          () => this.#receive(),
          (error) => this.destroy(error as Error),
        );
      } catch (error) {
        this.destroy(error as Error);
      }
    }

    override _write(chunk: Buffer, _encoding: string, done: Done): void {
      this.#send([chunk], done);
    }

    override _writev(chunks: { readonly chunk: Buffer }[], done: Done): void {
      this.#send(
        chunks.map(({ chunk }) => chunk),
        done,
      );
    }

    override _final(done: Done): void {
      this.#sys.endConnection(this.#fd);
      done();
    }

    override _destroy(error: Error | null, done: Done): void {
      this.#pause();
      this.#unread.stop();
      this.#sys.close(this.#fd);
      done(error);
    }

    /** Destroys a full stream from which HTTP/2, having ended, won't read any more. While it writes, it may still read later. */
    #notRead(): void {
      if (this.writableLength > 0) this.#unread.heard();
      else this.destroy();
    }

    #pause(): void {
      this.#unwatch?.();
      this.#unwatch = undefined;
    }

    #receive(): void {
      let count: number;
      try {
        count = this.#sys.read(this.#fd, scratch);
      } catch (error) {
        this.destroy(error as Error); // ECONNRESET: the peer is gone
        return;
      }
      if (count < 0) return;
      if (count === 0) {
        this.destroy();
        return;
      }
      this.onReceived(count);
      if (this.receive(scratch.subarray(0, count))) return;
      this.#pause();
      this.#unread.heard();
    }

    /** Takes bytes that were read, in their order, and keeps no reference to them. Returns false if no more should be read. */
    receive(bytes: Buffer): boolean {
      const passed = this.#gate.take(bytes);
      if (passed === undefined) this.destroy(new Error("HTTP/2 header block of over 64 KiB"));
      return passed === undefined || passed.length === 0 || this.push(passed);
    }

    #send(chunks: readonly Buffer[], done: Done): void {
      if (this.destroyed) return; // destroyed while it waited: the number may belong to another descriptor by now
      let waiting = chunks;
      try {
        while (waiting.length > 0) {
          const batch = nextBatch(waiting, (chunk) => chunk);
          const bytes = batch.length === 1 && batch[0] !== undefined ? batch[0] : Buffer.concat(batch);
          const count = Math.max(this.#sys.write(this.#fd, bytes), 0);
          this.onSent(bytes.subarray(0, count));
          const others = waiting.slice(batch.length);
          waiting = count < bytes.length ? [bytes.subarray(count), ...others] : others;
          if (count < bytes.length) break;
        }
      } catch (error) {
        done(error as Error); // EPIPE
        return;
      }
      if (waiting.length === 0) done();
      else this.#sys.poll(this.#fd, "write").then(() => this.#send(waiting, done), done);
    }
  };
}
