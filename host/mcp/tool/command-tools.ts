import { z } from "zod";
import type { CommandState } from "../session/session-command.ts";
import type { SessionSandbox } from "../session/session-sandbox.ts";
import { defineTool } from "./define-tool.ts";
import { leftOutBytes, plainText, sandboxName, sandboxPath, timeoutSeconds, wholeNumber } from "./fields.ts";

const MAX_WAIT = 600;
const OUTPUT_BYTES = 32 << 10;
const SIGNALS = ["SIGTERM", "SIGKILL", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

const state = z.object({
  status: z
    .enum(["running", "exited", "timed-out"])
    .describe("running: it continues, see id. timed-out: it was killed at its timeout_seconds"),
  id: z.string().optional().describe("For exec_read, exec_write and exec_kill, while it runs"),
  exit_code: z.number().optional().describe("128 + signal if a signal killed it"),
  signal: z.number().optional().describe("Number of the signal that killed it"),
  stdout: z.string().describe("Output since the last call"),
  stderr: z.string(),
  stdout_left_out_bytes: leftOutBytes,
  stderr_left_out_bytes: leftOutBytes,
  notes: z.array(z.string()).optional().describe("What the output doesn't show"),
});

const waitSeconds = (seconds: number) => {
  const text = `How long to wait for it; by default ${seconds}. A command that isn't done then continues`;
  return z.number().min(0).max(MAX_WAIT).default(seconds).describe(text);
};
const commandId = plainText("Id of a command of this sandbox");
const changesSandbox = { readOnlyHint: false, destructiveHint: true, openWorldHint: false };

export const commandTools = [
  defineTool({
    name: "exec",
    title: "Run a command",
    description:
      "Runs a command in a sandbox and returns its exit code and both outputs; an exit code other than 0 is a result, not an error. A command that is still running after wait_seconds continues, and its id is returned for exec_read.",
    annotations: changesSandbox,
    input: z.strictObject({
      sandbox: sandboxName,
      command: plainText("A line for the sandbox's sh; or with args the name or path of a program"),
      args: z
        .array(z.string().regex(/^[^\0]*$/, "has a NUL"))
        .optional()
        .describe("Arguments; then no shell is used"),
      cwd: sandboxPath("Working directory; by default the image's").optional(),
      env: z.record(z.string(), z.string()).optional().describe("Additional variables"),
      user: plainText('Such as "root" or "1000:1000"; by default the sandbox\'s').optional(),
      stdin: z.string().optional().describe("Its input"),
      keep_stdin_open: z.boolean().default(false).describe("Leaves the input open for exec_write"),
      wait_seconds: waitSeconds(30),
      timeout_seconds: timeoutSeconds(300, "The command is killed after this time"),
      max_output_bytes: wholeNumber(
        1024,
        1 << 20,
        "Most bytes of each output that a call returns: its beginning and end",
      ).default(OUTPUT_BYTES),
    }),
    output: state,
    async call(input, { session, signal }) {
      const { command: line, args, cwd, env, user, stdin, keep_stdin_open: isOpen, wait_seconds } = input;
      const sandbox = session.get(input.sandbox);
      const killed = new AbortController();
      const command = await sandbox.start(args === undefined ? ["sh", "-c", line] : [line, ...args], line, {
        cwd,
        env,
        user,
        ...(isOpen ? { stdin: true } : stdin !== undefined && { stdin }),
        timeoutMs: input.timeout_seconds * 1000,
        signal: killed.signal,
        maxOutputBytes: input.max_output_bytes,
      });
      try {
        if (isOpen && stdin !== undefined) await command.write(stdin, false, { signal });
        await command.wait("end", wait_seconds * 1000, signal);
      } catch (error) {
        killed.abort(); // the client has no id of it
        sandbox.forget(command.id);
        throw error;
      }
      return take(sandbox, command.id);
    },
  }),
  defineTool({
    name: "exec_read",
    title: "Read a command's output",
    description: "Returns what a running command has printed since the last call, and its exit code once it has ended.",
    annotations: { readOnlyHint: true, openWorldHint: false },
    input: z.strictObject({
      sandbox: sandboxName,
      id: commandId,
      wait_for: z.enum(["output", "end"]).default("output").describe("Which of them ends the waiting"),
      wait_seconds: waitSeconds(30),
    }),
    output: state,
    async call({ sandbox: name, id, wait_for, wait_seconds }, { session, signal }) {
      const sandbox = session.get(name);
      await sandbox.command(id).wait(wait_for, wait_seconds * 1000, signal);
      return take(sandbox, id);
    },
  }),
  defineTool({
    name: "exec_write",
    title: "Write to a command's input",
    description:
      "Writes text to the input of a command that was started with keep_stdin_open. exec_read has its answer.",
    annotations: changesSandbox,
    input: z.strictObject({
      sandbox: sandboxName,
      id: commandId,
      text: z
        .string()
        .max(1 << 20)
        .describe("At most 1 MiB; end a line with a line feed"),
      end: z.boolean().default(false).describe("Closes the input afterwards"),
      timeout_seconds: timeoutSeconds(10),
    }),
    output: z.object({ written_bytes: z.number() }),
    async call({ sandbox, id, text, end, timeout_seconds }, { session, signal }) {
      const command = session.get(sandbox).command(id);
      await command.write(text, end, { timeoutMs: timeout_seconds * 1000, signal });
      return { written_bytes: Buffer.byteLength(text) };
    },
  }),
  defineTool({
    name: "exec_kill",
    title: "Send a signal to a command",
    description: "Sends a signal to a running command, and returns the rest of its output once it has ended.",
    annotations: changesSandbox,
    input: z.strictObject({
      sandbox: sandboxName,
      id: commandId,
      signal: z.enum(SIGNALS).default("SIGTERM").describe("By default SIGTERM"),
      wait_seconds: waitSeconds(10),
    }),
    output: state,
    async call({ sandbox: name, id, signal: name_, wait_seconds }, { session, signal }) {
      const sandbox = session.get(name);
      const command = sandbox.command(id);
      await command.kill(name_, { signal });
      await command.wait("end", wait_seconds * 1000, signal);
      return take(sandbox, id);
    },
  }),
];

/** Returns a command's state; its end is returned once. */
function take(sandbox: SessionSandbox, id: string): z.input<typeof state> {
  const command = sandbox.command(id);
  if (!command.isRunning) sandbox.forget(id);
  const { status, exitCode, signal, stdout, stderr } = command.take();
  const notes = notesOf({ stdout, stderr });
  return {
    status,
    ...(status === "running" && { id }),
    exit_code: exitCode,
    ...(signal !== undefined && signal > 0 && { signal }),
    stdout: stdout.text,
    stderr: stderr.text,
    stdout_left_out_bytes: stdout.leftOut,
    stderr_left_out_bytes: stderr.leftOut,
    ...(notes.length > 0 && { notes }),
  };
}

function notesOf(outputs: Pick<CommandState, "stdout" | "stderr">): string[] {
  return Object.entries(outputs).flatMap(([name, { leftOut, isUtf8 }]) => [
    ...(leftOut === 0
      ? []
      : [`${name}: ${leftOut} bytes were left out and are gone; print less, or write to a file and use file_read`]),
    ...(isUtf8 ? [] : [`${name}: it is not UTF-8; bytes that aren't are shown as U+FFFD`]),
  ]);
}
