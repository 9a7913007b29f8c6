import { existsSync, statSync } from "node:fs";
import { posix } from "node:path";
import { isPath } from "../../engine/image/store/choose-image.ts";
import { SandboxError } from "../../sdk/error/sandbox-error.ts";
import { sandboxError } from "../../sdk/error/to-sandbox-error.ts";
import type { ImageChoice } from "../../sdk/image/image-choice.ts";
import type { CreateOptions, VolumeOption } from "../../sdk/sandbox/options.ts";
import { pathToRead } from "../host-folder/host-folder.ts";
import type { McpOptions } from "../mcp-options.ts";
import type { CreateInput } from "./create-input.ts";

const WHAT = "sandbox_create";
const DEFAULT_MEMORY_MIB = 512;
/** Processes and threads of a sandbox. */
const MAX_PIDS = 1024;

/** Returns the options of a sandbox that the user's permissions allow. Throws SandboxError. */
export function createOptions(
  input: CreateInput,
  allowed: McpOptions,
): { readonly image: string; readonly options: CreateOptions } {
  const { name, command, init, env, user, network, mounts = [], timeout_seconds } = input;
  if (network === "user" && !allowed.network) throw denied("the user has allowed no network", "--network user");
  const image = allowedImage(input.image, allowed);
  const volumes = mounts.map((mount) => volumeOf(mount, allowed));
  const size = sizeOf(input, allowed);
  if (allowed.agent !== undefined && (volumes.length > 0 || network !== "none")) {
    const what = `sandboxes at ${allowed.agent.address} have neither mounts nor a network of their own`;
    throw sandboxError("unsupported", `${WHAT}: ${what}`);
  }
  return {
    image,
    options: {
      image: imageChoice(image),
      name,
      ...size,
      ...(allowed.agent === undefined && { network }),
      command,
      ...(init && { init }),
      env,
      user,
      ...(volumes.length > 0 && { volumes }),
      timeoutMs: timeout_seconds * 1000,
    },
  };
}

/** Returns the size of a guest, or the limits of a container at an agent. */
function sizeOf(
  { memory_mib, cpus }: CreateInput,
  { agent, maxMemoryMib, maxCpus }: McpOptions,
): Pick<CreateOptions, "memoryMib" | "cpus" | "limits" | "address"> {
  const size = { memory: memory_mib ?? Math.min(DEFAULT_MEMORY_MIB, maxMemoryMib), cpus: cpus ?? 1 };
  if (size.memory > maxMemoryMib) throw over(`memory_mib ${size.memory}`, maxMemoryMib, "--memory");
  if (size.cpus > maxCpus) throw over(`cpus ${size.cpus}`, maxCpus, "--cpus");
  if (agent === undefined) return { memoryMib: size.memory, cpus: size.cpus, limits: { pids: MAX_PIDS } };
  const { address, limits } = agent;
  if (limits) return { address, limits: { memory: size.memory * 2 ** 20, cpus: size.cpus, pids: MAX_PIDS } };
  if ((memory_mib ?? cpus) === undefined) return { address };
  throw sandboxError("unsupported", `${WHAT}: sandboxes at ${address} have no limits`);
}

function allowedImage(wanted: string | undefined, { images, anyImage }: McpOptions): string {
  const image = wanted ?? images[0];
  if (image === undefined) throw sandboxError("invalid-argument", `${WHAT}: no image given, and there is no default`);
  if (images.includes(image)) return image;
  // Paths only as the user gave them: an image of a client's choice could be any folder of the host.
  if (anyImage && !isPath(image)) return image;
  const known = images.length === 0 ? "names in registries" : images.join(", ");
  throw denied(`image ${image}: allowed are ${known}`, anyImage ? "--image PATH" : "--image or --any-image");
}

function imageChoice(image: string): ImageChoice {
  return isPath(image) ? { path: image } : { reference: image };
}

function volumeOf({ host_path, path }: { host_path: string; path: string }, { folders }: McpOptions): VolumeOption {
  const host = pathToRead(WHAT, folders, host_path);
  if (!existsSync(host) || !statSync(host).isDirectory())
    throw sandboxError("invalid-argument", `${WHAT}: ${host_path} is not a folder`);
  const guest = posix.normalize(path).replace(/\/+$/, "");
  if (guest === "") throw sandboxError("invalid-argument", `${WHAT}: a folder can't be mounted at /`);
  return { host, guest, readOnly: true };
}

function over(what: string, most: number, option: string): SandboxError {
  const remedy = `use less, or ask the user to start guestctl mcp with a larger ${option}`;
  return new SandboxError("limit", `${WHAT}: ${what}: the most is ${most}`, { remedy });
}

function denied(why: string, option: string): SandboxError {
  return new SandboxError("permission-denied", `${WHAT}: ${why}`, {
    remedy: `ask the user to start guestctl mcp with ${option}`,
  });
}
