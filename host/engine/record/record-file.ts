import { linkSync, readFileSync, rmSync } from "node:fs";
import { writeJsonBeside } from "../../../lib/write-json.ts";
import { OperationError } from "../../operation-error.ts";

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

/** Creates a record atomically; returns false if the file already exists. */
export function createRecord(path: string, record: object): boolean {
  const temporary = writeJsonBeside(path, record);
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
