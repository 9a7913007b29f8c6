import { rmSync } from "node:fs";
import { open, rename, stat } from "node:fs/promises";
import { onProcessEnd } from "../../../lib/process-end.ts";
import { reason } from "../../../lib/reason.ts";
import { CliError } from "../cli-error.ts";

/** Writes an archive: calls `write` with its bytes, one after the other. */
type Produce = (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>;

/** Writes an archive to a file, which appears once it is complete, or to stdout, unless that is a terminal. */
export async function writeArchive(command: string, file: string | undefined, produce: Produce): Promise<void> {
  if (file === undefined) {
    if (process.stdout.isTTY) throw new CliError(`${command}: stdout is a terminal; add -o FILE, or redirect it`);
    return produce(writeOut);
  }
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() === false) throw new CliError(`${command}: ${file}: not a regular file; redirect stdout instead`);
  const temporary = `${file}.${process.pid}.tmp`;
  const fail = (error: unknown) => new CliError(`${command}: write ${file}: ${reason(error)}`, { cause: error });
  const handle = await open(temporary, "wx", 0o600).catch((error: unknown) => {
    throw fail(error);
  });
  const remove = () => rmSync(temporary, { force: true });
  const forget = onProcessEnd(remove);
  try {
    await produce((bytes) => handle.writeFile(bytes).catch((error: unknown) => Promise.reject(fail(error))));
    await rename(temporary, file);
  } finally {
    await handle.close();
    remove();
    forget();
  }
}

/** Writes to stdout; rejects if its reader is gone. */
export function writeOut(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
