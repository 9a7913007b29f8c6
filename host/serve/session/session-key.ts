import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { createRecord, readRecord } from "../../engine/record/record-file.ts";
import { OperationError } from "../../operation-error.ts";

const FILE = ".serve-key";
const KEY_BYTES = 32;

/**
 * Returns the key of this user's sessions, from a file in the folder of the state store, which only this user can access.
 * Creates it at the first call; removing the file ends all sessions at the next start of a server.
 */
export function sessionKey(root: string): Buffer {
  const path = join(root, FILE);
  createRecord(path, { key: randomBytes(KEY_BYTES).toString("base64url") });
  const key = Buffer.from(readRecord<{ readonly key?: string }>(path)?.key ?? "", "base64url");
  if (key.length !== KEY_BYTES) throw new OperationError(`${path}: the record is damaged; remove the file`);
  return key;
}
