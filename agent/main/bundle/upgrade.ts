import { closeSync, constants, fstatSync, readSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { crypto } from "../../kernel/builtin.ts";
import { O_PATH } from "../../kernel/constants.ts";
import { AgentError, describeErrno, SystemError } from "../../kernel/error.ts";
import type { Sys } from "../../kernel/kernel.ts";
import { pathOf } from "../../storage/shared-parent.ts";
import { namesBelow, openBeneath, openSharedRoot, SHARED_ROOT } from "../../storage/shared-path.ts";
import type { BundleStore } from "./bundle-store.ts";
import { readCpio } from "./read-cpio.ts";

export interface Upgrade {
  /** Path of the bundle: the store's `upload`, or below the shared root; empty for the image's own agent. */
  readonly path: string;
  readonly sha256: string;
}

interface UpgradeParts {
  readonly sys: Pick<Sys, "openat2" | "close">;
  readonly store: BundleStore;
  /** SHA-256 of the running bundle, empty for the image's own; undefined if no launcher started it. */
  readonly running: string | undefined;
  readonly root?: string;
}

const { O_DIRECTORY, O_NOFOLLOW } = constants;
export const MAX_BUNDLE_BYTES = 32 * 1024 * 1024;
/** Files that every bundle has. Code caches may be missing or belong to another Node, and further files are allowed. */
const NEEDED = ["agent.cjs", "grpc.cjs", "sys.node", "seccomp.node"];

/**
 * Checks a bundle, stores it, removes the uploaded file and has the launcher run the bundle from the next start on. Throws one line
 * for a bad bundle, and changes nothing then.
 */
export function prepareUpgrade(upgrade: Upgrade, parts: UpgradeParts): void {
  try {
    if (parts.running === undefined) {
      throw new AgentError(
        "failed-precondition",
        "this agent was not started by the launcher, which chooses the bundle",
      );
    }
    if (upgrade.path === "" && upgrade.sha256 !== "") throw invalid("sha256 is given, and no path");
    if (upgrade.path !== "") keepBundle(upgrade, parts, parts.running);
    parts.store.choose(upgrade.sha256);
    rmSync(dirname(parts.store.upload), { recursive: true, force: true });
  } catch (error) {
    throw withPath(upgrade.path, error);
  }
}

function keepBundle(
  { path, sha256 }: Upgrade,
  { sys, store, root: shared = SHARED_ROOT }: UpgradeParts,
  running: string,
): void {
  const place = path === store.upload ? dirname(path) : shared;
  const names = namesBelow(place, path);
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw invalid("sha256 is not 64 hexadecimal digits");
  // A stored bundle is not read again: the host may repeat a call whose answer was lost.
  if (store.has(sha256)) return;
  using opened = new DisposableStack();
  const root = opened.adopt(openSharedRoot(place), sys.close);
  const above = openBeneath(sys, root, [".", ...names.slice(0, -1)], O_PATH | O_DIRECTORY);
  const parent = opened.adopt(above, sys.close);
  const name = names.at(-1) ?? "";
  store.add(sha256, filesOf(readWhole(openBeneath(sys, parent, [name], O_NOFOLLOW)), sha256), running);
  removeIfPossible(`${pathOf(parent)}/${name}`);
}

/** Reads the whole file and closes the descriptor. The bytes hashed are the bytes stored, even if the file changes. */
function readWhole(fd: number): Buffer {
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw invalid("it is no regular file");
    if (stat.size > MAX_BUNDLE_BYTES) throw invalid(`it has ${stat.size} bytes, more than ${MAX_BUNDLE_BYTES}`);
    const bytes = Buffer.alloc(stat.size);
    let count = 0;
    for (let got = -1; got !== 0 && count < bytes.length; count += got) {
      got = readSync(fd, bytes, count, bytes.length - count, count);
    }
    return bytes.subarray(0, count);
  } finally {
    closeSync(fd);
  }
}

function filesOf(archive: Buffer, sha256: string): ReadonlyMap<string, Buffer> {
  const found = crypto().createHash("sha256").update(archive).digest("hex");
  if (found !== sha256) throw invalid(`its SHA-256 is ${found}`);
  let files: ReadonlyMap<string, Buffer>;
  try {
    files = readCpio(archive);
  } catch (error) {
    throw invalid(`it is no bundle: ${(error as Error).message}`);
  }
  const missing = NEEDED.find((name) => !files.has(name));
  if (missing !== undefined) throw invalid(`it is no bundle: ${missing} is not in it`);
  return files;
}

/** Removes the file, which stays on a read-only share. */
function removeIfPossible(path: string): void {
  try {
    rmSync(path);
  } catch {
    // It is the host's to remove.
  }
}

const invalid = (why: string): AgentError => new AgentError("invalid-argument", why);

function withPath(path: string, error: unknown): unknown {
  const { errno } = error as NodeJS.ErrnoException;
  if (error instanceof AgentError && !(error instanceof SystemError)) {
    return new AgentError(error.kind, `upgrade: ${error.message}`, { cause: error });
  }
  if (errno === undefined) return error;
  const { code, text } = describeErrno(Math.abs(errno));
  return new AgentError("internal", `upgrade ${JSON.stringify(path)}: ${code} (${text})`, { cause: error });
}
