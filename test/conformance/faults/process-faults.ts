import { accepted, answer, error, type Fault, fault, ignored, request, response } from "./fault.ts";

const SIGNALS = 128;

/** Defects of waiting, of signals and of execs. */
export function processFaults(): Fault[] {
  return [
    fault(
      "WaitProcess: the exit code is always 0",
      /^WaitProcess: returns the exit code/,
      response("WaitProcess", () => ({})),
    ),
    fault(
      "WaitProcess: a signal's number comes without 128",
      /^WaitProcess: returns \d+ for a process that signal/,
      response("WaitProcess", ({ status }) => ({ status: status > SIGNALS ? status - SIGNALS : status })),
    ),
    fault(
      "WaitProcess: the exit code is negative from 128 on",
      /^WaitProcess: returns/,
      response("WaitProcess", ({ status }) => ({ status: status >= SIGNALS ? status - 256 : status })),
    ),
    fault("WaitProcess: answers before the end", /^WaitProcess: waits until/, ignored("WaitProcess")),
    fault(
      "WaitProcess: an empty exec id is refused",
      /^WaitProcess: works with the container id/,
      answer("WaitProcess", ({ exec_id }) => (exec_id === "" ? new Error("no exec id") : undefined)),
    ),
    fault("WaitProcess: a second wait returns 0", /^WaitProcess: (a second wait|ten waiters)/, () => {
      const seen = new Set<string>();
      return response("WaitProcess", ({ status }, { container_id, exec_id }) => {
        const key = `${container_id} ${exec_id}`;
        const is = seen.has(key) ? 0 : status;
        seen.add(key);
        return { status: is };
      });
    }),
    fault("SignalProcess: is ignored", /^SignalProcess: (KILL|TERM)/, ignored("SignalProcess")),
    fault(
      "SignalProcess: every signal is KILL",
      /^SignalProcess: (TERM reaches|TERM does not end|INT reaches)/,
      request("SignalProcess", (is) => ({ ...is, signal: is.signal === 0 ? 0 : 9 })),
    ),
    fault(
      "SignalProcess: a signal to an exec goes to the container",
      /^SignalProcess: a signal to an exec/,
      request("SignalProcess", (is) => ({ ...is, exec_id: "" })),
    ),
    fault(
      "SignalProcess: signal 65 is accepted",
      /^SignalProcess: refuses 65/,
      accepted("SignalProcess", (_text, { signal }) => signal > 64),
    ),
    fault(
      "SignalProcess: signal 0 is TERM",
      /^SignalProcess: 0 checks/,
      request("SignalProcess", (is) => ({ ...is, signal: is.signal === 0 ? 15 : is.signal })),
    ),
    fault(
      "SignalProcess: the error of an ended process has a text that hosts don't know",
      /^SignalProcess: (to a process that was waited for|of an unknown exec)/,
      error("SignalProcess", () => ({ code: 13, text: "it is gone" })),
    ),
    fault(
      "ExecProcess: the last argument is lost",
      /^ExecProcess: has exactly the given arguments/,
      request("ExecProcess", ({ process, ...is }) => ({
        ...is,
        process: { ...process, Args: process?.Args.slice(0, -1) },
      })),
    ),
    fault(
      "ExecProcess: the environment has one variable more",
      /^ExecProcess: has exactly the given arguments and environment/,
      request("ExecProcess", ({ process, ...is }) => ({
        ...is,
        process: { ...process, Env: [...(process?.Env ?? []), "MORE=1"] },
      })),
    ),
    fault(
      "ExecProcess: runs in the root directory",
      /^ExecProcess: (runs in the given working directory|fails if the working directory)/,
      request("ExecProcess", ({ process, ...is }) => ({ ...is, process: { ...process, Cwd: "/" } })),
    ),
    fault(
      "ExecProcess: runs as root",
      /^ExecProcess: runs as the given user/,
      request("ExecProcess", ({ process, ...is }) => ({ ...is, process: { ...process, User: {} } })),
    ),
    fault(
      "ExecProcess: no_new_privs is ignored",
      /^ExecProcess: no_new_privs/,
      request("ExecProcess", ({ process, ...is }) => ({ ...is, process: { ...process, NoNewPrivileges: false } })),
    ),
    fault(
      "ExecProcess: resource limits are ignored",
      /^ExecProcess: resource limits/,
      request("ExecProcess", ({ process, ...is }) => ({ ...is, process: { ...process, Rlimits: [] } })),
    ),
    fault(
      "ExecProcess: capabilities are ignored",
      /^ExecProcess: capabilities in the request/,
      request("ExecProcess", ({ process, ...is }) => ({ ...is, process: { ...process, Capabilities: null } })),
    ),
    fault(
      "ExecProcess: a missing executable is no error",
      /^ExecProcess: (fails at once|of a missing executable)/,
      accepted("ExecProcess", (text) => text.includes("not found")),
    ),
    fault(
      "ExecProcess: an id in use is accepted",
      /^ExecProcess: a second exec with an id in use/,
      accepted("ExecProcess", (text) => /exists|in use|already/.test(text)),
    ),
    fault(
      "ExecProcess: an id that is a UUID is refused",
      /^ExecProcess: an id can be a UUID/,
      answer("ExecProcess", ({ exec_id }) => (/^[\da-f]{8}-/.test(exec_id) ? new Error("not an id") : undefined)),
    ),
  ];
}
