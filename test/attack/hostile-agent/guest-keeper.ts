import { type ChildProcess, spawn } from "node:child_process";
import { type ProcessOwner, startedAt } from "../../../lib/process-owner.ts";

/** A process that the guest's record names as its keeper, and that does nothing. */
export class GuestKeeper implements Disposable {
  #child: ChildProcess | undefined;

  /** Identifies it; starts another one if it has ended. */
  owner(): ProcessOwner {
    if (this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null)
      this.#child = spawn("sleep", ["100000"], { stdio: "ignore" });
    const pid = this.#child.pid ?? 0;
    return { pid, started: startedAt(pid) ?? 0 };
  }

  [Symbol.dispose](): void {
    this.#child?.kill("SIGKILL");
  }
}
