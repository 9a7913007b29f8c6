import { truncate, visibleLine } from "../../../visible.ts";

/** Status codes of SFTP 3. */
export const STATUS = { ok: 0, eof: 1, noSuchFile: 2, permissionDenied: 3, failure: 4, badMessage: 5 } as const;

/** Failure of one request; the message is one line. */
export class SftpError extends Error {
  override readonly name = "SftpError";
  readonly status: (typeof STATUS)[keyof typeof STATUS];

  constructor(message: string, status: SftpError["status"] = STATUS.failure) {
    super(message);
    this.status = status;
  }
}

/** Returns the error of a program that has failed, from its last line on stderr. */
export function toolError(stderr: string, code: number): SftpError {
  const line = visibleLine(truncate(stderr.trim().split("\n").at(-1) ?? "")) || `the program ended with ${code}`;
  if (/no such file|nonexistent|not found/i.test(line)) return new SftpError(line, STATUS.noSuchFile);
  if (/permission denied|not permitted|read-only/i.test(line)) return new SftpError(line, STATUS.permissionDenied);
  return new SftpError(line);
}
