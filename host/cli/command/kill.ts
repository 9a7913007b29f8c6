import { constants } from "node:os";
import type { Command } from "commander";
import { Container } from "../../engine/container.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { noteOperation } from "../audit/noted-operation.ts";
import { signalNumber } from "../flags/option-values.ts";
import { findContainer, type TargetFlags, withTarget } from "../guest/target.ts";
import { forEachName } from "../output/for-each-name.ts";

interface KillFlags extends TargetFlags {
  readonly signal: number;
  readonly exec?: string;
}

const { SIGKILL } = constants.signals;

/** Adds `guestctl kill`. */
export function addKill(program: Command): void {
  const command = program
    .command("kill")
    .description(
      "Send a signal to the first process of containers, or to an exec. KILL without --exec ends all their processes.",
    )
    .argument("<containers...>")
    .option("-s, --signal <signal>", "signal name or number", signalNumber, SIGKILL)
    .option("--exec <id>", "id of an exec, as shown by ps");
  withTarget(command).action((containers: readonly string[], flags: KillFlags) =>
    forEachName(containers, (container) => kill(container, flags)),
  );
}

async function kill(text: string, { signal, exec, ...flags }: KillFlags): Promise<void> {
  const store = new StateStore();
  const target = findContainer(store, flags, text, "exact");
  noteOperation({ ...target, guest: target.guest?.name, exec });
  await new Container(store, target).kill(signal, exec);
}
