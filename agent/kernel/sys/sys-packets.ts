import { SystemError } from "../error.ts";
import type { Fd } from "../kernel.ts";
import type { NativeAddon } from "./native-addon.ts";
import { checked, EAGAIN } from "./sys-result.ts";

/** Bytes of an interface's name, with its terminator. */
const IFNAMSIZ = 16;

/** Packets that a socket gave at once. */
export interface PacketsRead {
  readonly bytes: number;
  readonly packets: number;
  /** Set if the socket failed after them, for instance because its interface is gone (ENETDOWN). */
  readonly error: SystemError | undefined;
}

/** Creates the calls for packet sockets, which `socketIn` creates with family packet and type datagram. */
export function packetCalls(addon: NativeAddon) {
  const pair = new Int32Array(2);
  const name = Buffer.alloc(IFNAMSIZ);
  return {
    /** Replaces a socket's filter by a classic BPF program. */
    attachFilter(fd: Fd, program: Uint8Array) {
      checked(addon.attachFilter(fd, program), "attach filter", fd);
    },
    /** Begins to receive the packets of an ETH_P_ protocol from an interface, or from all if its name is empty. */
    bindPackets(fd: Fd, interfaceName: string, protocol: number, bufferBytes: number) {
      const object = interfaceName === "" ? "all interfaces" : `interface ${interfaceName}`;
      checked(addon.bindPackets(fd, interfaceName, protocol, bufferBytes), "receive packets of", object);
    },
    /** Fills `into` with pcap records (LINUX_SLL2) of packets that wait, each cut after `snap` bytes. */
    readPackets(fd: Fd, into: Uint8Array, snap: number): PacketsRead {
      const status = addon.readPackets(fd, into, snap, pair);
      const failed = status < 0 && status !== -EAGAIN;
      const error = failed ? new SystemError("receive packets", -status, `fd ${fd}`) : undefined;
      const [bytes = 0, packets = 0] = pair;
      return { bytes, packets, error };
    },
    /** Returns how many packets passed the filter since the last call, and how many of them were dropped for lack of room. */
    packetCounts(fd: Fd): { readonly received: number; readonly dropped: number } {
      checked(addon.packetCounts(fd, pair), "count packets", fd);
      const [received = 0, dropped = 0] = pair;
      return { received: received >>> 0, dropped: dropped >>> 0 };
    },
    /** Returns the name of an interface of the socket's namespace. ENODEV if it is gone. */
    interfaceName(fd: Fd, index: number): string {
      const length = checked(addon.interfaceName(fd, index, name), "get the name of", `interface ${index}`);
      return name.toString("utf8", 0, length);
    },
  };
}
