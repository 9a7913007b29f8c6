import type { CheckedFields } from "../checked-fields.ts";
import type { ChannelMessage } from "../protocol/socket.ts";
import type { ServeContext } from "../serve-context.ts";

/** A channel's side of the connection to its page. */
export interface ChannelPort {
  send(message: ChannelMessage): void;
  sendBytes(bytes: Uint8Array): void;
  /** Ends the channel; nothing may be sent afterwards. `error` is one line. */
  end(error?: string): void;
  /** True while the page doesn't read as fast as is sent. */
  readonly isFull: boolean;
  /** Resolves once it isn't full, or the connection is gone. */
  drained(): Promise<void>;
}

/** One channel. Errors that its methods throw end it with one line. */
export interface Channel {
  /** Takes a message of the page. */
  receive?(message: CheckedFields): void;
  /** Takes bytes of the page, which are its own. */
  input?(bytes: Uint8Array): void;
  /** Releases everything; the port is gone. */
  close(): void;
}

/** Opens a channel, whose parameters are checked here. Throws OperationError with one line for the page. */
export type OpenChannel = (fields: CheckedFields, port: ChannelPort, context: ServeContext) => Channel;
