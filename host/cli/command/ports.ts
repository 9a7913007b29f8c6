import type { Command } from "commander";
import { followPorts, waitForPort } from "../../engine/guest/watch-ports.ts";
import type { ListeningPort } from "../../engine/guest.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { CliError } from "../cli-error.ts";
import { count } from "../flags/option-values.ts";
import { isJson, jsonLine, jsonText, type OutputFlags, withOutput } from "../flags/output-flags.ts";
import { findForwardTarget } from "../guest/forward-target.ts";
import { type TargetFlags, withTarget } from "../guest/target.ts";
import { print } from "../output/print.ts";
import { textTable } from "../output/text-table.ts";

interface PortsFlags extends TargetFlags, OutputFlags {
  readonly follow?: true;
  readonly wait?: number;
  readonly timeout: number;
}

/** Adds `guestctl ports`. */
export function addPorts(program: Command): void {
  const command = program
    .command("ports")
    .description(
      "List the ports on which processes listen in a container's network namespace. TARGET is a container's id or the beginning of a random one, or the name of a guest.",
    )
    .argument("<target>")
    .option("--wait <port>", "wait until a process listens on this TCP port, and print only that", count)
    .option("-f, --follow", "print ports as they open (+) and close (-), until ^C")
    .option("--timeout <seconds>", "how long to wait", count, 60);
  withOutput(withTarget(command), "print a JSON array, with --follow one object on each line").action(
    (target: string, flags: PortsFlags) => ports(target, flags),
  );
}

async function ports(text: string, { follow, wait, timeout, ...flags }: PortsFlags): Promise<void> {
  const json = isJson(flags);
  if (follow && wait !== undefined) throw new CliError("ports: --follow can't be combined with --wait");
  const { guest, container } = findForwardTarget(new StateStore(), flags, text);
  if (follow) {
    for await (const { action, ...port } of followPorts(guest, container)) {
      const sign = action === "opened" ? "+" : "-";
      await print(json ? jsonLine({ action, ...port }) : `${sign} ${rowOf(port).join(" ")}\n`);
    }
  }
  const listed =
    wait === undefined
      ? await guest.ports(container)
      : {
          ports: [await waitForPort(guest, { container, port: wait }, { timeoutMs: timeout * 1000 })],
          truncated: false,
        };
  if (json) return print(jsonText(listed.ports));
  await print(textTable([["PROTOCOL", "ADDRESS", "PORT"], ...listed.ports.map(rowOf)]));
  if (listed.truncated) process.stderr.write("guestctl: there are more ports than the agent lists\n");
}

const rowOf = ({ protocol, address, port }: ListeningPort): string[] => [protocol, address, `${port}`];
