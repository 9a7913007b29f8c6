import { constants, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentError } from "../kernel/error.ts";
import type { Init } from "../kernel/kernel.ts";
import type { RealSys } from "../kernel/sys/sys.ts";

const DEPOSIT = "state lock";
/** The agent of a service that was killed ends a moment after its init. */
const [TRIES, PAUSE_MS] = [100, 10];

/**
 * Locks the state directory of a service, for as long as its init or its agent lives: init keeps a copy of the descriptor, so
 * each next agent has the lock from its start. Rejects if another service has it.
 */
export async function lockState(sys: RealSys, init: Init, stateDirectory: string): Promise<void> {
  if (init.greeting.deposits.has(DEPOSIT)) return;
  const fd = openSync(`${stateDirectory}/lock`, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  for (let tries = 1; !sys.lock(fd); tries++) {
    if (tries === TRIES) {
      const remedy = "end that one, or set another GUESTD_STATE_DIR";
      throw new AgentError("already-exists", `use ${stateDirectory}: another service uses it; ${remedy}`);
    }
    await sleep(PAUSE_MS);
  }
  init.deposit(DEPOSIT, fd);
}
