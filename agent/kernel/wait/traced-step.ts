import { channel } from "node:diagnostics_channel";

/** A finished step of a call. Times are those of performance.now(). */
export interface StepEvent {
  readonly name: string;
  readonly began: number;
  readonly ended: number;
  /** Thrown by the step. */
  readonly error?: unknown;
}

/** Channel of StepEvents, published in the call's asynchronous context. */
export const steps = channel("guestd.step");

/** Runs a named step of a call and publishes how long it took. */
export async function tracedStep<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  if (!steps.hasSubscribers) return work();
  const began = performance.now();
  const publish = (error?: unknown) => {
    steps.publish({ name, began, ended: performance.now(), error } satisfies StepEvent);
  };
  try {
    const result = await work();
    publish();
    return result;
  } catch (error) {
    publish(error);
    throw error;
  }
}
