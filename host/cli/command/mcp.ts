import { realpathSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import type { HostFolder } from "../../mcp/host-folder/host-folder.ts";
import { CliError } from "../cli-error.ts";
import { count, mebibytes } from "../flags/option-values.ts";

interface McpFlags {
  readonly image?: readonly string[];
  readonly anyImage?: true;
  readonly network: "none" | "user";
  readonly folder?: readonly HostFolder[];
  readonly address?: string;
  readonly limits: boolean;
  readonly maxSandboxes: number;
  readonly memory: number;
  readonly cpus: number;
}

const HELP = `
Clients such as Claude Desktop, VS Code and Cursor start this command; docs/mcp.md has their settings. The sandboxes of a session
end with it: when the client closes stdin, or a signal arrives. Without options a sandbox has no network, sees nothing of this
machine, and the client may choose between the images of --image.

  guestctl mcp --image python:3.13-alpine
  guestctl mcp --image alpine:3.20 --image node:24 --folder ~/project --network user
  guestctl mcp --any-image --folder ~/results:rw --max-sandboxes 2`;

/** Adds `guestctl mcp`. */
export function addMcp(program: Command): void {
  program
    .command("mcp")
    .description("Serve tools for sandboxes to a client of the Model Context Protocol on stdin and stdout.")
    .option("--image <name>", "allow this image, by name or path; repeatable, the first is the default", images)
    .option("--any-image", "allow the names of all images that registries have")
    .addOption(
      new Option("--network <kind>", "network that sandboxes may ask for: none, or user for QEMU's user network")
        .choices(["none", "user"])
        .default("none"),
    )
    .option(
      "--folder <path[:rw]>",
      "allow to mount and copy from this folder, with :rw to copy to it too; repeatable",
      folders,
    )
    .option("--max-sandboxes <count>", "sandboxes at a time", count, 4)
    .option("--memory <size>", "most memory of a sandbox, such as 2g", mebibytes, 1024)
    .option("--cpus <count>", "most processors of a sandbox", count, 2)
    .option("--address <address>", "create containers at this agent, which share its network, instead of guests")
    .option("--no-limits", "with --address: set no limits, where the agent's cgroups have no controllers")
    .addHelpText("after", HELP)
    .action((flags: McpFlags) => mcp(flags));
}

async function mcp(flags: McpFlags): Promise<void> {
  const { image = [], anyImage = false, network, folder = [], address, limits, maxSandboxes, memory, cpus } = flags;
  if (image.length === 0 && !anyImage) {
    throw new CliError("mcp: no image allowed; add --image NAME, such as --image alpine:3.20, or --any-image");
  }
  if (!limits && address === undefined) throw new CliError("mcp: --no-limits needs --address");
  const { serveMcp } = await import("../../mcp/serve-mcp.ts").catch((error: NodeJS.ErrnoException) => {
    // The npm package of guestd leaves them to those who use this command.
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    const remedy = 'run "npm install @modelcontextprotocol/server zod" where guestd is installed';
    throw new CliError(`mcp: the packages of MCP are not installed; ${remedy}`, { cause: error });
  });
  using interrupts = new Interrupts();
  const options = { images: image, anyImage, network: network === "user", folders: folder, maxSandboxes };
  const place = address === undefined ? {} : { agent: { address, limits } };
  await serveMcp({ ...options, ...place, maxMemoryMib: memory, maxCpus: cpus }, interrupts.signal);
}

function images(text: string, before: readonly string[] = []): readonly string[] {
  if (text === "") throw new InvalidArgumentError("Expected the name or path of an image.");
  return [...before, text];
}

function folders(text: string, before: readonly HostFolder[] = []): readonly HostFolder[] {
  const [, name = "", mode] = /^(.+?)(?::(ro|rw))?$/.exec(text) ?? [];
  const path = resolve(name);
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (name === "" || !isFolder) throw new InvalidArgumentError(`${name} is not a folder.`);
  return [...before, { path, real: realpathSync(path), writable: mode === "rw" }];
}
