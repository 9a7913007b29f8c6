import type { Interrupts } from "../attach/interrupts.ts";
import type { StateStore } from "../record/state-store.ts";
import type { SandboxGuest } from "./sandbox-guest.ts";

/** Keeps a guest without a container of its own until a signal powers it off. Rejects with the cause if it is gone before. */
export async function keepUntilEnd(
  store: StateStore,
  name: string,
  guest: SandboxGuest,
  interrupts: Interrupts,
  onEnding: () => void = () => undefined,
): Promise<void> {
  await using kept = guest;
  const { gone: signal } = kept;
  signal.throwIfAborted();
  const died = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  await Promise.race([interrupts.next(), died]);
  onEnding();
  store.noteEnding(name);
  await kept.powerOff();
}
