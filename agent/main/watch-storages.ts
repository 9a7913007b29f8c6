import { storageNotices } from "../storage/storage-notices.ts";
import type { Log } from "./log.ts";

/** Logs what storages have to say that is no error of a call. */
export function logStorages(log: Log): void {
  storageNotices.subscribe((line) => log.warn(line as string));
}
