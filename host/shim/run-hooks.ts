import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { isJsonObject } from "../../lib/parse-json.ts";
import { OperationError } from "../operation-error.ts";

/** A program that a spec has run on the host at a point of a container's life. */
interface Hook {
  readonly path: string;
  /** With its own name first. */
  readonly args?: readonly string[];
  /** "NAME=value". */
  readonly env?: readonly string[];
  /** Seconds. */
  readonly timeout?: number;
}

/** Points that are the host's; the others belong to a container's namespaces, which are in the guest. */
export type HookPoint = "prestart" | "createRuntime" | "poststart" | "poststop";

/** A container as hooks get it on stdin: the state of the OCI runtime specification. */
export interface HookState {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: "creating" | "running" | "stopped";
  readonly pid: number;
  readonly bundle: string;
}

const DEFAULT_SECONDS = 120;

/** Runs the hooks of a spec's point in order, up to the first that fails. Throws OperationError. */
export async function runHooks(spec: unknown, point: HookPoint, state: HookState): Promise<void> {
  const hooks = isJsonObject(spec) && isJsonObject(spec["hooks"]) ? spec["hooks"][point] : undefined;
  if (!Array.isArray(hooks)) return;
  for (const hook of hooks as readonly Hook[]) await runHook(hook, point, state);
}

async function runHook({ path, args = [], env = [], timeout }: Hook, point: string, state: HookState): Promise<void> {
  const [argv0 = path, ...rest] = args;
  const hook = spawn(path, rest, {
    argv0,
    env: Object.fromEntries(env.map((pair) => [pair.replace(/=.*/s, ""), pair.replace(/^[^=]*=?/, "")])),
    stdio: ["pipe", "ignore", "pipe"],
    timeout: (timeout ?? DEFAULT_SECONDS) * 1000,
    killSignal: "SIGKILL",
  });
  const ended = new Promise<string>((resolve) => {
    hook.once("error", ({ message }) => resolve(message));
    hook.once("close", (code, signal) => resolve(code === 0 ? "" : `it ended with ${signal ?? code}`));
  });
  hook.stdin.on("error", () => undefined).end(JSON.stringify(state));
  const [how, said] = await Promise.all([ended, text(hook.stderr).catch(() => "")]);
  if (how === "") return;
  const why = [how, said.trim().replaceAll(/\s*\n\s*/g, "; ")].filter((part) => part !== "").join(": ");
  throw new OperationError(`container ${state.id}: ${point} hook ${path}: ${why}`);
}
