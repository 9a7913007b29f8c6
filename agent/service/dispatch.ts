/** Progress of a call that its handler has accepted, and carried out in part or completely. */
export const BEGUN = 1;

/** The call that a handler serves. */
export interface Call {
  /** Aborts when the client no longer waits for the answer: deadline, lost connection, cancel, shutdown. */
  readonly signal: AbortSignal;
  readonly metadata: ReadonlyMap<string, string>;
  /** The client's address for logs: "vsock:2", "unix". */
  readonly peer: string;
  /** The call's slot in the journal; undefined if the journal does not have it. */
  readonly place?: number | undefined;
  /** The progress that an earlier agent noted; 0 or undefined if the call had not begun. */
  readonly progress?: number;
  /** Notes progress for the next agent, before a step that must not be done twice. Not 0. */
  note?(progress: number): void;
  /** The memory of the progress, for a system call that notes it; undefined if the journal does not have the call. */
  readonly progressMemory?: Int32Array | undefined;
  /** The request's container and exec, for logs and traces. Set once the request is decoded. */
  container?: string | undefined;
  exec?: string | undefined;
  /** Set by a handler whose answer must not be kept for the next agent, which repeats the call instead. */
  repeated?: boolean;
  /**
   * Calls back once: with true when the answer has been written to the socket, with false once it can't be any more. A handler that
   * hands out bytes takes them back on false. May be called at any time, even after the answer is settled.
   */
  onSettled(listener: (written: boolean) => void): void;
}

/** Bytes reserved before an encoded response for the transport's header, so that the response need not be copied. */
export const ANSWER_ROOM = 24;

/** Takes an encoded request and returns ANSWER_ROOM bytes followed by the encoded response. `toStatus` of status.ts maps its errors. */
export type Handler = (payload: Uint8Array, call: Call) => Promise<Uint8Array>;

/** The services as transport sees them. */
export interface ServiceTable {
  /** Finds a handler. `service` is the full name, "grpc.Health"; `method` the bare one, "Check". */
  find(service: string, method: string): Handler | "no-service" | "no-method";
  /** True if the next agent may repeat a call that its agent died in, as the client can't tell the difference. */
  mayRepeat(service: string, method: string): boolean;
  /** True if the next agent continues such a call from its noted progress, after rolling back interrupted work. */
  mayGoOn(service: string, method: string): boolean;
  list(): Iterable<{ readonly service: string; readonly method: string }>;
}
