import { join, resolve } from "node:path";
import { isSameProcess, thisProcess } from "../../../lib/process-owner.ts";
import type { Interrupts } from "../../engine/attach/interrupts.ts";
import { OutputFile } from "../../engine/container/output-file.ts";
import { prepareAtAddress } from "../../engine/container/prepare-at-address.ts";
import { prepareInGuest } from "../../engine/container/prepare-in-guest.ts";
import { prepareInOwnGuest } from "../../engine/container/prepare-in-own-guest.ts";
import { GUEST_ROOT, type PreparedRun } from "../../engine/container/prepare-run.ts";
import { type ContainerRun, runContainer, startRun } from "../../engine/container/run-container.ts";
import { randomName } from "../../engine/guest/random-name.ts";
import type { Volume } from "../../engine/guest/shared-folder.ts";
import { DEFAULT_LAYER_BYTES, type LayerRequest } from "../../engine/image/disk/layer-store.ts";
import type { RunOptions } from "../../engine/image/image-config.ts";
import { type ChosenImage, chooseImage, type ImageSource, isPath } from "../../engine/image/store/choose-image.ts";
import type { StateStore } from "../../engine/record/state-store.ts";
import { holdAwake } from "../../engine/supervisor/idle/hold-awake.ts";
import { useTemplate } from "../../engine/template/use-template.ts";
import { useVolumes } from "../../engine/volume/use-volumes.ts";
import { sizeText } from "../../size-text.ts";
import { guestConsole, guestImage, guestSize, guestWords } from "../flags/guest-flags.ts";
import { guestNetwork } from "../flags/network-flags.ts";
import { hasImage, type RunFlags, rootfsKind, runOptions, volumesOf } from "../flags/run-flags.ts";
import { findTarget } from "../guest/target.ts";
import { StatusLine } from "../output/status-line.ts";
import { superviseOrReport } from "../output/supervise-or-report.ts";
import { recordFor } from "./container-record.ts";
import { runInClone, templateWithContainer } from "./run-in-clone.ts";

/** The words and flags of a `guestctl run`. */
export interface RunRequest {
  readonly words: readonly string[];
  readonly flags: RunFlags;
}

/** One run of a container, from its preparation to its end. */
export interface RunTurn {
  readonly id: string;
  readonly interrupts: Interrupts;
  /** Number of earlier runs by the restart policy. */
  readonly restarts?: number;
  /** True if the container has ended before and its record is kept. */
  readonly isAgain?: boolean;
}

/** Runs a container to its end and returns its exit code. Throws one line. */
export async function runOnce(store: StateStore, request: RunRequest, turn: RunTurn): Promise<number> {
  const { template } = request.flags;
  const clone = template === undefined ? undefined : await templateWithContainer(template);
  if (clone !== undefined) return runInClone(store, clone, request, turn);
  return whilePrepared(store, request, turn, (prepared, run) => runContainer(store, prepared, run));
}

/** Starts a detached container and leaves it to this user's supervisor. Throws one line. */
export async function startDetached(store: StateStore, request: RunRequest, turn: RunTurn): Promise<void> {
  const { id, restarts = 0 } = turn;
  const guest = request.flags.guest ?? id;
  const kept = request.flags.rm ? undefined : { request: storedRequest(request), restarts };
  await whilePrepared(store, request, turn, async (prepared, run) => {
    const before = store.processes.list(guest).find(({ exec }) => exec === id)?.output;
    const output = before ?? join(store.directory(guest), `${randomName(id)}.out`);
    OutputFile.begin(output);
    await startRun(store, prepared, { ...run, kept, output });
    run.started();
    await prepared.handOver();
    store.leave(guest, id);
  });
  await superviseOrReport(store);
}

/** Prepares a container's run, calls `work` with it, and releases what was prepared unless that leaves it to others. */
async function whilePrepared<T>(
  store: StateStore,
  request: RunRequest,
  { id, interrupts, isAgain = false }: RunTurn,
  work: (prepared: PreparedRun, run: ContainerRun) => Promise<T>,
): Promise<T> {
  const { words, flags } = request;
  using status = new StatusLine();
  using _claim = isAgain ? undefined : claimName(store, id, words, flags);
  using chosen = hasImage(flags)
    ? await interrupts.during(chooseImage(imageSource(id, words, flags, interrupts, status)))
    : undefined;
  const [image = "", ...rest] = hasImage(flags) ? words : ["", ...words];
  const options = runOptions(rest, flags);
  const record = store.processes.file(flags.guest ?? id, { container: id, exec: id });
  using volumes = useVolumes(volumesOf(flags), { container: id, record });
  const wanted = { ...request, options, volumes: volumes.folders };
  await using prepared = await interrupts.during(prepare(store, { id, interrupts, isAgain }, chosen, wanted, status));
  return await work(prepared, {
    ...{ id, image, options, flags, interrupts, isAgain, stdio: process },
    record: { ...recordFor(prepared, flags), volumes: volumes.recorded },
    started: () => status.clear(),
  });
}

/** Returns the request with paths that hold in any directory. Keys that leave a terminal are of no use later. */
function storedRequest({ words, flags: { detachKeys, ...flags } }: RunRequest): RunRequest {
  const [image = "", ...rest] = words;
  const isFile = hasImage(flags) && isPath(image);
  return {
    words: isFile ? [resolve(image), ...rest] : words,
    flags: { ...flags, ...(flags.vmImage === undefined ? {} : { vmImage: resolve(flags.vmImage) }) },
  };
}

function imageSource(
  container: string,
  [text = ""]: readonly string[],
  flags: RunFlags,
  { signal }: Interrupts,
  status: StatusLine,
): ImageSource {
  const onProgress = (bytes: number, total: number) =>
    status.show(`pulling ${text}: ${sizeText(bytes)} of ${sizeText(total)}`);
  return { text, container, pull: flags.pull ?? "missing", plainHttp: flags.plainHttp === true, signal, onProgress };
}

/** Claims the container's name in a running guest until the container runs; disposal releases it if it never did. */
function claimName(store: StateStore, id: string, args: readonly string[], flags: RunFlags): Disposable {
  const guest = flags.guest === undefined ? undefined : findTarget(store, flags).guest?.name;
  const name = { container: id, exec: id };
  if (guest !== undefined) {
    const unknown = { image: "", terminal: false, rootfs: "", env: [], cwd: "/", user: "" };
    const startedAt = new Date().toISOString();
    store.processes.claim(guest, { ...name, ...unknown, args, startedAt, keeper: thisProcess(), starting: true });
  }
  return {
    [Symbol.dispose]() {
      const claim = guest === undefined ? undefined : store.processes.list(guest).find(({ exec }) => exec === id);
      const isOurs = claim?.starting === true && isSameProcess(claim.keeper, thisProcess());
      if (guest !== undefined && isOurs) store.removeProcess(guest, name);
    },
  };
}

/** Returns the disk that a container writes: the one that its record names, or a new one. */
function layerRequest(store: StateStore, id: string, { guest: place = id, storageOpt }: RunFlags): LayerRequest {
  const name = { container: id, exec: id };
  const record = store.processes.list(place).find(({ container, exec }) => container === id && exec === id);
  // A supervisor that finds only the claim of a killed command unplugs the disk.
  const onOpen = (layer: string) => store.processes.update(place, name, { layer });
  const size = storageOpt ?? DEFAULT_LAYER_BYTES;
  return { size, record: store.processes.file(place, name), folder: record?.layer, onOpen };
}

async function prepare(
  store: StateStore,
  { id, interrupts, isAgain = false }: RunTurn,
  chosen: ChosenImage | undefined,
  { flags, options, volumes }: RunRequest & { readonly options: RunOptions; readonly volumes: readonly Volume[] },
  status: StatusLine,
): Promise<PreparedRun> {
  const { address, rootfs, imageName } = flags;
  if (address !== undefined && rootfs !== undefined) {
    return prepareAtAddress(address, rootfs, { hostname: "guestctl", signal: interrupts.signal });
  }
  const { path, text } = chosen ?? { path: "", text: "" };
  const named = { path, name: imageName };
  const files = {
    image: flags.guestRoot ? GUEST_ROOT : named,
    volumes,
    rootfs: flags.template === undefined ? rootfsKind(flags) : "block",
    layer: layerRequest(store, id, flags),
    options,
  } as const;
  const unpacking = flags.guestRoot ? [] : [`unpacking ${text}`];
  status.show(`${[...unpacking, ...(flags.guest === undefined ? ["booting a guest"] : [])].join(" and ")} …`);
  if (flags.guest !== undefined) {
    const { guest } = findTarget(store, flags);
    if (guest !== undefined) {
      await using held = await holdAwake(store, guest);
      return await prepareInGuest(held.guest, id, files, interrupts.signal);
    }
  }
  using template = await useTemplate(flags.template, id);
  return await prepareInOwnGuest(store, id, files, {
    snapshot: template?.template.path,
    isAgain,
    isDetached: flags.detach === true,
    idleMs: flags.idle === undefined ? undefined : flags.idle * 1000,
    name: id,
    ...guestSize(flags, flags),
    ...guestImage(flags),
    ...guestWords(flags),
    ...guestNetwork(flags),
    signal: interrupts.signal,
    ...guestConsole(flags),
  });
}
