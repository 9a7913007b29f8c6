import { resolve } from "node:path";
import { thisProcess } from "../../../lib/process-owner.ts";
import { DEFAULT_LAYER_BYTES, type LayerRequest } from "../../block-root/layer-store.ts";
import { findRunInGuest, findRunInOwnGuest } from "../../guests/found-run.ts";
import {
  GUEST_ROOT,
  type PreparedRun,
  prepareAtAddress,
  prepareInGuest,
  prepareInOwnGuest,
} from "../../guests/prepare-run.ts";
import type { RunOptions } from "../../image/image-config.ts";
import { type ChosenImage, chooseImage, type ImageSource, isPath } from "../../image-store/choose-image.ts";
import type { ProcessRecord } from "../../state/state-records.ts";
import type { StateStore } from "../../state/state-store.ts";
import { CliError } from "../cli-error.ts";
import { guestConsole, guestImage, guestSize, guestWords } from "../flags/guest-flags.ts";
import { guestNetwork } from "../flags/network-flags.ts";
import { hasImage, type RunFlags, rootfsKind, runOptions, volumesOf } from "../flags/run-flags.ts";
import { findTarget } from "../guest/target.ts";
import { snapshotOf, useTemplate } from "../guest/use-template.ts";
import { StatusLine } from "../output/status-line.ts";
import { sizeText } from "../output/text-table.ts";
import { announceReady, backgroundOutput } from "./background.ts";
import type { Interrupts } from "./interrupts.ts";
import { runContainer } from "./run-container.ts";
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
  readonly restarts: number;
  /** True if the container has ended before and its record is kept. */
  readonly isAgain: boolean;
  /** Called once the container runs. */
  readonly started?: () => void;
  /** Record of a container that runs already, and whose guestctl was killed. */
  readonly found?: ProcessRecord | undefined;
}

/** Runs a container to its end and returns its exit code. Throws one line. */
export async function runOnce(store: StateStore, request: RunRequest, turn: RunTurn): Promise<number> {
  const { words, flags } = request;
  const { id, interrupts, restarts, isAgain, found } = turn;
  if (found !== undefined) return serveFound(store, found, request, turn);
  const clone = flags.template === undefined ? undefined : await templateWithContainer(flags.template);
  if (clone !== undefined) return runInClone(store, clone, request, turn);
  using status = new StatusLine();
  using _claim = isAgain ? undefined : claimName(store, id, words, flags);
  using chosen = hasImage(flags)
    ? await interrupts.during(chooseImage(imageSource(id, words, flags, interrupts, status)))
    : undefined;
  const [image = "", ...rest] = hasImage(flags) ? words : ["", ...words];
  const options = runOptions(rest, flags);
  await using prepared = await interrupts.during(prepare(store, turn, chosen, { ...request, options }, status));
  return await runContainer(store, prepared, {
    id,
    image,
    options,
    flags,
    interrupts,
    ...(isAgain ? { isAgain } : {}),
    ...(flags.detach && flags.rm === undefined ? { kept: { request: storedRequest(request), restarts } } : {}),
    output: backgroundOutput(),
    volumes: volumesOf(flags).map(({ host, guest, mode }) => `${host}:${guest}${mode === "ro" ? ":ro" : ""}`),
    started() {
      status.clear();
      turn.started?.();
      announceReady();
    },
  });
}

/** Serves a container that runs already to its end, in its own guest or in one that another guestctl keeps. */
async function serveFound(
  store: StateStore,
  found: ProcessRecord,
  { flags }: RunRequest,
  { id, interrupts, restarts, started }: RunTurn,
): Promise<number> {
  const guest = store.guests().find(({ name }) => name === (flags.guest ?? id));
  if (guest === undefined) throw new CliError(`container ${id}: its guest has ended`);
  await using prepared =
    guest.name === id
      ? await findRunInOwnGuest(store, guest, found)
      : await findRunInGuest(guest, found, interrupts.signal);
  return await runContainer(store, prepared, {
    ...{ id, image: found.image, options: {}, flags, interrupts, found, isAgain: true },
    ...(found.kept && { kept: { request: found.request, restarts } }),
    output: found.output,
    started() {
      started?.();
      announceReady();
    },
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
      const claimed =
        guest === undefined ? [] : store.processes.list(guest).filter(({ container }) => container === id);
      if (guest !== undefined && claimed.some(({ starting }) => starting)) store.removeProcess(guest, name);
    },
  };
}

/** Returns the disk that a container writes: the one that its record names, or a new one. */
function layerRequest(store: StateStore, id: string, { guest: place = id, storageOpt }: RunFlags): LayerRequest {
  const name = { container: id, exec: id };
  const record = store.processes.list(place).find(({ container, exec }) => container === id && exec === id);
  return { size: storageOpt ?? DEFAULT_LAYER_BYTES, record: store.processes.file(place, name), folder: record?.layer };
}

async function prepare(
  store: StateStore,
  { id, interrupts, isAgain }: RunTurn,
  chosen: ChosenImage | undefined,
  { flags, options }: RunRequest & { readonly options: RunOptions },
  status: StatusLine,
): Promise<PreparedRun> {
  const { address, rootfs, imageName } = flags;
  if (address !== undefined && rootfs !== undefined) {
    return prepareAtAddress(address, rootfs, { hostname: "guestctl", signal: interrupts.signal });
  }
  const { path, text } = chosen ?? { path: "", text: "" };
  const named = { path, ...(imageName === undefined ? {} : { name: imageName }) };
  const files = {
    image: flags.guestRoot ? GUEST_ROOT : named,
    volumes: volumesOf(flags),
    rootfs: flags.template === undefined ? rootfsKind(flags) : "block",
    layer: layerRequest(store, id, flags),
    options,
  } as const;
  const unpacking = flags.guestRoot ? [] : [`unpacking ${text}`];
  status.show(`${[...unpacking, ...(flags.guest === undefined ? ["booting a guest"] : [])].join(" and ")} …`);
  if (flags.guest !== undefined) {
    const { guest } = findTarget(store, flags);
    if (guest !== undefined) return prepareInGuest(guest, id, files, interrupts.signal);
  }
  using template = await useTemplate(flags.template, id);
  return await prepareInOwnGuest(store, id, files, {
    ...snapshotOf(template),
    ...(isAgain ? { isAgain } : {}),
    name: id,
    ...guestSize(flags, flags),
    ...guestImage(flags),
    ...guestWords(flags),
    ...guestNetwork(flags),
    signal: interrupts.signal,
    ...guestConsole(flags),
  });
}
