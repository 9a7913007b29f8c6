/** Operations that a guest's keeper offers other commands. Requests and results are JSON. */
export interface KeeperOperations {
  /**
   * Takes a snapshot as a template of this name; the guest continues. One for a fork makes no older one give way, and is answered
   * while the guest still has to continue.
   */
  snapshot(
    request: { readonly name: string; readonly isForFork?: boolean },
    signal: AbortSignal,
  ): Promise<{ readonly bytes: number }>;
  /** Waits until the guest has continued after its last snapshot for a fork. Fails if it couldn't. */
  continued(request: Readonly<Record<string, never>>, signal: AbortSignal): Promise<Readonly<Record<string, never>>>;
  /** Sets when the guest is powered off (ISO 8601), or that it isn't. */
  setTimeLimit(
    request: { readonly endsAt?: string | undefined },
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, never>>>;
  /** Changes after how many milliseconds without use the guest is saved; 0: never. Fails if it was started without an idle limit. */
  setIdleLimit(request: { readonly idleMs: number }, signal: AbortSignal): Promise<Readonly<Record<string, never>>>;
  /** Changes the guest's memory (`Guest.resize`). */
  resize(request: { readonly memoryMib: number }, signal: AbortSignal): Promise<Readonly<Record<string, never>>>;
  /** Stops the guest's processors. */
  pause(request: Readonly<Record<string, never>>, signal: AbortSignal): Promise<Readonly<Record<string, never>>>;
  /** Lets a paused guest continue, with the present time. */
  resume(request: Readonly<Record<string, never>>, signal: AbortSignal): Promise<Readonly<Record<string, never>>>;
}

/** Request of an operation; JSON. */
export type Request<All, Name extends keyof All> = All[Name] extends (request: infer Given, ...rest: never[]) => unknown
  ? Given
  : never;

export type Result<All, Name extends keyof All> = All[Name] extends (...args: never[]) => Promise<infer Value>
  ? Value
  : never;

/** `error` is one line. */
export type Answer<Value> = { readonly result: Value } | { readonly error: string };

/** Name of the socket in a guest's directory. */
export const KEEPER_SOCKET = "keeper.sock";
