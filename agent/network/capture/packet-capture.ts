import { AgentError, SystemError } from "../../kernel/error.ts";
import type { Fd } from "../../kernel/kernel.ts";
import type { RealSys } from "../../kernel/sys/sys.ts";

/** ETH_P_ALL: packets of all protocols, sent and received. */
const ALL_PROTOCOLS = 3;
/** Packets that wait to be read: the kernel counts twice this much, and drops further ones. */
const BUFFER_BYTES = 1 << 20;
/** BPF_RET | BPF_K with 0: no packet passes. */
const NOTHING = Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0);

export type PacketSys = Pick<
  RealSys,
  "socketIn" | "attachFilter" | "bindPackets" | "readPackets" | "packetCounts" | "interfaceName" | "poll" | "close"
>;

/** Bytes before a packet in a record: of pcap, then of LINUX_SLL2. */
const [RECORD_HEADER, LINK_HEADER] = [16, 20];
/** Interfaces whose names are remembered as sent. A container that creates more has some of them sent again. */
const MAX_NAMED = 4096;

export interface PacketSource {
  /** File or pidfd of a network namespace. */
  readonly namespace: Fd;
  /** Empty: all. */
  readonly interfaceName: string;
  /** Classic BPF program; empty: all packets. */
  readonly filter: Uint8Array;
  /** Bytes kept of each packet. */
  readonly snapLength: number;
}

export interface NamedInterface {
  readonly index: number;
  readonly name: string;
}

/** Packets read at once. */
export interface ReadPackets {
  readonly bytes: number;
  readonly packets: number;
  /** Interfaces of these packets that no earlier read has named. */
  readonly interfaces: readonly NamedInterface[];
  /** True if the interface was removed or is down: no more packets come. */
  readonly isGone: boolean;
}

/** Receives the packets of a network namespace. Must be closed. */
export class PacketCapture {
  readonly #sys: PacketSys;
  readonly #fd: Fd;
  readonly #snapLength: number;
  /** Aborted by `stop` and `close`. */
  readonly #ended = new AbortController();
  readonly #named = new Set<number>();
  #dropped = 0;
  #isClosed = false;

  /** Begins to receive. Throws SystemError. */
  constructor(sys: PacketSys, { namespace, interfaceName, filter, snapLength }: PacketSource) {
    this.#sys = sys;
    this.#snapLength = snapLength;
    this.#fd = sys.socketIn(namespace, "packet", "datagram");
    try {
      if (filter.length > 0) sys.attachFilter(this.#fd, filter);
      sys.bindPackets(this.#fd, interfaceName, ALL_PROTOCOLS, BUFFER_BYTES);
    } catch (error) {
      sys.close(this.#fd);
      throw error;
    }
  }

  get isStopped(): boolean {
    return this.#ended.signal.aborted;
  }

  /** Number of packets that were dropped so far because they were not read in time. */
  get dropped(): number {
    if (!this.#isClosed) this.#dropped += this.#sys.packetCounts(this.#fd).dropped;
    return this.#dropped;
  }

  /** Resolves once packets can be read, or the capture is stopped. Rejects once it is closed. */
  async wait(): Promise<void> {
    try {
      if (!this.isStopped) await this.#sys.poll(this.#fd, "read", this.#ended.signal);
    } catch (error) {
      if (!this.isStopped) throw error;
    }
    if (this.#isClosed) throw new AgentError("canceled", "capture: closed");
  }

  /** Fills `into` with pcap records of received packets; see `readPackets` of `sys`. Throws SystemError. */
  read(into: Uint8Array): ReadPackets {
    const { bytes, packets, error } = this.#sys.readPackets(this.#fd, into, this.#snapLength);
    const isGone = error?.code === "ENETDOWN";
    if (error !== undefined && !isGone) throw error;
    return { bytes, packets, interfaces: this.#newInterfaces(into, bytes), isGone };
  }

  #newInterfaces(records: Uint8Array, bytes: number): NamedInterface[] {
    const view = new DataView(records.buffer, records.byteOffset, bytes);
    const found: NamedInterface[] = [];
    for (let at = 0; at + RECORD_HEADER + LINK_HEADER <= bytes; at += RECORD_HEADER + view.getUint32(at + 8, true)) {
      const index = view.getUint32(at + RECORD_HEADER + 4);
      if (this.#named.has(index)) continue;
      if (this.#named.size === MAX_NAMED) this.#named.clear();
      this.#named.add(index);
      const name = this.#nameOf(index);
      if (name !== undefined) found.push({ index, name });
    }
    return found;
  }

  /** Returns undefined if the interface has been removed since. */
  #nameOf(index: number): string | undefined {
    try {
      return this.#sys.interfaceName(this.#fd, index);
    } catch (error) {
      if (error instanceof SystemError && error.code === "ENODEV") return undefined;
      throw error;
    }
  }

  /** Receives no more packets; those received before can still be read. Idempotent. */
  stop(): void {
    if (this.isStopped || this.#isClosed) return;
    this.#sys.attachFilter(this.#fd, NOTHING);
    this.#ended.abort();
  }

  /** Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#ended.abort();
    this.#sys.close(this.#fd);
  }
}
