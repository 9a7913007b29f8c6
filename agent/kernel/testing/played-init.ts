import { afterEach, beforeEach } from "vitest";
import type { InitClient } from "../init/init-client.ts";
import { openInit } from "../init/open-init.ts";
import type { Fd, LaunchRequest } from "../kernel.ts";
import { openSys } from "../sys/sys.ts";
import { leavesNoDescriptors } from "./leaves-no-descriptors.ts";

export const u32 = (...values: number[]) => Buffer.from(new Int32Array(values).buffer);
export const u64 = (...values: number[]) => Buffer.from(new BigUint64Array(values.map(BigInt)).buffer);

/** A message from the agent, with its descriptors. */
interface Received {
  readonly type: number;
  readonly id: number;
  readonly body: Buffer;
  readonly fds: readonly Fd[];
}

/** Init's end of the socket to an agent, which the test plays. Init itself is tested in test/init. */
export class PlayedInit {
  readonly sys = openSys();
  end: Fd = -1;
  /** The agent's end. A client that opened it owns it. */
  agentEnd: Fd = -1;

  /** Sends one message to the agent. */
  send(type: number, id: number, body: Uint8Array = new Uint8Array(0), fds: readonly Fd[] = []): void {
    const header = Buffer.alloc(16);
    header.writeUInt32LE(type, 0);
    header.writeBigUInt64LE(BigInt(id), 8);
    this.sys.sendMessage(this.end, Buffer.concat([header, body]), fds);
  }

  /** Sends the end of the greeting. */
  ready(): void {
    this.send(20, 0, u64(1, 5, 6));
  }

  /** Waits for the agent's next message. The test closes its descriptors. */
  async received(): Promise<Received> {
    const buffer = Buffer.alloc(4096);
    for (;;) {
      await this.sys.poll(this.end, "read", AbortSignal.timeout(50_000));
      const got = this.sys.receiveMessage(this.end, buffer);
      if (got === undefined) continue;
      const data = Buffer.from(got.data);
      return { type: data.readUInt32LE(0), id: Number(data.readBigUInt64LE(8)), body: data.subarray(16), fds: got.fds };
    }
  }

  /** Opens the agent's end after an empty greeting. */
  connect(): Promise<InitClient> {
    this.ready();
    return openInit(this.sys, String(this.agentEnd));
  }

  /** A request to launch a process with one descriptor. */
  request(id: number, extra: Partial<LaunchRequest> = {}): LaunchRequest {
    const plan = [{ op: "exec", args: ["x"], env: [] }] as const;
    return { id, plan, slots: [this.end], reportSlot: 0, newPidNamespace: false, keep: {}, label: "", ...extra };
  }
}

/** Gives each test of the file a socket whose init it plays, and asserts that it leaves no descriptor open. */
export function playInit(): PlayedInit {
  const init = new PlayedInit();
  leavesNoDescriptors();
  beforeEach(() => {
    [init.end = -1, init.agentEnd = -1] = init.sys.socketPair("seqpacket");
  });
  afterEach(() => {
    init.sys.close(init.end);
  });
  return init;
}
