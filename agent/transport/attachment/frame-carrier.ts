import type { Fd } from "../../kernel/kernel.ts";
import type { Attached } from "../../service/streams/attach.ts";

/** Output that a carrier sends: copied, or within the kernel. */
export type Output = Pick<Attached["stdout"], "copy" | "send">;

/** Receiver of what happens on a carrier. */
export interface CarrierReader {
  /** Called with bytes of frames, cut anywhere, that are the receiver's. */
  onBytes(bytes: Buffer): void;
  /** Called after `isFull` was true, once there is room. */
  onRoom(): void;
  /** Called once: the peer ended the connection, or it broke or was destroyed. */
  onClosed(): void;
}

/** Carries the bytes of frames between a client and the agent: a socket, or a gRPC stream. */
export interface FrameCarrier {
  reader: CarrierReader | undefined;
  /** True while bytes wait for the client to read earlier ones. */
  readonly isFull: boolean;
  /** Bytes that wait to be sent. */
  readonly unsent: number;
  /** Sends whole frames, after those of earlier calls. Drops them once the carrier is closed. */
  write(frames: Buffer): void;
  /** Like `write`, of a frame whose buffer stays the caller's. */
  writeCopy(frame: Buffer): void;
  /**
   * Sends up to `available` bytes of output from `offset` on as one DATA frame. Returns how many the frame has: 0 if it wasn't
   * begun, because the carrier is full.
   */
  writeOutput(stream: number, offset: number, output: Output, available: number): number;
  /** Copies what is still to be sent of a begun DATA frame, whose output may change or end afterwards. */
  settle(): void;
  /** Stops or resumes reading. */
  setPaused(paused: boolean): void;
  /** Ends the frames and returns the connection's descriptor, which the caller then owns. Throws if it has none. */
  release(): Fd;
  /** Closes now. Idempotent. */
  destroy(): void;
}
