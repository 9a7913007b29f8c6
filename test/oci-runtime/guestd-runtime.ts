#!/usr/bin/env node
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { AgentClient } from "../../host/client/agent-client.ts";
import { followContainer } from "./follow-container.ts";
import { RuntimeState } from "./runtime-state.ts";

const HELP = `guestd-runtime: runc's commands, carried out by a guestd agent in the same namespaces.
  create [--bundle DIR] [--pid-file FILE] ID
  start ID
  state ID
  kill ID [SIGNAL]
  delete [--force] ID
GUESTD_RUNTIME_AGENT is the agent's address, GUESTD_RUNTIME_ROOT the directory for state.`;

const OPTIONS = {
  bundle: { type: "string", default: "." },
  "pid-file": { type: "string" },
  force: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

interface Command {
  readonly container: RuntimeState;
  readonly options: { readonly bundle: string; readonly "pid-file"?: string | undefined; readonly force: boolean };
  readonly rest: readonly string[];
}

const COMMANDS: Readonly<Record<string, (command: Command) => Promise<void>>> = {
  create,
  start,
  state,
  kill,
  delete: remove,
  follow: ({ container }) => withAgent((client) => followContainer(client, container)),
};

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  if (values.help) return void process.stdout.write(`${HELP}\n`);
  const [name = "", id, ...rest] = positionals;
  const command = COMMANDS[name];
  if (command === undefined) throw new Error(`"${name}" is not a command: see --help`);
  if (id === undefined || id === "") throw new Error(`${name} needs a container id`);
  const container = new RuntimeState(setting("GUESTD_RUNTIME_ROOT"), id);
  await command({ container, options: values, rest });
}

/** Loads the client only for commands that need it, because the suite calls `state` again and again. */
async function withAgent<Result>(use: (client: AgentClient) => Promise<Result>): Promise<Result> {
  const { connect } = await import("../../host/client/agent-client.ts");
  await using client = await connect(setting("GUESTD_RUNTIME_AGENT"));
  return await use(client);
}

async function create({ container, options }: Command): Promise<void> {
  const bundle = resolve(options.bundle);
  const { readConfig } = await import("../../host/oci/config-json.ts");
  container.claim();
  try {
    const spec = readConfig(join(bundle, "config.json"), (field) => {
      process.stderr.write(`guestd-runtime: warning: ${field} is not a property that guestd knows: ignored\n`);
    });
    await withAgent(({ agent }) =>
      agent.createContainer({ container_id: container.id, exec_id: container.id, OCI: spec }),
    );
    const pid = pidOf(container.id);
    container.write({
      ociVersion: spec.Version,
      id: container.id,
      bundle,
      pid,
      annotations: spec.Annotations,
    });
    if (options["pid-file"] !== undefined) writeFileSync(options["pid-file"], String(pid));
  } catch (error) {
    container.remove();
    throw error;
  }
  // This process outlives the command and inherits its output.
  const follower = [import.meta.filename, "follow", container.id];
  spawn(process.execPath, follower, { detached: true, stdio: ["ignore", "inherit", "inherit"] }).unref();
}

/** Returns the pid of a new container's only process, from the cgroup that the agent's state file names. */
function pidOf(id: string): number {
  const { cgroup } = JSON.parse(readFileSync(`/run/guestd/containers/${id}.json`, "utf8")) as { cgroup: string };
  return Number(readFileSync(join(cgroup, "cgroup.procs"), "utf8").split("\n")[0]);
}

async function start({ container }: Command): Promise<void> {
  container.read();
  if (container.status !== "created") throw new Error(`container ${container.id} is ${container.status}, not created`);
  container.mark("started");
  try {
    await withAgent(({ agent }) => agent.startContainer({ container_id: container.id }));
  } catch (error) {
    container.unmark("started");
    throw error;
  }
}

async function state({ container }: Command): Promise<void> {
  const record = container.read();
  process.stdout.write(`${JSON.stringify({ ...record, status: container.status }, null, 2)}\n`);
}

async function kill({ container, rest }: Command): Promise<void> {
  container.read();
  if (container.status === "stopped")
    throw new Error(`container ${container.id} is stopped, so it has no process to signal`);
  const signal = signalNumber(rest[0] ?? "TERM");
  await withAgent(({ agent }) => agent.signalProcess({ container_id: container.id, exec_id: container.id, signal }));
}

function signalNumber(text: string): number {
  const names: Readonly<Record<string, number>> = constants.signals;
  const number = /^\d+$/.test(text) ? Number(text) : names[text.startsWith("SIG") ? text : `SIG${text}`];
  if (number === undefined) throw new Error(`"${text}" is not a signal`);
  return number;
}

async function remove({ container, options }: Command): Promise<void> {
  container.read();
  if (container.status !== "stopped" && !options.force) {
    throw new Error(`container ${container.id} is ${container.status}, not stopped`);
  }
  await withAgent(({ agent }) => agent.removeContainer({ container_id: container.id }));
  container.remove();
}

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: see --help`);
  return value;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`guestd-runtime: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
