import { audit } from "../../audit/audit.ts";
import { prepareAtAddress, prepareOnThisMachine } from "../../engine/container/prepare-at-address.ts";
import { prepareInOwnGuest } from "../../engine/container/prepare-in-own-guest.ts";
import { startContainer } from "../../engine/container/start-container.ts";
import { waitingProcess } from "../../engine/container/waiting-process.ts";
import { randomName } from "../../engine/guest/random-name.ts";
import type { Volume } from "../../engine/guest/shared-folder.ts";
import { DEFAULT_LAYER_BYTES } from "../../engine/image/disk/layer-store.ts";
import type { RunOptions } from "../../engine/image/image-config.ts";
import { MIN_MEMORY } from "../../engine/image/limit-resources.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { useTemplate } from "../../engine/template/use-template.ts";
import { type NamedVolume, useVolumes } from "../../engine/volume/use-volumes.ts";
import { MachineError } from "../../vm/machine-error.ts";
import { findQemu } from "../../vm/programs.ts";
import { identityOf, sharedFolder } from "../../vm/shared-source.ts";
import { limitedToEnd } from "../call/limits.ts";
import type { AgentDriver } from "../driver/agent-driver.ts";
import { SandboxError } from "../error/sandbox-error.ts";
import { sandboxError } from "../error/to-sandbox-error.ts";
import { environment } from "../exec/exec-options.ts";
import { writeAll } from "../files/write-all.ts";
import { chooseRootfs } from "../image/image-choice.ts";
import { guestNetwork } from "./guest-network.ts";
import { cloneDriver, openDriver } from "./open-driver.ts";
import { type CreateOptions, NETWORK_KINDS, type VolumeOption } from "./options.ts";

const WAITING = ["sleep", "2147483647"];
const NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;
const DEFAULT_MEMORY_MIB = 512;

/**
 * Creates a sandbox's container. With `isWarm` its guest is warmed first, which takes longer. Rejects with SandboxError; then
 * nothing is left.
 */
export async function createDriver(options: CreateOptions, isWarm = false): Promise<AgentDriver> {
  const { name = randomName("s") } = options;
  const operation = `create sandbox ${name}`;
  return limitedToEnd(operation, options, async (signal) => {
    checkOptions(operation, name, options);
    const { address } = options;
    audit("create", { address, guest: address === undefined ? name : undefined, container: name });
    await using undo = new AsyncDisposableStack();
    const store = new StateStore();
    using used = await useTemplate(options.template, name);
    if (used !== undefined && options.image === undefined) {
      const driver = await cloneDriver(name, used.template.path, signal, { ...guestNetwork(options.network), isWarm });
      undo.defer(() => driver.close());
      await writeAll(driver.files, options.files, signal);
      signal.throwIfAborted();
      undo.move();
      return driver;
    }
    const record = store.processes.file(name, { container: name, exec: name });
    using volumes = useVolumes((options.volumes ?? []).map(volumeOf), { container: name, record });
    const more = { snapshot: used?.template.path, isWarm, volumes: volumes.folders };
    const { prepared, image } = await prepare(store, name, options, more, signal);
    undo.use(prepared);
    const container = {
      ...{ id: name, image, options: runOptions(options, prepared.guest !== undefined) },
      record: { volumes: volumes.recorded },
    };
    const started = await startContainer(store, prepared, container, { signal });
    const driver = await openDriver(store, prepared, name, started);
    undo.defer(() => driver.close());
    await writeAll(driver.files, options.files, signal);
    signal.throwIfAborted();
    undo.move();
    return driver;
  });
}

async function prepare(
  store: StateStore,
  name: string,
  options: CreateOptions,
  { snapshot, isWarm, volumes }: { snapshot: string | undefined; isWarm: boolean; volumes: readonly Volume[] },
  signal: AbortSignal,
) {
  const { image: choice = "", address, vm = {}, memoryMib = DEFAULT_MEMORY_MIB, cpus = 1 } = options;
  if (typeof choice === "object" && "guestPath" in choice) {
    const prepared = await prepareAtAddress(address ?? "", choice.guestPath, { hostname: "guestd", signal });
    return { prepared, image: choice.guestPath };
  }
  if (address === undefined) findQemu(); // fails before the image is pulled
  using chosen = await chooseRootfs(choice, name, signal);
  const { source, name: image } = chosen;
  if (address !== undefined) {
    const prepared = await prepareOnThisMachine(address, name, source, { hostname: "guestd", signal });
    return { prepared, image };
  }
  // The signal of a guest destroys it also later.
  const starting = new AbortController();
  const onAbort = () => starting.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const { kernel, initrd, image: vmImage, kernelArgs, onConsole } = vm;
  const machine = { kernel, initrd, image: vmImage, kernelArgs, onConsole };
  const known = Object.fromEntries(Object.entries(machine).filter(([, value]) => value !== undefined));
  try {
    const layer = { size: DEFAULT_LAYER_BYTES, record: store.processes.file(name, { container: name, exec: name }) };
    const files = { image: source, volumes, layer, options: runOptions(options, true), ...rootfsOf(options) };
    const guest = {
      snapshot,
      name,
      memoryMib,
      cpus,
      ...guestNetwork(options.network),
      ...known,
      signal: starting.signal,
      isEmbedded: true,
      isWarm,
    };
    return { prepared: await prepareInOwnGuest(store, name, files, guest), image };
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function runOptions(options: CreateOptions, inGuest: boolean): RunOptions {
  const { command, env, cwd, user, limits, readOnlyRoot, init } = options;
  const waiting = inGuest ? waitingProcess() : { args: WAITING };
  return {
    ...(command === undefined ? waiting : { args: command }),
    entrypoint: [],
    env: environment(env),
    hostname: "sandbox",
    cwd,
    user,
    limits,
    ...(readOnlyRoot && { readonlyRoot: true }),
    ...(init && (command !== undefined || !inGuest) && { init }),
  };
}

/** A template's guest has no shared folder. */
function rootfsOf({ rootfs, template }: CreateOptions): Pick<CreateOptions, "rootfs"> {
  if (template !== undefined) return { rootfs: "block" };
  return { rootfs };
}

/** Throws SandboxError for options that a guest from a template can't have. */
function checkTemplate(operation: string, options: CreateOptions): void {
  const { template, image, rootfs, volumes = [] } = options;
  if (template === undefined) return;
  const guests = (["address", "memoryMib", "cpus", "vm"] as const).filter((key) => options[key] !== undefined);
  const containers = (["command", "env", "cwd", "user", "limits", "readOnlyRoot", "init"] as const).filter(
    (key) => image === undefined && options[key] !== undefined,
  );
  const wrong = [...guests, ...containers, ...(rootfs === "share" || volumes.length > 0 ? ["a shared folder"] : [])];
  if (wrong.length === 0) return;
  const remedy = "leave them out, or make a template that has them";
  const line = `${operation}: ${wrong.join(", ")}: not with a template, whose guest and container exist already`;
  throw new SandboxError("invalid-argument", line, { remedy });
}

/** Throws SandboxError for a folder that isn't shared. */
function volumeOf({ guest, readOnly = false, ...from }: VolumeOption): Volume | NamedVolume {
  const mode = readOnly ? "ro" : "rw";
  if ("volume" in from) return { name: from.volume, guest, mode };
  try {
    const folder = sharedFolder(from.host);
    identityOf(folder, mode);
    return { host: folder, guest, mode };
  } catch (error) {
    throw error instanceof MachineError ? sandboxError("invalid-argument", error.message) : error;
  }
}

/** Throws SandboxError for options that contradict each other. */
function checkOptions(operation: string, name: string, options: CreateOptions): void {
  const refuse = (why: string) => sandboxError("invalid-argument", `${operation}: ${why}`);
  const { address, image, memoryMib, cpus, command, network = "none" } = options;
  if (!NAME.test(name)) throw refuse(`name ${JSON.stringify(name)} is not letters, digits, _ . and -, at most 64`);
  if (image === undefined && options.template === undefined) throw refuse("no image given");
  checkTemplate(operation, options);
  if (command?.length === 0) throw refuse("the command has no words");
  const kind = typeof network === "string" ? network : (network.kind ?? "user");
  if (!NETWORK_KINDS.some((known) => known === kind)) {
    throw refuse(`network ${JSON.stringify(kind)} is not one of ${NETWORK_KINDS.join(", ")}`);
  }
  for (const [what, value] of Object.entries({ memoryMib, cpus })) {
    if (value !== undefined && !(Number.isInteger(value) && value > 0))
      throw refuse(`${what} ${value} is no positive whole number`);
  }
  if (options.lifetimeMs !== undefined && !(options.lifetimeMs > 0)) {
    throw refuse(`lifetimeMs ${options.lifetimeMs} is no positive number`);
  }
  checkLimits(operation, options.limits);
  if (address === undefined) {
    if (typeof image === "object" && "guestPath" in image) throw refuse("image.guestPath needs an address");
    return;
  }
  const own = (["memoryMib", "cpus", "network", "volumes", "rootfs", "vm", "lifetimeMs"] as const).filter(
    (key) => options[key] !== undefined,
  );
  if (own.length > 0) {
    const remedy = "leave them out, or leave out the address";
    throw new SandboxError("invalid-argument", `${operation}: ${own.join(", ")}: only for a guest of its own`, {
      remedy,
    });
  }
}

/** Throws SandboxError for limits with which a container can't start. */
function checkLimits(
  operation: string,
  { memory = MIN_MEMORY, cpus = 1, pids = 1 }: CreateOptions["limits"] = {},
): void {
  const refuse = (why: string) => sandboxError("invalid-argument", `${operation}: limits.${why}`);
  if (!(Number.isInteger(memory) && memory >= MIN_MEMORY)) {
    throw refuse(`memory ${memory}: a container needs at least ${MIN_MEMORY} bytes`);
  }
  if (!(cpus > 0 && Number.isFinite(cpus))) throw refuse(`cpus ${cpus} is no positive number`);
  if (!(Number.isInteger(pids) && pids > 0)) throw refuse(`pids ${pids} is no positive whole number`);
}
