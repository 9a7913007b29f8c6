import { sandboxError } from "../error/to-sandbox-error.ts";

/**
 * Where a client is in the output of an exec, as plain data: as JSON it may go to another process, which continues
 * there by `attach`.
 */
export interface ExecPosition {
  /** 1. */
  readonly version: number;
  /** Address of the agent. */
  readonly address: string;
  readonly container: string;
  /** Exec id. */
  readonly exec: string;
  /** Offsets of the first bytes that were not taken. */
  readonly stdout: number;
  readonly stderr: number;
  /** Names the boot of the guest: at another one the position is refused. */
  readonly epoch: string;
  readonly tty: boolean;
}

/** Checks a position that came from elsewhere. Throws SandboxError. */
export function checkPosition(position: ExecPosition): ExecPosition {
  const { version, address, container, exec, stdout, stderr, epoch } = position ?? {};
  const isOffset = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0;
  const texts = [address, container, exec, epoch].every((text) => typeof text === "string" && text !== "");
  if (version === 1 && texts && isOffset(stdout) && isOffset(stderr)) return position;
  throw sandboxError("invalid-argument", "attach: the position isn't one that exec.position returned");
}
