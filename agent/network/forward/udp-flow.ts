import type { Fd, Sys } from "../../kernel/kernel.ts";

type UdpSys = Pick<Sys, "read" | "write" | "poll" | "endConnection" | "close">;

const PREFIX_BYTES = 2;
const MAX_DATAGRAM = 65_507;
/** Datagrams in one direction before other work has its turn. */
const BURST = 64;

/**
 * Moves datagrams between a client's connection, where each has its length before it (2 bytes, big endian), and a connected
 * UDP socket. Datagrams that a side can't take are dropped, as networks do; the connection keeps its framing. Ends with the
 * client, or with the agent.
 */
export class UdpFlow {
  readonly #sys: UdpSys;
  readonly #client: Fd;
  readonly #target: Fd;
  readonly #onClosed: () => void;
  #closed = false;

  /** Owns both descriptors. */
  constructor(sys: UdpSys, client: Fd, target: Fd, onClosed: () => void) {
    this.#sys = sys;
    this.#client = client;
    this.#target = target;
    this.#onClosed = onClosed;
  }

  start(): void {
    for (const direction of [this.#toTarget(), this.#toClient()]) {
      void direction.catch(() => undefined).finally(() => this.close());
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sys.endConnection(this.#client);
    for (const fd of [this.#client, this.#target]) this.#sys.close(fd);
    this.#onClosed();
  }

  async #toTarget(): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(PREFIX_BYTES + 65_535);
    for (let filled = 0; !this.#closed; ) {
      const count = this.#sys.read(this.#client, buffer.subarray(filled));
      if (count === 0) return;
      if (count < 0) {
        await this.#sys.poll(this.#client, "read");
        continue;
      }
      filled += count;
      let at = 0;
      for (;;) {
        if (filled - at < PREFIX_BYTES) break;
        const end = at + PREFIX_BYTES + buffer.readUInt16BE(at);
        if (end > filled) break;
        this.#send(buffer.subarray(at + PREFIX_BYTES, end));
        at = end;
      }
      buffer.copyWithin(0, at, filled);
      filled -= at;
    }
  }

  async #toClient(): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(PREFIX_BYTES + MAX_DATAGRAM);
    for (let burst = 0; !this.#closed; ) {
      const count = this.#receive(buffer.subarray(PREFIX_BYTES));
      if (count < 0 || ++burst % BURST === 0) await this.#sys.poll(this.#target, "read");
      if (count < 0) continue;
      buffer.writeUInt16BE(count, 0);
      for (let rest = buffer.subarray(0, PREFIX_BYTES + count); rest.length > 0 && !this.#closed; ) {
        const written = this.#sys.write(this.#client, rest);
        if (written < 0) await this.#sys.poll(this.#client, "write");
        else rest = rest.subarray(written);
      }
    }
  }

  /** Drops a datagram that the target refuses or that does not fit. */
  #send(datagram: Uint8Array): void {
    try {
      this.#sys.write(this.#target, datagram);
    } catch {
      // ECONNREFUSED reports an earlier one
    }
  }

  /** Returns -1 if there is none, or if the target has refused an earlier one. */
  #receive(into: Uint8Array): number {
    try {
      return this.#sys.read(this.#target, into);
    } catch {
      return -1;
    }
  }
}
