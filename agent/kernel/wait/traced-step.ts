import { channel } from "node:diagnostics_channel";

/** A part of a call that is over. Times of performance.now(). */
export interface StepEvent {
  readonly name: string;
  readonly began: number;
  readonly ended: number;
  /** What it threw. */
  readonly error?: unknown;
}

/** StepEvent, told in the asynchronous context of the call. */
export const steps = channel("guestd.step");

/** Does a part of a call that has a name, and tells who listens how long it took. */
export async function tracedStep<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  if (!steps.hasSubscribers) return work();
  const began = performance.now();
  const tell = (error?: unknown) => {
    steps.publish({ name, began, ended: performance.now(), error } satisfies StepEvent);
  };
  try {
    const result = await work();
    tell();
    return result;
  } catch (error) {
    tell(error);
    throw error;
  }
}
