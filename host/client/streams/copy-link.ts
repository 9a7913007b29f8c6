import type { Init } from "../../../proto/codec.ts";
import type { guestd } from "../../../proto/gen/messages.js";
import type { StreamFrame } from "../../../proto/stream-frame.ts";
import { answers, requests } from "../edge/stream-messages.ts";
import { RpcError } from "../rpc-error.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";

/** One connection of a copy. */
export class CopyLink implements Disposable {
  readonly connection: Connection;
  /** The agent's frames after its answer. */
  readonly frames: AsyncGenerator<StreamFrame, never>;
  readonly ready: guestd.v1.CopyReady;
  /** Bytes of the archive that have arrived. */
  received = 0;

  private constructor(connection: Connection, frames: AsyncGenerator<StreamFrame, never>, ready: guestd.v1.CopyReady) {
    this.connection = connection;
    this.frames = frames;
    this.ready = ready;
  }

  /** Connects and begins the copy. Rejects with RpcError. */
  static async open(address: string, copy: Init<guestd.v1.Copy>, options: ConnectionOptions): Promise<CopyLink> {
    const request = requests.copy.encode({ version: 1, ...copy });
    using opening = new DisposableStack();
    const connection = opening.use(await Connection.open(address, "copy", request, options));
    const frames = connection.frames();
    const { type, payload } = (await frames.next()).value;
    if (type !== "copyReady") throw new RpcError("internal", `copy: the agent answered with ${type}`);
    const link = new CopyLink(connection, frames, answers.copyReady.decode(payload));
    opening.move();
    return link;
  }

  [Symbol.dispose](): void {
    this.connection[Symbol.dispose]();
  }
}

/** Returns the lines about what the agent has left out. */
export const notesOf = ({ payload }: StreamFrame): readonly string[] => answers.copyEnd.decode(payload).notes;
