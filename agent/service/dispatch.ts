/** As the progress of a call: its handler has refused nothing, and done what it does in part or whole. */
export const BEGUN = 1;

/** What a handler is told about the call it serves. */
export interface Call {
  /** Aborts when nobody waits for the answer any more: deadline, lost connection, cancel, shutdown. */
  readonly signal: AbortSignal;
  readonly metadata: ReadonlyMap<string, string>;
  /** Where the call comes from, for logs: "vsock:2", "unix". */
  readonly peer: string;
  /** Where the journal has the call; undefined: nowhere. */
  readonly place?: number | undefined;
  /** What an agent before noted of this call; 0 or undefined: it had not begun. */
  readonly progress?: number;
  /** Notes, before something is done that must not be done twice, what the next agent has to know. Not 0. */
  note?(progress: number): void;
  /** Set once the request is read: the container and the exec that it is about. For logs and traces. */
  container?: string | undefined;
  exec?: string | undefined;
  /** Set by a handler whose answer must not be kept for the next agent, which makes the call again. */
  repeated?: boolean;
  /**
   * Calls back once: true when the answer was written to the socket, false when it is known that it will not be. A
   * handler that hands out bytes takes them back on false. May be called at any time, also after the fact.
   */
  onSettled(listener: (written: boolean) => void): void;
}

/** Bytes before an encoded response, for what the transport puts in front of it: a response is not copied for that. */
export const ANSWER_ROOM = 24;

/** Encoded request to ANSWER_ROOM bytes and the encoded response. Throws errors; `toStatus` of status.ts maps them. */
export type Handler = (payload: Uint8Array, call: Call) => Promise<Uint8Array>;

/** All that transport knows of the services. */
export interface ServiceTable {
  /** `service` is the full name, "grpc.Health"; `method` the bare one, "Check". */
  find(service: string, method: string): Handler | "no-service" | "no-method";
  /** After the agent's death: whether its successor makes the call again, as nobody can tell the difference. */
  mayRepeat(service: string, method: string): boolean;
  /** Its successor goes on with the call from what was noted, once what was half done is undone. */
  mayGoOn(service: string, method: string): boolean;
  list(): Iterable<{ readonly service: string; readonly method: string }>;
}
