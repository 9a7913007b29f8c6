import type { Command } from "commander";
import { Container } from "../../engine/container.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { findAnyContainer, type TargetFlags, withTarget } from "../guest/target.ts";
import { print } from "../output/print.ts";

/** Adds `guestctl wait`. */
export function addWait(program: Command): void {
  const command = program
    .command("wait")
    .description("Wait until containers end, and print their exit codes, one per line.")
    .argument("<containers...>");
  withTarget(command).action((containers: readonly string[], flags: TargetFlags) => wait(containers, flags));
}

/** Looks up all containers before waiting for the first: the record of one that isn't kept disappears at its end. */
async function wait(containers: readonly string[], flags: TargetFlags): Promise<void> {
  const store = new StateStore();
  const codes = containers.map((text) => new Container(store, findAnyContainer(store, flags, text)).wait());
  for (const code of await Promise.all(codes)) await print(`${code}\n`);
}
