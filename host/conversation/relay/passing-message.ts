import type { Direction } from "../format/conversation.ts";

/** A request or response on its way, of either protocol. One of the functions is called, once; without one it is dropped. */
export interface PassingMessage {
  readonly conn: number;
  readonly direction: Direction;
  /** Number of the call on its connection. */
  readonly stream: number;
  /** Method of the call, such as "ReadStdout"; empty if the message is none of a call. */
  readonly method: string;
  pass(): Promise<void>;
  /** Passes it in `ms` milliseconds; others overtake it. */
  passLater(ms: number): Promise<void>;
  passTwice(): Promise<void>;
  /** Passes so many bytes of it, then closes the connection. */
  cut(bytes: number): Promise<void>;
  /** Answers the call with an error instead. */
  fail(code: number, text: string): Promise<void>;
}
