import { AgentError, SystemError } from "../error.ts";
import type { Fd } from "../kernel.ts";
import type { NativeAddon, NativePoll } from "./native-addon.ts";

const EVENT_BITS = { read: 1, write: 2 } as const;
/** Reports a descriptor that is readable only when it changes. The waiters on a descriptor share this. */
const CHANGES = 4;

/** All event bits, for an error condition on the descriptor. */
const ERROR = 0xff;

export type PollEvent = keyof typeof EVENT_BITS;

interface Waiter {
  readonly bits: number;
  /** True for a watch, which keeps waiting after it was woken. */
  readonly standing: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: (() => void) | undefined;
}

/** libuv allows one handle per descriptor, so all waiters on a descriptor share one. It lives while there is a waiter. */
class SharedPoll {
  readonly native: NativePoll;
  waiters: Waiter[] = [];
  /** Events that the handle is started for; 0 if stopped. */
  armed = 0;

  constructor(addon: NativeAddon, fd: Fd, onEvents: (fd: Fd, shared: SharedPoll, events: number) => void) {
    // A negative status is an error condition on the descriptor: wakes every waiter, whose next call then gets the error.
    this.native = new addon.Poll(fd, (status, events) => onEvents(fd, this, status < 0 ? ERROR : events));
  }

  wanted(): number {
    let bits = 0;
    for (const waiter of this.waiters) bits |= waiter.bits;
    return bits;
  }
}

/** Waits for readiness of descriptors without owning them. Not for regular files (EPERM). */
export class DescriptorPoller {
  readonly #addon: NativeAddon;
  readonly #polls = new Map<Fd, SharedPoll>();
  readonly #onEvents: (fd: Fd, shared: SharedPoll, events: number) => void;

  constructor(addon: NativeAddon) {
    this.#addon = addon;
    this.#onEvents = (fd, shared, events) => this.#wake(fd, shared, events);
  }

  /**
   * Resolves when `fd` is ready for `event`, hung up or in error; the caller's next call shows which. Makes the open file
   * description non-blocking. Rejects with the signal's reason, or AgentError "canceled" if `forget` is called.
   */
  wait(fd: Fd, event: PollEvent, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const shared = this.#shared(fd);
      const onAbort = signal && (() => this.#abort(fd, shared, waiter));
      const waiter: Waiter = { bits: EVENT_BITS[event], standing: false, resolve, reject, signal, onAbort };
      const error = this.#add(fd, shared, waiter, event);
      if (error !== undefined) return reject(error);
      if (onAbort !== undefined) signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /**
   * Calls `onReady` from the event loop each time `fd` is readable, hung up or in error, until the returned function or
   * `forget` is called. Level-triggered, so it calls again as long as nothing is read, unless `every` is "changes". Throws
   * SystemError.
   *
   * All events of the kernel come through here: an error thrown by `onReady` ends this watch and goes to `onLost`, which ends
   * whatever the watch belonged to. `onLost` also gets the SystemError of a watch that the kernel refuses later.
   */
  watch(fd: Fd, onReady: () => void, onLost: (error: unknown) => void, every?: "changes"): () => void {
    const shared = this.#shared(fd);
    const waiter: Waiter = {
      bits: every === "changes" ? EVENT_BITS.read | CHANGES : EVENT_BITS.read,
      standing: true,
      resolve: onReady,
      reject: onLost,
      signal: undefined,
      onAbort: undefined,
    };
    const error = this.#add(fd, shared, waiter, "read");
    if (error !== undefined) throw error;
    return () => this.#unwatch(fd, shared, waiter);
  }

  /** Ends every wait on `fd`. Must be called before `fd` is closed. */
  forget(fd: Fd): void {
    const shared = this.#polls.get(fd);
    if (shared === undefined) return;
    shared.waiters = shared.waiters.filter(({ standing }) => !standing);
    this.#fail(fd, new AgentError("canceled", `poll fd ${fd}: closed while waiting`));
  }

  /** Number of descriptors with a waiter. */
  get size(): number {
    return this.#polls.size;
  }

  #shared(fd: Fd): SharedPoll {
    let shared = this.#polls.get(fd);
    if (shared === undefined) {
      shared = new SharedPoll(this.#addon, fd, this.#onEvents);
      this.#polls.set(fd, shared);
    }
    return shared;
  }

  /** Adds a waiter; returns the error if the kernel refuses it. */
  #add(fd: Fd, shared: SharedPoll, waiter: Waiter, event: PollEvent): SystemError | undefined {
    shared.waiters = [...shared.waiters, waiter]; // `push` would make room for 17
    const status = this.#arm(shared, shared.armed | waiter.bits);
    if (status >= 0) return undefined;
    remove(shared.waiters, waiter);
    this.#closeIfIdle(fd, shared);
    return new SystemError(`poll for ${event}`, -status, `fd ${fd}`);
  }

  #arm(shared: SharedPoll, bits: number): number {
    if (bits === shared.armed) return 0;
    const status = shared.native.start(bits);
    if (status >= 0) shared.armed = bits;
    return status;
  }

  #wake(fd: Fd, shared: SharedPoll, events: number): void {
    const [only] = shared.waiters;
    if (only?.standing === true && shared.waiters.length === 1) {
      if ((only.bits & events) !== 0) this.#callWatch(fd, shared, only);
      return;
    }
    const woken = shared.waiters.filter((waiter) => (waiter.bits & events) !== 0);
    shared.waiters = shared.waiters.filter((waiter) => waiter.standing || (waiter.bits & events) === 0);
    this.#closeIfIdle(fd, shared);
    for (const waiter of woken) {
      detach(waiter);
      if (!waiter.standing) waiter.resolve();
      // A waiter woken earlier in this loop may have ended this watch.
      else if (shared.waiters.includes(waiter)) this.#callWatch(fd, shared, waiter);
    }
  }

  #callWatch(fd: Fd, shared: SharedPoll, waiter: Waiter): void {
    try {
      waiter.resolve();
    } catch (error) {
      this.#unwatch(fd, shared, waiter);
      waiter.reject(error);
    }
  }

  #unwatch(fd: Fd, shared: SharedPoll, waiter: Waiter): void {
    if (this.#polls.get(fd) !== shared || !shared.waiters.includes(waiter)) return;
    remove(shared.waiters, waiter);
    this.#closeIfIdle(fd, shared);
  }

  #abort(fd: Fd, shared: SharedPoll, waiter: Waiter): void {
    remove(shared.waiters, waiter);
    this.#closeIfIdle(fd, shared);
    waiter.reject(waiter.signal?.reason);
  }

  /** Closes the handle if it has no waiter, otherwise polls for the events of the remaining ones. */
  #closeIfIdle(fd: Fd, shared: SharedPoll): void {
    if (shared.waiters.length > 0) {
      const status = this.#arm(shared, shared.wanted());
      if (status < 0) this.#fail(fd, new SystemError("poll", -status, `fd ${fd}`));
      return;
    }
    shared.native.close();
    this.#polls.delete(fd);
  }

  #fail(fd: Fd, error: AgentError): void {
    const shared = this.#polls.get(fd);
    if (shared === undefined) return;
    this.#polls.delete(fd);
    shared.native.close();
    for (const waiter of shared.waiters) {
      detach(waiter);
      waiter.reject(error);
    }
  }
}

function detach(waiter: Waiter): void {
  if (waiter.onAbort !== undefined) waiter.signal?.removeEventListener("abort", waiter.onAbort);
}

function remove(waiters: Waiter[], waiter: Waiter): void {
  const at = waiters.indexOf(waiter);
  if (at >= 0) waiters.splice(at, 1);
}
