import { constants } from "node:os";
import { type Interrupts, LEAVE_AT } from "./interrupts.ts";

const { SIGINT, SIGKILL } = constants.signals;
/**
 * Number of the signal that is sent as SIGKILL: the first process of a pid namespace may ignore other signals from
 * outside.
 */
const KILL_AT = 2;
/** Milliseconds between SIGTERM or SIGHUP and SIGKILL, as with docker stop. */
const KILL_MS = 10_000;
/** Milliseconds before a ^C counts as ineffective. */
const HINT_MS = 1000;

export interface SignalTarget {
  /** The process, in messages to the user. */
  readonly name: string;
  send(signal: number): void;
  /** Gives up on the process, for this reason. */
  leave(why: string): void;
}

/**
 * Passes signals to guestctl on to a process until disposed: from the second on as SIGKILL, which also follows 10 s after
 * a SIGTERM or SIGHUP. Gives up at the fourth, or when a minute after those two the process still runs. A ^C without effect
 * prints a hint.
 */
export function passSignals(interrupts: Interrupts, { name, send, leave }: SignalTarget): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const hint = () => process.stderr.write(`guestctl: ${name} still runs after ^C; press it again to kill it\n`);
  interrupts.handle((signal, times) => {
    if (Number.isFinite(times)) send(times >= KILL_AT ? SIGKILL : signal);
    leaveAtLast(times, leave);
    clearTimeout(timer);
    if (times >= KILL_AT) return;
    timer = signal === SIGINT ? setTimeout(hint, HINT_MS) : setTimeout(send, KILL_MS, SIGKILL);
  });
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** Calls `leave` at the fourth signal, or when time is up, whatever the agent does. */
export function leaveAtLast(times: number, leave: (why: string) => void): void {
  if (times >= LEAVE_AT) leave(Number.isFinite(times) ? "given up after four signals" : "given up: nothing answered");
}

/** Names a process in messages: a container's first process is the container. */
export function processName(container: string, exec: string): string {
  return exec === container ? `container ${container}` : `the command in container ${container}`;
}
