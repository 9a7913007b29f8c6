import type { Readable } from "node:stream";
import type { Attachment } from "../../client/streams/attachment.ts";
import { DetachFilter } from "./detach-keys.ts";

/** Most bytes that wait to be written to the process, while connected and while not. The rest waits in our stdin. */
const CONNECTED_BYTES = 65_536;
const DISCONNECTED_BYTES = 4096;

export interface InputOptions {
  readonly detachKeys: Uint8Array;
  isConnected(): boolean;
  onDetach(): void;
  /** Called at the end of our stdin. */
  onEnd(): void;
}

/** Input of ours that goes to a process. */
export interface PassedInput extends Disposable {
  /** Continues or stops reading after a connection was lost or made. */
  update(): void;
}

/** Passes a stream of ours on to a process until disposed, and leaves the stream open. */
export function passInput(stdin: Readable, attachment: Pick<Attachment, "write">, options: InputOptions): PassedInput {
  const filter = new DetachFilter(options.detachKeys);
  let waiting = 0;
  let isOpen = true;
  const update = () => {
    const most = options.isConnected() ? CONNECTED_BYTES : DISCONNECTED_BYTES;
    if (isOpen && waiting < most) stdin.resume();
    else stdin.pause();
  };
  const close = () => {
    isOpen = false;
    stdin.off("data", onData).pause();
  };
  const pass = (bytes: Uint8Array) => {
    waiting += bytes.length;
    const written = () => {
      waiting -= bytes.length;
      update();
    };
    // Rejects if the process no longer reads its input, or has ended.
    attachment.write(bytes).then(written, close);
    update();
  };
  const onData = (chunk: Buffer) => {
    const { bytes, isDetached } = filter.push(chunk);
    if (bytes.length > 0) pass(bytes);
    if (isDetached) options.onDetach();
  };
  const onEnd = () => {
    if (isOpen) options.onEnd();
    close();
  };
  stdin.on("data", onData).once("end", onEnd).on("error", onEnd);
  return { update, [Symbol.dispose]: close };
}
