import type { Command } from "commander";
import { listPorts, waitForPort } from "../../client/streams/list-ports.ts";
import { count } from "../flags/option-values.ts";
import { findForwardTarget } from "../guest/forward-target.ts";
import { type TargetFlags, withTarget } from "../guest/target.ts";
import { print } from "../output/print.ts";
import { textTable } from "../output/text-table.ts";
import { StateStore } from "../state/state-store.ts";

interface PortsFlags extends TargetFlags {
  readonly json?: true;
  readonly wait?: number;
  readonly timeout: number;
}

/** Adds `guestctl ports`. */
export function addPorts(program: Command): void {
  const command = program
    .command("ports")
    .summary("list the ports on which a container's processes listen")
    .description(
      "List the ports on which processes listen in a container's network namespace. TARGET is a container's id or the beginning of one, or the name of a guest.",
    )
    .argument("<target>")
    .option("--wait <port>", "wait until a process listens on this TCP port, and print only that", count)
    .option("--timeout <seconds>", "how long to wait", count, 60)
    .option("--json", "print a JSON array");
  withTarget(command).action((target: string, flags: PortsFlags) => ports(target, flags));
}

async function ports(text: string, { json, wait, timeout, ...flags }: PortsFlags): Promise<void> {
  const { address, container } = findForwardTarget(new StateStore(), flags, text);
  const listed =
    wait === undefined
      ? await listPorts(address(), container, { openMs: 0 })
      : {
          ports: [await waitForPort(address(), { container, port: wait }, { timeoutMs: timeout * 1000 })],
          truncated: false,
        };
  if (json) return print(`${JSON.stringify(listed.ports, null, 2)}\n`);
  const rows = listed.ports.map(({ protocol, address, port }) => [protocol, address, `${port}`]);
  await print(textTable([["PROTOCOL", "ADDRESS", "PORT"], ...rows]));
  if (listed.truncated) process.stderr.write("guestctl: there are more ports than the agent lists\n");
}
