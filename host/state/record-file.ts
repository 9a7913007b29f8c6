import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { OperationError } from "../operation-error.ts";

/** Reads a record; undefined if it doesn't exist or is being removed. */
export function readRecord<T>(path: string): T | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new OperationError(`${path}: the record is damaged; remove the file`, { cause: error });
  }
}

/** Writes a record atomically. */
export function writeRecord(path: string, record: object): void {
  renameSync(writeBeside(path, record), path);
}

/** Creates a record atomically; returns false if the file already exists. */
export function createRecord(path: string, record: object): boolean {
  const temporary = writeBeside(path, record);
  try {
    linkSync(temporary, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function writeBeside(path: string, record: object): string {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  return temporary;
}
