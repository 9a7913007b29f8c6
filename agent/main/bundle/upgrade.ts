import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { O_DIRECTORY, O_PATH, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, S_IFMT, S_IFREG } from "../../kernel/constants.ts";
import { AgentError, describeErrno, SystemError } from "../../kernel/error.ts";
import { type ContainedFiles, guestRoot, type Served } from "../../kernel/files/contained-files.ts";
import { readPart } from "../../kernel/files/read-contained.ts";
import type { Handle } from "../../kernel/files/served-files.ts";
import { namesBelow, openBeneath, openSharedRoot, ownerOf, SHARED_ROOT } from "../../storage/shared-path.ts";
import type { BundleStore } from "./bundle-store.ts";
import { readCpio } from "./read-cpio.ts";

export interface Upgrade {
  /** Path of the bundle: the store's `upload`, or below the shared root; empty for the image's own agent. */
  readonly path: string;
  readonly sha256: string;
}

interface UpgradeParts {
  readonly contained: ContainedFiles;
  readonly store: BundleStore;
  /** SHA-256 of the running bundle, empty for the image's own; undefined if no launcher started it. */
  readonly running: string | undefined;
  readonly root?: string;
}

export const MAX_BUNDLE_BYTES = 32 * 1024 * 1024;
/** Files that every bundle has. Code caches may be missing or belong to another Node, and further files are allowed. */
const NEEDED = ["agent.cjs", "grpc.cjs", "sys.node", "seccomp.node"];

/**
 * Checks a bundle, stores it, removes the uploaded file and has the launcher run the bundle from the next start on. Rejects with one line
 * for a bad bundle, and changes nothing then.
 */
export async function prepareUpgrade(upgrade: Upgrade, parts: UpgradeParts): Promise<void> {
  try {
    if (parts.running === undefined) {
      throw new AgentError(
        "failed-precondition",
        "this agent was not started by the launcher, which chooses the bundle",
      );
    }
    if (upgrade.path === "" && upgrade.sha256 !== "") throw invalid("sha256 is given, and no path");
    if (upgrade.path !== "") await keepBundle(upgrade, parts, parts.running);
    parts.store.choose(upgrade.sha256);
    rmSync(dirname(parts.store.upload), { recursive: true, force: true });
  } catch (error) {
    throw withPath(upgrade.path, error);
  }
}

async function keepBundle(
  { path, sha256 }: Upgrade,
  { contained, store, root: shared = SHARED_ROOT }: UpgradeParts,
  running: string,
): Promise<void> {
  const place = path === store.upload ? dirname(path) : shared;
  const names = namesBelow(place, path);
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw invalid("sha256 is not 64 hexadecimal digits");
  // A stored bundle is not read again: the host may repeat a call whose answer was lost.
  if (store.has(sha256)) return;
  const name = names.at(-1) ?? "";
  const above = [".", ...names.slice(0, -1)];
  await contained.use(guestRoot(ownerOf(place, names, false)), (files) =>
    files.using(openSharedRoot(files, place), (root) =>
      files.using(openBeneath(files, root, above, O_PATH | O_DIRECTORY), async (parent) => {
        store.add(sha256, filesOf(await readWhole(files, parent, name), sha256), running);
        // On a read-only share it is the host's to remove.
        await files.unlink(parent, Buffer.from(name)).catch(() => undefined);
      }),
    ),
  );
}

/** Reads the whole file. The bytes hashed are the bytes stored, even if the file changes. */
function readWhole(files: Served, parent: Handle, name: string): Promise<Buffer> {
  return files.using(
    files.open(parent, name, O_PATH, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS),
    (found, { mode, size }) => {
      if ((Number(mode) & S_IFMT) !== S_IFREG) throw invalid("it is no regular file");
      if (size > MAX_BUNDLE_BYTES) throw invalid(`it has ${size} bytes, more than ${MAX_BUNDLE_BYTES}`);
      return files.using(files.open(found, "", 0), (file) => readPart(files, file, 0, Number(size)));
    },
  );
}

function filesOf(archive: Buffer, sha256: string): ReadonlyMap<string, Buffer> {
  const found = createHash("sha256").update(archive).digest("hex");
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
